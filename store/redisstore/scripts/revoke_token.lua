-- KEYS: the token. ARGV: until, what to add to the clock. Its value is until
-- when it is dead.
local until_, before = ARGV[1], redis.call('GET', KEYS[1])
if before then
  if tonumber(before) > tonumber(until_) then until_ = before end
  -- What is there already may be said again when memory is full: Redis refuses
  -- the first write that may need some, and none after another.
  redis.call('PERSIST', KEYS[1])
end
redis.call('SET', KEYS[1], until_, 'PX', keep(tonumber(until_), clock(ARGV[2])))
return 'ok'
