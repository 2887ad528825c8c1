-- ARGV: call, how long to remember it, then id, n, at ("": unknown) and address
-- of each use.
local memory = base .. 'call:' .. ARGV[1]
local before = redis.call('GET', memory)
if before then return cmsgpack.unpack(before) end

-- full_or_damaged is a count that cannot be added to. That is no reason to fail
-- in the middle: the others of the batch would be counted again with each retry.
local function full_or_damaged(err)
  return err:find('not an integer', 1, true) or err:find('overflow', 1, true)
end

local first, found = {}, false
for i = 3, #ARGV, 4 do
  local row = row_of(ARGV[i])
  -- Each row has this field, "" before the first use: so the row is there.
  local used = row and redis.call('HGET', row, 'used')
  if used then
    found = true
    local n, at = ARGV[i + 1], ARGV[i + 2]
    local uses = redis.pcall('HINCRBY', row, 'uses', n)
    if type(uses) == 'number' then
      if uses == tonumber(n) then first[#first + 1] = ARGV[i] end
    elseif not full_or_damaged(uses.err) then
      return uses -- Redis refuses writes; it does so at the first of a script
    end
    if at ~= '' and (tonumber(used) or -math.huge) < tonumber(at) then
      redis.call('HSET', row, 'used', at, 'addr', ARGV[i + 3])
    end
  end
end
if found then redis.call('SET', memory, cmsgpack.pack(first), 'PX', ARGV[2]) end
return first
