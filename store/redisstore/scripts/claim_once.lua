-- KEYS: the claim. ARGV: until, now, call, how long to keep it.
-- Its value is the token of the call that made it, and until when it holds; the
-- key outlives that by a day.
local call = ARGV[3]
local claim = redis.call('GET', KEYS[1])
if claim and claim:sub(1, #call) ~= call and tonumber(ARGV[2]) < tonumber(claim:sub(#call + 2)) then
  return 'exists'
end
-- The client's replay writes the same again: WAIT counts the replicas that
-- have this connection's last write, so there must be one.
redis.call('SET', KEYS[1], call .. ' ' .. ARGV[1], 'PX', ARGV[4])
return 'ok'
