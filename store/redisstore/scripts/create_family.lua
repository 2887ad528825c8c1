-- ARGV: id, subject, its version, when the family expires, what to add to the
-- clock, call, fields and values of the row.
local subject, version, expires, call = ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[6]

-- Before the version, which may have moved on since the first try.
if redis.call('HGET', row, 'call') == call then return 'ok' end
if redis.call('EXISTS', row) == 1 then return 'exists' end
if version_of(subject) ~= version then return 'conflict' end

local ttl = keep(expires, clock(ARGV[5]))
redis.call('HSET', row, unpack(ARGV, 7))
redis.call('PEXPIRE', row, ttl)
if redis.call('HEXISTS', row, 'revoked') == 0 then
  redis.call('SET', living, subject, 'PX', ttl)
end
return 'ok'
