-- ARGV: call, how long to remember it, subject, provider, sealed.
--   provider-tokens:<subject>  hash of sealed tokens, by provider
if done(ARGV[1], ARGV[2]) then return 'ok' end -- it may be deleted by now
redis.call('HSET', base .. 'provider-tokens:' .. ARGV[3], ARGV[4], ARGV[5])
remember(ARGV[1], ARGV[2])
return 'ok'
