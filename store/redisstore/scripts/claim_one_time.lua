-- ARGV: call, how long to remember it, digest, now. Answers a refusal, or the
-- row in a list. Of the row see create_one_time.lua.
local memory, key = base .. 'call:' .. ARGV[1], base .. 'token:' .. ARGV[3]
local row = redis.call('GET', memory)
if row then
  redis.call('PEXPIRE', memory, ARGV[2]) -- a write, for WAIT
  return { row }
end
row = redis.call('GET', key)
if not row then return 'not found' end
local expires, purpose, subject = row:sub(1, 20), row:match('^(%Z+)%z(%Z*)%z', 41)
assert(tonumber(expires) and purpose, 'the row of a one-time token is damaged')
if tonumber(ARGV[4]) >= tonumber(expires) then return 'not found' end
redis.call('DEL', key)
redis.call('ZREM', base .. 'of:' .. subject, purpose .. '\0' .. expires .. ARGV[3])
redis.call('SET', memory, row, 'PX', ARGV[2])
return { row }
