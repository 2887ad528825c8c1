-- KEYS: see create_oauth_client.lua. ARGV: id of the last one seen or "", how
-- many. Answers whether there are more, and the rows; nothing when there is no
-- such last one.
local ids, size, from = KEYS[1] .. 'ids', tonumber(ARGV[2]), '-'
if ARGV[1] ~= '' then
  if not redis.call('ZSCORE', ids, ARGV[1]) then return false end
  from = '(' .. ARGV[1]
end
local answer = { 0 }
for i, id in ipairs(redis.call('ZRANGEBYLEX', ids, from, '+', 'LIMIT', 0, size + 1)) do
  if i > size then
    answer[1] = 1
  else
    answer[i + 1] = redis.call('HGETALL', KEYS[1] .. 'client:' .. id)
  end
end
return answer
