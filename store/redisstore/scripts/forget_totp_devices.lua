-- ARGV: see totps.lua.
if done(ARGV[1], ARGV[2]) then return 'ok' end
rewrite() -- it must go through when memory is full, too
if redis.call('EXISTS', row) == 1 then
  redis.call('HINCRBY', row, 'epoch', 1)
  remember(ARGV[1], ARGV[2])
end
return 'ok'
