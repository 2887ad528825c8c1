-- ARGV: call, how long to remember it, token, its successor, subject, SeenAt,
-- IdleUntil, ExpiresAt, Identity with its length, now, "p" if it then owes a
-- factor, most live ones (0: any number).
local call, token, successor, now = ARGV[1], ARGV[3], ARGV[4], tonumber(ARGV[10])

if done(call, ARGV[2]) then return 'ok' end
local s = read(token)
if not live(s, now) or s.subject ~= ARGV[5] then return 'not found' end
if redis.call('EXISTS', row_of(successor)) == 1 then return 'exists' end

local ends = math.min(tonumber(ARGV[7]), tonumber(ARGV[8]))
local row = ARGV[6] .. ARGV[7] .. ARGV[8] .. s.revision .. s.login .. ARGV[9] .. s.data
redis.call('SET', row_of(successor), row, 'PX', keep(ends, now))
redis.call('DEL', row_of(token))
if s.subject ~= '' then
  local _, place = entry(s.subject, s.id)
  if place then
    redis.call('HSET', ids_of(s.subject), s.id, successor .. place:sub(1, 20) .. ARGV[11])
    redis.call('ZADD', ends_of(s.subject), micros(ends), s.id)
    outlive(s.subject, keep(tonumber(ARGV[8]), now))
    if tonumber(ARGV[12]) > 0 then cap(s.subject, s.id, tonumber(ARGV[12]), ARGV[10]) end
  end
end
remember(call, ARGV[2])
return 'ok'
