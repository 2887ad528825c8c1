-- KEYS: memory of the call, and the hashes. ARGV: how long to remember it; what to
-- add to the clock; when the attempt was counted that another counter has
-- refused, 0 if it succeeded, -1 if nobody looked at it; then of each what take
-- reads.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[1]) then return 'ok' end -- a replay
local now, counted, at = clock(ARGV[2]), tonumber(ARGV[3]), 4
local refused = counted > 0
for i = 2, #KEYS do
  local t, counter
  t, at = take(at)
  t.field = t.sub
  counter = read(KEYS[i], t.field, now)
  if not counter then
    t.field = '*'
    counter = read(KEYS[i], t.field, now)
  end
  if counter and t.account and t.field ~= '*' and counted == 0 then
    redis.call('HDEL', KEYS[i], t.field)
  elseif counter then
    counter[2] = math.max(counter[2] - 1, 0)
    for j, tier in ipairs(t.tiers) do
      local log = counter[2 + j]
      if log and refused then
        for k = #log, 3, -1 do
          if log[k] == counted then
            table.remove(log, k)
            break
          end
        end
        if log[1] > 0 and log[2] == counted then unlock(tier, log, counted) end
      elseif log then
        if log[3] then table.remove(log) end
        if now < locked_until(tier, log) then unlock(tier, log, now) end
      end
    end
    write(KEYS[i], t, counter, now)
  end
end
return 'ok'
