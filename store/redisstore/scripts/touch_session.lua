-- ARGV: token, IdleUntil, now.
local s = read(ARGV[1])
if not live(s, ARGV[3]) then return 'ok' end
local seen, idle, now = s.seen, s.idle, tonumber(ARGV[3])
if tonumber(seen) < now then seen = ARGV[3] end
if tonumber(idle) < tonumber(ARGV[2]) then idle = ARGV[2] end
if tonumber(idle) > tonumber(s.expires) then idle = s.expires end
if seen == s.seen and idle == s.idle then return 'ok' end
redis.call('SETRANGE', row_of(ARGV[1]), 0, seen .. idle)
if idle ~= s.idle then
  redis.call('PEXPIRE', row_of(ARGV[1]), keep(tonumber(idle), now))
  if s.subject ~= '' then redis.call('ZADD', ends_of(s.subject), 'XX', micros(tonumber(idle)), s.id) end
end
return 'ok'
