-- ARGV: call, how long to remember it, id, Revision, fields and values.
if done(ARGV[1], ARGV[2]) then return 'ok' end
local row = base .. 'client:' .. ARGV[3]
local revision = redis.call('HGET', row, 'revision')
if not revision then return 'not found' end
if revision ~= ARGV[4] then return 'conflict' end
-- It may deny something, and then goes through when memory is full: Redis refuses
-- the first write that may need some, and none after another.
redis.call('PERSIST', row)
redis.call('HSET', row, unpack(ARGV, 5))
redis.call('HINCRBY', row, 'revision', 1)
remember(ARGV[1], ARGV[2])
return 'ok'
