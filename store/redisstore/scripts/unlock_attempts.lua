-- KEYS: memory of the call, and a hash. ARGV: how long to remember it. A replay
-- must not forget what was since.
if redis.call('EXISTS', KEYS[1]) == 1 then return 'ok' end
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
return 'ok'
