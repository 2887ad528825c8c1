-- ARGV: see totps.lua; then the digest, 32 bytes. Answers a refusal, or how many
-- are left in a list.
local memory = base .. 'call:' .. ARGV[1]
local left = redis.call('GET', memory)
if left then
  redis.call('PEXPIRE', memory, ARGV[2]) -- a write, for WAIT
  return { tonumber(left) }
end
local codes = redis.call('HGET', row, 'recovery') or ''
for at = 1, #codes, 32 do
  if codes:sub(at, at + 31) == ARGV[4] then
    redis.call('HDEL', row, 'codes', 'backup')
    redis.call('HSET', row, 'recovery', codes:sub(1, at - 1) .. codes:sub(at + 32))
    left = #codes / 32 - 1
    redis.call('SET', memory, left, 'PX', ARGV[2])
    return { left }
  end
end
return 'not found'
