-- KEYS: memory of the call, and counters. ARGV: how long to remember it, what to
-- add to the clock, when they were taken from; then of each its Burst (0: a
-- window), Cost, Period/Limit, and in how long all was to be restored.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 'ok' end -- a replay
local taken = tonumber(ARGV[3])
for i = 2, #KEYS do
  local a, counter = 4 * i - 4, read(KEYS[i])
  local cost = tonumber(ARGV[a + 1])
  if ARGV[a] == '0' then
    for j = #counter / 8, 3, -1 do
      if cost > 0 and number(counter, j) == taken then
        counter = counter:sub(1, 8 * j - 8) .. counter:sub(8 * j + 1)
        cost = cost - 1
      end
    end
  else
    local back, after, restored = cost * tonumber(ARGV[a + 2]), taken + ARGV[a + 3], number(counter, 2)
    -- Others may have taken since. If without this call all had been restored
    -- before they came, that time is not theirs: the next would pass early.
    if restored ~= after then back = back - math.max(now - (after - back), 0) end
    counter = counter:sub(1, 8) .. packed(math.max(restored - math.max(back, 0), 0)) .. counter:sub(17)
  end
  redis.call('SET', KEYS[i], counter, 'XX', 'KEEPTTL')
end
return 'ok'
