-- KEYS: the ring, see add_signing_key.lua. ARGV: id, now.
local row = redis.call('HGET', KEYS[1], ARGV[1])
if not row then return 'not found' end
local k = cjson.decode(row)
if not k.expires or tonumber(ARGV[2]) < tonumber(k.expires) then k.expires = ARGV[2] end
-- It must go through when memory is full: Redis refuses the first write that
-- may need some, and none after another. It is one for WAIT, too.
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], cjson.encode(k))
return 'ok'
