-- ARGV: call, how long to remember it, digest, purpose, subject, ExpiresAt, TTL,
-- most live ones (0: any number), now, what to add to the clock, row. Both times
-- have 20 digits.
--   token:<digest>  the row, a string, so that one GET reads it: ExpiresAt and
--                   CreatedAt of 20 characters each, purpose, NUL, subject, NUL,
--                   Bound
--   of:<subject>    sorted set of places, in the order of bytes: purpose, NUL, 20
--                   digits of ExpiresAt, digest
if done(ARGV[1], ARGV[2]) then return 'ok' end
local digest, purpose, ttl = ARGV[3], ARGV[4] .. '\0', tonumber(ARGV[7])
local row, places = base .. 'token:' .. digest, base .. 'of:' .. ARGV[5]

-- ended is behind the places of this purpose that end at t or before.
local function ended(t) return purpose .. t .. 'g' end

if tonumber(ARGV[8]) > 0 then
  local live = redis.call('ZLEXCOUNT', places, '(' .. ended(ARGV[9]), '(' .. ARGV[4] .. '\1')
  if live >= tonumber(ARGV[8]) then return 'limit' end
end
if redis.call('EXISTS', row) == 1 then return 'exists' end

redis.call('SET', row, ARGV[11], 'PX', ttl)
-- Those whose rows are gone by now: a day's margin, and neither of the two
-- clocks deletes alone.
local gone = math.max(math.min(tonumber(ARGV[9]), clock(ARGV[10])) - 24 * 60 * 60 * 1000000, 0)
redis.call('ZREMRANGEBYLEX', places, '[' .. purpose, '(' .. ended(string.format('%020.0f', gone)))
redis.call('ZADD', places, 0, purpose .. ARGV[6] .. digest)
if redis.call('PTTL', places) < ttl then redis.call('PEXPIRE', places, ttl) end
remember(ARGV[1], ARGV[2])
return 'ok'
