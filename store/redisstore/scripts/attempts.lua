-- What the scripts of attempts share; it is put before each of them, after
-- clock.lua.
--
-- The counters of a policy and key are one hash. Each Sub has a field, and those
-- beyond 64 share "*". It is a packed list: until when it matters; how many in a
-- row; then of each tier a list of its level, which is how many locks there were;
-- of when the last began; and of when attempts were, the oldest first. Times are
-- the server's, in microseconds.
local day = 24 * 60 * 60 * 1000000

-- take reads one from ARGV[at] on: Sub, whether it is of an account, and after
-- how many to disable; N, Period and Locks of each tier, each list after its
-- length. It answers where the next one begins.
local function take(at)
  local t = { sub = ARGV[at], account = ARGV[at + 1] == '1', disable = tonumber(ARGV[at + 2]), tiers = {} }
  local tiers = tonumber(ARGV[at + 3])
  at = at + 4
  for i = 1, tiers do
    local tier = { n = tonumber(ARGV[at]), period = tonumber(ARGV[at + 1]), locks = {} }
    local locks = tonumber(ARGV[at + 2])
    for j = 1, locks do tier.locks[j] = tonumber(ARGV[at + 2 + j]) end
    t.tiers[i] = tier
    at = at + 3 + locks
  end
  return t, at
end

-- read is a counter, also one that matters no more; nil if there is none.
local function read(key, field, now)
  local packed = redis.call('HGET', key, field)
  if not packed then return nil end
  local counter = cmsgpack.unpack(packed)
  assert(counter and counter[2], 'a counter of attempts is damaged')
  return now < counter[1] and counter or { 0, 0 }
end

-- lock is how long one of a level is.
local function lock(tier, level) return tier.locks[math.min(level, #tier.locks)] end

-- locked_until is the end of the last lock, also when it is over; 0 is none.
local function locked_until(tier, log) return log and log[1] > 0 and log[2] + lock(tier, log[1]) or 0 end

-- unlock ends the last lock at t, as if it had never been.
local function unlock(tier, log, t)
  log[1] = log[1] - 1
  log[2] = log[1] > 0 and t - lock(tier, log[1]) or 0
end

-- write keeps a counter as long as it matters: what is in a row for 30 days, and
-- levels for a day after the lock.
local function write(key, t, counter, now)
  local ends = now
  if t.disable > 0 and counter[2] >= t.disable then
    ends = now + 200 * 365 * day
  elseif t.disable > 0 and counter[2] > 0 then
    ends = now + 30 * day
  end
  for i, tier in ipairs(t.tiers) do
    local log = counter[2 + i]
    if log and #log > 2 then ends = math.max(ends, log[#log] + tier.period) end
    if log and log[1] > 0 then ends = math.max(ends, locked_until(tier, log) + day) end
  end
  counter[1] = ends
  local ttl, least = redis.call('PTTL', key), math.ceil((ends - now) / 1000) + 60000
  redis.call('HSET', key, t.field, cmsgpack.pack(counter))
  if ttl < least then redis.call('PEXPIRE', key, least) end
end
