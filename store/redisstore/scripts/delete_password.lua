-- ARGV: call, how long to remember it, subject.
if done(ARGV[1], ARGV[2]) then return 'ok' end -- there may be a new one by now
local name_of = base .. 'subject:' .. ARGV[3]
local name = redis.call('GET', name_of)
if name then
  redis.call('DEL', name_of, base .. 'name:' .. name)
  remember(ARGV[1], ARGV[2])
else
  rewrite()
end
return 'ok'
