-- KEYS: the ring, a hash of rows by id. ARGV: id, id of the newest ("": none),
-- created, from, when the newest expires, what to add to the clock, call, row.
-- A row is a JSON object of strings: as numbers, cjson would round the times.
-- Its order counts up. As long as it is one key, all of this goes on while a
-- cluster moves its slot.
local ring, id, created, expires, call = KEYS[1], ARGV[1], tonumber(ARGV[3]), ARGV[5], ARGV[7]
local newest, order, last, ended = '', 0, 0, {}
-- A day's margin, and neither of the two clocks deletes alone.
local gone = math.min(clock(ARGV[6]), created) - 24 * 60 * 60 * 1000000

local all = redis.call('HGETALL', ring)
for i = 1, #all, 2 do
  local k = cjson.decode(all[i + 1])
  local n, ends = tonumber(k.order), k.expires and tonumber(k.expires) or math.huge
  if all[i] == id then
    if k.call ~= call then return 'exists' end
    redis.call('HSET', ring, id, all[i + 1]) -- a replay, and WAIT counts writes
    return 'ok'
  end
  if ends > created and n > order then newest, order = all[i], n end
  if ends < gone then ended[#ended + 1] = all[i] end
  last = math.max(last, n)
end
if newest ~= ARGV[2] then return 'conflict' end

local k, before = cjson.decode(ARGV[8]), nil
k.order = micros(last + 1)
if newest ~= '' then
  before = cjson.decode(redis.call('HGET', ring, newest))
  before['until'] = ARGV[4]
  if not before.expires or tonumber(expires) < tonumber(before.expires) then before.expires = expires end
end
redis.call('HSET', ring, id, cjson.encode(k))
if before then redis.call('HSET', ring, newest, cjson.encode(before)) end
if #ended > 0 then redis.call('HDEL', ring, unpack(ended)) end
return 'ok'
