-- ARGV: call, how long to remember it, subject, old row, next row.
if done(ARGV[1], ARGV[2]) then return 'ok' end
local name = redis.call('GET', base .. 'subject:' .. ARGV[3])
local row = name and base .. 'name:' .. name
if not row or redis.call('GET', row) ~= ARGV[4] then return 'conflict' end
-- The old password must end when memory is full, too: Redis refuses the first
-- write that may need some, and none after another.
redis.call('PERSIST', row)
redis.call('SET', row, ARGV[5])
remember(ARGV[1], ARGV[2])
return 'ok'
