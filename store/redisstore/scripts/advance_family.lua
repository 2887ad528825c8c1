-- ARGV: id, generation, client, confirm, key of the successor, grace, idle, what
-- to add to the clock, call, how long to remember it. Answers a refusal that
-- has changed nothing, or a pair: "ok" or "conflict", and the row.
local generation, client, confirm, key = tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local grace, idle, now = tonumber(ARGV[6]), tonumber(ARGV[7]), clock(ARGV[8])
local memory = base .. 'call:' .. ARGV[9]
local changing = { 'generation', 'key', 'rotated', 'idle', 'revoked' }

-- answer has the row, but for values of what changes: of a field that comes
-- twice, the later counts.
local function answer(outcome, values)
  local all = redis.call('HGETALL', row)
  if #all == 0 then return 'not found' end -- gone if the host allows eviction
  for i, field in ipairs(changing) do
    all[#all + 1] = field
    all[#all + 1] = values[i] or ''
  end
  return { outcome, all }
end

-- decided remembers what was decided, also where nothing has changed: before a
-- replay another call may have advanced the family, or the grace may be over,
-- and the replay would be taken for a spent token. It is a write for WAIT, too:
-- who gets the same answer again may be the first who gets one.
local function decided(outcome)
  local values = redis.call('HMGET', row, unpack(changing))
  redis.call('SET', memory, cmsgpack.pack({ outcome, values }), 'PX', ARGV[10])
  return answer(outcome, values)
end

local before = redis.call('GET', memory)
if before then return answer(unpack(cmsgpack.unpack(before))) end
if redis.call('EXISTS', row) == 0 then return 'not found' end

local f = redis.call('HMGET', row, 'subject', 'version', 'generation', 'rotated', 'idle', 'expires', 'revoked', 'client', 'confirm')
local current, rotated, idle_until, expires = tonumber(f[3] or ''), tonumber(f[4] or ''), tonumber(f[5] or ''), tonumber(f[6] or '')
assert(f[1] and f[2] and current and rotated and idle_until and expires, 'the row of a refresh family is damaged')

if f[7] or idle_until <= now or expires <= now or f[2] ~= version_of(f[1])
  or client ~= (f[8] or '') or confirm ~= (f[9] or '') or generation > current then
  return 'not found'
end
if generation == current then
  redis.call('HSET', row, 'generation', micros(current + 1), 'key', key,
    'rotated', micros(now), 'idle', micros(math.min(now + idle, expires)))
  return decided('ok')
end
if generation == current - 1 and grace > 0 and now < rotated + grace then return decided('ok') end
revoke(micros(now))
return decided('conflict')
