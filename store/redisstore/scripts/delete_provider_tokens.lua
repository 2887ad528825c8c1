-- ARGV: call, how long to remember it, subject, then a provider, or none for all.
if done(ARGV[1], ARGV[2]) then return 'ok' end -- there may be a new one by now
local tokens = base .. 'provider-tokens:' .. ARGV[3]
rewrite() -- a write, for WAIT, also where there is none
if ARGV[4] then redis.call('HDEL', tokens, ARGV[4]) else redis.call('DEL', tokens) end
remember(ARGV[1], ARGV[2])
return 'ok'
