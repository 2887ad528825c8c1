-- KEYS: the hashes. ARGV: 1 to count, 0 to look; what to add to the clock; then
-- of each what take reads. Answers in how long all locks are over (0: there is
-- none), 1 if one is disabled, 1 if a lock or that began now, and the time.
local now, retry, disabled, first = clock(ARGV[2]), 0, 0, 0
local takes, counters, at = {}, {}, 3

-- place finds the field of a Sub that has none: its own, if there is room.
local function place(key, sub)
  local left = redis.call('HLEN', key) - redis.call('HEXISTS', key, '*')
  if left < 64 then return sub end
  local all = redis.call('HGETALL', key)
  for i = 1, #all, 2 do
    if cmsgpack.unpack(all[i + 1])[1] <= now then
      redis.call('HDEL', key, all[i])
      if all[i] ~= '*' then left = left - 1 end
    end
  end
  return left < 64 and sub or '*'
end

for i, key in ipairs(KEYS) do
  local t
  t, at = take(at)
  t.field = t.sub
  local counter = read(key, t.field, now)
  if not counter then
    t.field = place(key, t.sub)
    counter = t.field == '*' and read(key, '*', now) or { 0, 0 }
  end
  if t.disable > 0 and counter[2] >= t.disable then disabled = 1 end
  for j, tier in ipairs(t.tiers) do retry = math.max(retry, locked_until(tier, counter[2 + j]) - now) end
  takes[i], counters[i] = t, counter
end
if retry > 0 or disabled == 1 or ARGV[1] == '0' then return { retry, disabled, 0, now } end

for i, t in ipairs(takes) do
  local counter = counters[i]
  counter[2] = counter[2] + 1
  if counter[2] == t.disable then first = 1 end
  for j, tier in ipairs(t.tiers) do
    local log = counter[2 + j] or { 0, 0 }
    counter[2 + j] = log
    while log[3] and (now - log[3] >= tier.period or #log - 2 >= tier.n) do table.remove(log, 3) end
    log[#log + 1] = now
    if #log - 2 >= tier.n then
      if now >= locked_until(tier, log) + day then log[1] = 0 end
      log[1], log[2], first = log[1] + 1, now, 1
    end
  end
  write(KEYS[i], t, counter, now)
end
return { 0, 0, first, now }
