-- ARGV: call, how long to remember it, subject, ID, now. "not found" is answered
-- as a list: who has asked before may be told so only when the replicas know it.
local subject, id = ARGV[3], ARGV[4]
if done(ARGV[1], ARGV[2]) then return 'ok' end
local ends, token = redis.call('ZSCORE', ends_of(subject), id), entry(subject, id)
local there = token and ends and tonumber(ARGV[5]) < tonumber(ends) and redis.call('EXISTS', row_of(token)) == 1
if not there then
  rewrite()
  return { 'not found' }
end
drop(subject, id)
remember(ARGV[1], ARGV[2])
return 'ok'
