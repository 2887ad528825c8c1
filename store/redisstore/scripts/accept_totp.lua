-- ARGV: see totps.lua; then the secret that was read, step, what becomes the
-- secret ("": nothing). A replay is a conflict when another code was accepted in
-- between.
local secret, step, codes, accepted = unpack(redis.call('HMGET', row, 'secret', 'step', 'codes', 'accepted'))
if accepted == ARGV[1] then
  redis.call('HSET', row, 'accepted', accepted) -- a write, for WAIT
  return 'ok'
end
if not secret or secret ~= ARGV[4] or ARGV[5] <= (step or '') then return 'conflict' end
if ARGV[6] ~= '' then secret = ARGV[6] end
redis.call('HSET', row, 'secret', secret, 'step', ARGV[5], 'codes', right(codes), 'accepted', ARGV[1])
return 'ok'
