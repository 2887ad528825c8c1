-- KEYS: the counters. ARGV: 1 to take, 0 to look; what to add to the clock; then
-- of each its Limit, Burst (0: a window), Cost, Period, and Period/Limit. Answers
-- 1 if all pass, else 0; the time; then of each what remains, in how long all is
-- restored, in how long it passes (0: now), and 1 for the first refusal in a
-- Period.

-- window and gcra answer the counter after the take, what remains of it, in how
-- long all is restored, and in how long cost passes. If that is not now, nothing is
-- taken.
local function window(counter, limit, period, cost)
  local from, last, retry = 3, #counter / 8, 0
  while from <= last and now - number(counter, from) >= period do from = from + 1 end
  local n = last - from + 1
  if limit == 0 or cost > limit then
    retry = period
  elseif cost > 0 and n + cost > limit then
    retry = number(counter, from + n + cost - limit - 1) + period - now
  elseif cost > 0 then
    -- If the clock went back, as by a failover, the newest is not the last.
    local at = last
    while at >= from and number(counter, at) > now do at = at - 1 end
    counter = counter:sub(1, 16) .. counter:sub(8 * from - 7, 8 * at) .. packed(now):rep(cost) .. counter:sub(8 * at + 1)
    n = n + cost
  end
  return counter, math.max(limit - n, 0), n > 0 and number(counter, #counter / 8) + period - now or 0, retry
end

local function gcra(counter, limit, burst, period, each, cost)
  local all, spent, retry = burst * each, math.max(number(counter, 2) - now, 0), 0
  local after = math.min(spent, all) -- more was taken under another limit
  if limit == '0' or cost > burst then
    retry = tonumber(period)
  elseif after + cost * each > all then
    retry = after + cost * each - all
  else
    after = after + cost * each
  end
  if after ~= spent then counter = counter:sub(1, 8) .. packed(now + after) .. counter:sub(17) end
  return counter, limit == '0' and 0 or math.floor((all - after) / each), after, retry
end

local function decide(i, counter, cost)
  local a = 5 * i - 2
  local limit, burst, period, each = ARGV[a], ARGV[a + 1], ARGV[a + 3], ARGV[a + 4]
  if burst == '0' then return window(counter, tonumber(limit), tonumber(period), cost) end
  return gcra(counter, limit, tonumber(burst), period, tonumber(each), cost)
end

-- write keeps a counter as long as it matters, and a minute more.
local function write(i, counter, restored)
  local first, ttl = number(counter, 1), restored
  if first > 0 then ttl = math.max(ttl, first + ARGV[5 * i + 1] - now) end
  redis.call('SET', KEYS[i], counter, 'PX', math.ceil(ttl / 1000) + 60000)
end

local before, counters, answer = {}, {}, { 1, now, 0, 0, 0, 0 }
for i, key in ipairs(KEYS) do
  local at, remaining, restored, retry = 4 * i - 1, nil, nil, nil
  before[i] = read(key)
  counters[i], remaining, restored, retry = decide(i, before[i], tonumber(ARGV[5 * i]))
  answer[at], answer[at + 1], answer[at + 2], answer[at + 3] = remaining, restored, retry, 0
  if retry > 0 then answer[1] = 0 end
end

-- Where nothing is taken, all that is written is when a counter first refused, and
-- what another limit has changed.
if answer[1] == 0 or ARGV[1] == '0' then
  for i, counter in ipairs(before) do
    if answer[4 * i + 1] == 0 then
      counters[i], answer[4 * i - 1], answer[4 * i] = decide(i, counter, 0)
    elseif number(counter, 1) == 0 or now - number(counter, 1) >= tonumber(ARGV[5 * i + 1]) then
      counters[i], answer[4 * i + 2] = packed(now) .. counters[i]:sub(9), 1
    end
  end
end
for i, counter in ipairs(counters) do
  if counter ~= before[i] then write(i, counter, answer[4 * i]) end
end
return answer
