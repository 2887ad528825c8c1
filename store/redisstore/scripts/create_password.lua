-- ARGV: call, how long to remember it, subject, name, row.
--   name:<name>        the row, a string: subject, NUL, hash
--   subject:<subject>  the name
if done(ARGV[1], ARGV[2]) then return 'ok' end
local row, name_of = base .. 'name:' .. ARGV[4], base .. 'subject:' .. ARGV[3]
if redis.call('EXISTS', row, name_of) > 0 then return 'exists' end
redis.call('SET', row, ARGV[5])
redis.call('SET', name_of, ARGV[4])
remember(ARGV[1], ARGV[2])
return 'ok'
