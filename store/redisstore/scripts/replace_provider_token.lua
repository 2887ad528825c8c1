-- KEYS: the hash of put_provider_token.lua. ARGV: provider, old, sealed. It is one
-- key, so that this goes on while a cluster moves the slot: who calls has nothing
-- left but sealed. No two calls seal alike, so that what is there already was put
-- there by this one.
local there = redis.call('HGET', KEYS[1], ARGV[1])
if there ~= ARGV[2] and there ~= ARGV[3] then return 'conflict' end
-- It must go through when memory is full, too: Redis refuses the first write that
-- may need some, and none after another.
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 'ok'
