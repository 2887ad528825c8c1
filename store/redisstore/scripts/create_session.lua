-- ARGV: call, how long to remember it, token, ID, subject, digits of the place,
-- IdleUntil, ExpiresAt, token that it replaces ("": none in this slot), most
-- live ones (0: any number), age of the proof as of sending, what to add to the
-- clock, now, row, when the proof was by the caller's clock, "p" if it owes a
-- factor.
local call, token, id, subject, digits = ARGV[1], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ends, expires, replaces = math.min(tonumber(ARGV[7]), tonumber(ARGV[8])), tonumber(ARGV[8]), ARGV[9]
local max, clock_now, now = tonumber(ARGV[10]), clock(ARGV[12]), tonumber(ARGV[13])

if done(call, ARGV[2]) then return 'ok' end
local other, stale -- with the same ID
if subject ~= '' then
  local record = redis.call('GET', revoked_of(subject))
  if record then
    local at = record:match('^(%d+) %w+$')
    assert(at, 'the revocation of sessions is damaged')
    -- The age does not count the way here. The caller's clock does, if it is not
    -- far off: it makes the proof older by a second at most, and never younger.
    local proven = clock_now - ARGV[11]
    proven = math.min(proven, math.max(tonumber(ARGV[15]), proven - 1000000))
    if tonumber(at) >= proven then return 'conflict' end
  end
  other, stale = entry(subject, id)
  if other and other ~= replaces and redis.call('EXISTS', row_of(other)) == 1 then return 'exists' end
end
if redis.call('EXISTS', row_of(token)) == 1 then return 'exists' end

redis.call('SET', row_of(token), ARGV[14], 'PX', keep(ends, now))
remember(call, ARGV[2])
if replaces ~= '' then delete(replaces) end
if subject == '' then return 'ok' end

if stale then redis.call('ZREM', list_of(subject), stale) end
redis.call('ZADD', list_of(subject), 0, digits .. id)
redis.call('ZADD', ends_of(subject), micros(ends), id)
redis.call('HSET', ids_of(subject), id, token .. digits .. ARGV[16])
outlive(subject, keep(expires, now))

-- A few of those whose rows are gone by now: a day's margin, and neither of the
-- two clocks deletes alone.
local gone = micros(math.min(now, clock_now) - 24 * 60 * 60 * 1000000)
for _, ended in ipairs(redis.call('ZRANGEBYSCORE', ends_of(subject), '-inf', gone, 'LIMIT', 0, 100)) do
  if ended ~= id then drop(subject, ended) end
end

if max > 0 then cap(subject, id, max, ARGV[13]) end
return 'ok'
