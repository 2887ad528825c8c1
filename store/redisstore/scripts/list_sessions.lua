-- ARGV: subject, place of the last one seen ("": none), how many, now. Answers
-- whether there are more, then token and row of each.
local subject, size, now = ARGV[1], tonumber(ARGV[3]), tonumber(ARGV[4])
local answer, found = { 0 }, 0
local from = ARGV[2] == '' and '+' or '(' .. ARGV[2]
while true do
  local places = redis.call('ZREVRANGEBYLEX', list_of(subject), from, '-', 'LIMIT', 0, size + 1)
  for _, place in ipairs(places) do
    local id = place:sub(21)
    local ends = redis.call('ZSCORE', ends_of(subject), id)
    if ends and now < tonumber(ends) then
      local token = entry(subject, id)
      local row = token and redis.call('GET', row_of(token))
      if row then
        if found == size then
          answer[1] = 1
          return answer
        end
        found = found + 1
        answer[#answer + 1] = token
        answer[#answer + 1] = row
      end
    end
  end
  if #places <= size then return answer end
  from = '(' .. places[#places]
end
