-- ARGV: see totps.lua; then the secret that was read ("": none), sealed, until.
if done(ARGV[1], ARGV[2]) then return 'ok' end
if (redis.call('HGET', row, 'secret') or '') ~= ARGV[4] then return 'conflict' end
redis.call('HSET', row, 'unconfirmed', ARGV[5], 'until', ARGV[6])
redis.call('PERSIST', row) -- it may be what DeleteTOTP has left
remember(ARGV[1], ARGV[2])
return 'ok'
