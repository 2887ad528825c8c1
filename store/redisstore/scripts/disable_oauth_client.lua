-- ARGV: id, now.
local row = base .. 'client:' .. ARGV[1]
if redis.call('EXISTS', row) == 0 then return 'not found' end
rewrite() -- it must go through when memory is full, too
redis.call('HSETNX', row, 'disabled', ARGV[2])
return 'ok'
