-- ARGV: owner, id of the last one seen or "", how many. Answers whether there
-- are more, and the rows; nothing when there is no such last one.
local list, size = base .. 'list:' .. ARGV[1], tonumber(ARGV[3])
local from = 0
if ARGV[2] ~= '' then
  local last = redis.call('ZREVRANK', list, ARGV[2])
  if not last then return false end
  from = last + 1
end
local ids = redis.call('ZREVRANGE', list, from, from + size) -- one over size
local more = 0
if #ids > size then
  more = 1
  ids[#ids] = nil
end
return rows(ids, { more })
