-- ARGV: see totps.lua; then the secret that was read, recovery codes.
if done(ARGV[1], ARGV[2]) then return 'ok' end
if redis.call('HGET', row, 'secret') ~= ARGV[4] then return 'conflict' end
-- The old ones must end when memory is full, too: Redis refuses the first write
-- that may need some, and none after another.
redis.call('PERSIST', row)
redis.call('HSET', row, 'recovery', ARGV[5])
remember(ARGV[1], ARGV[2])
return 'ok'
