-- ARGV: call, how long to remember it, then id, n, at, address of each use.
local memory = base .. 'call:' .. ARGV[1]
local before = redis.call('GET', memory)
if before then return cmsgpack.unpack(before) end

local first, found = {}, false
for i = 3, #ARGV, 4 do
  local row = row_of(ARGV[i])
  -- Each row has this field, "" before the first use: so the row is there.
  local used = row and redis.call('HGET', row, 'used')
  if used then
    found = true
    local n, at = ARGV[i + 1], ARGV[i + 2]
    if redis.call('HINCRBY', row, 'uses', n) == tonumber(n) then first[#first + 1] = ARGV[i] end
    if at ~= '' and (used == '' or tonumber(used) < tonumber(at)) then
      redis.call('HSET', row, 'used', at, 'addr', ARGV[i + 3])
    end
  end
end
if found then redis.call('SET', memory, cmsgpack.pack(first), 'PX', ARGV[2]) end
return first
