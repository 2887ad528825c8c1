-- What scripts on the store's clock share; it is put before each of them.

local function micros(t) return string.format('%.0f', t) end

-- clock is the server's time in microseconds, and offset.
local function clock(offset)
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2] + offset
end

-- keep is the TTL in milliseconds of what ends at t: longer by a day, for
-- callers whose clocks differ, and at most 200 years, which stand for "never".
local function keep(t, now)
  local day = 24 * 60 * 60 * 1000
  return string.format('%.0f', math.min(math.max(t - now, 0) / 1000, 200 * 365 * day) + day)
end
