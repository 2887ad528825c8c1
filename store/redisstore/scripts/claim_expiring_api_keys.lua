-- ARGV: call, how long to remember it, now, d, max age (0: any), how many,
-- index and offset to go on at ("" and 0 at first). Answers where to go on
-- (index "" when all was seen), and the rows.
--
-- A key that is warned moves to the indexes of d, which no call with this d or
-- a longer one looks at. So what a call walks is due, but for keys that are
-- dead already, and for damaged rows. They are stepped over. A script looks at
-- a bounded number of keys and then answers where to go on.
--
-- Keys that expired over a day ago leave the indexes, so many for each call, and
-- before it begins: offset counts what stays. Those that are dead by age alone
-- do not: the next caller may have another max age, by which they live.
local now, d, max_age, limit = tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
local from, offset = ARGV[7], tonumber(ARGV[8])
local memory = base .. 'call:' .. ARGV[1]
local budget, step, day = 1000, 100, 24 * 60 * 60 * 1000000

local function answer(ids, index, at) return rows(ids, { index, at }) end

local before = redis.call('GET', memory)
if before then return answer(unpack(cmsgpack.unpack(before))) end

local function micros(t) return string.format('%.0f', t) end

local all = redis.call('ZRANGE', base .. 'warned', 0, -1)
all[#all + 1] = 'none'
local ended = from == '' and 500 or 0 -- to be removed at most
for _, warned in ipairs(all) do
  if ended == 0 then break end
  local gone = redis.call('ZRANGEBYSCORE', base .. 'end:' .. warned, '-inf', '(' .. micros(now - day), 'LIMIT', 0, ended)
  if #gone > 0 then
    redis.call('ZREM', base .. 'end:' .. warned, unpack(gone))
    redis.call('ZREM', base .. 'age:' .. warned, unpack(gone))
    ended = ended - #gone
  end
end

local ids = {}
-- look claims what is due among ids that an index has found, and answers how
-- many stay in that index.
local function look(found)
  local stay = 0
  for _, id in ipairs(found) do
    local row = row_of(id)
    local created, expires = unpack(row and redis.call('HMGET', row, 'created', 'expires') or {})
    local made_at, ends = tonumber(created or ''), expires and tonumber(expires) or math.huge
    if not made_at or (expires and not tonumber(expires)) then
      stay = stay + 1 -- damaged, or gone if the host allows eviction
    elseif ends <= now or (max_age > 0 and made_at + max_age <= now) then
      stay = stay + 1
    else
      ids[#ids + 1] = id
      no_warning(row, id)
      redis.call('HSET', row, 'warned', d)
      redis.call('ZADD', base .. 'age:' .. d, created, id)
      if expires then redis.call('ZADD', base .. 'end:' .. d, expires, id) end
      redis.call('ZADD', base .. 'warned', d, d)
    end
  end
  return stay
end

local parts = redis.call('ZREVRANGEBYSCORE', base .. 'warned', '+inf', '(' .. d)
table.insert(parts, 1, 'none')
local index = ''
for _, warned in ipairs(parts) do
  for _, kind in ipairs({ 'end:', 'age:' }) do
    local back = kind == 'age:' and max_age or 0
    index = kind .. warned
    if from == index then from = '' end
    if from == '' and (kind == 'end:' or max_age > 0) then
      local more = true
      while more do
        local n = math.min(step, limit - #ids, budget)
        if n <= 0 then break end
        local found = redis.call('ZRANGEBYSCORE', base .. index,
          '(' .. micros(now - back), micros(now - back + tonumber(d)), 'LIMIT', offset, n)
        budget = budget - #found
        offset = offset + look(found)
        more = #found == n
      end
      if more then break end
      offset = 0
    end
    index = ''
  end
  if index ~= '' then break end
end
if #ids > 0 then
  redis.call('SET', memory, cmsgpack.pack({ ids, index, offset }), 'PX', ARGV[2])
end
return answer(ids, index, offset)
