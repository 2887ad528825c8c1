-- ARGV: see totps.lua; then sealed, step, recovery codes, now.
if done(ARGV[1], ARGV[2]) then return 'ok' end
local sealed, until_, step, codes = unpack(redis.call('HMGET', row, 'unconfirmed', 'until', 'step', 'codes'))
if sealed ~= ARGV[4] or ARGV[5] <= (step or '') then return 'conflict' end
until_ = tonumber(until_ or '')
assert(until_, 'a TOTP that waits for its Confirm is damaged')
if tonumber(ARGV[7]) >= until_ then return 'conflict' end
redis.call('HSET', row, 'secret', sealed, 'enrolled', ARGV[7], 'recovery', ARGV[6], 'step', ARGV[5], 'codes', right(codes))
redis.call('HDEL', row, 'unconfirmed', 'until')
redis.call('HINCRBY', row, 'epoch', 1)
remember(ARGV[1], ARGV[2])
return 'ok'
