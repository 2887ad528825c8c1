-- ARGV: call, how long to remember it, id, fields and values of its row.
--   client:<id>  hash, the row, found with one HGETALL. Of its secrets, the newest
--                first, each has a line: digest, CreatedAt and ExpiresAt, with a
--                space between
--   ids          sorted set of all ids, in the order of bytes
if done(ARGV[1], ARGV[2]) then return 'ok' end
local row = base .. 'client:' .. ARGV[3]
if redis.call('EXISTS', row) == 1 then return 'exists' end
redis.call('HSET', row, unpack(ARGV, 4))
redis.call('ZADD', base .. 'ids', 0, ARGV[3])
remember(ARGV[1], ARGV[2])
return 'ok'
