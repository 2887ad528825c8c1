-- KEYS: the subject's version. ARGV: what to add to the clock, call.
-- Its value is the version, when RevokeTokensOf was called last, and the last
-- calls, newest first, without a space. They are of one length. It has no TTL.
-- There is none before the first call: the version is 1.
local record = redis.call('GET', KEYS[1])
local version, at, calls = 1, 0, ''
if record then
  version, at, calls = record:match('^([1-9]%d*) (%d+) (%w+)$')
  assert(version, 'the version of a subject is damaged')
end
if not calls:find(ARGV[2], 1, true) then -- else it is a replay
  -- A clock that went back, as by a failover, brings no token back.
  at = micros(math.max(clock(ARGV[1]), tonumber(at)))
  record = micros(version + 1) .. ' ' .. at .. ' ' .. (ARGV[2] .. calls):sub(1, 8 * #ARGV[2])
end
-- It must go through when memory is full: Redis refuses the first write that
-- may need some, and none after another.
redis.call('PERSIST', KEYS[1])
redis.call('SET', KEYS[1], record)
return 'ok'
