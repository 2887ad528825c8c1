-- ARGV: see totps.lua; then "codes" or "backup"; what to add to the clock; Free,
-- Wait, MaxWait, MaxRow, MaxRecent and RecentFor. Answers a refusal, or a list:
-- what is left to wait when it is refused (0: for good), else the row. A replay
-- counts again when others have guessed in between.
local field = ARGV[4]
local secret, unconfirmed, text = unpack(redis.call('HMGET', row, 'secret', 'unconfirmed', field))
if not secret and not unconfirmed then return 'not found' end
local in_row, recent, recent_at, wait_until, call = (text or '0 0 0 0 '):match('^(%d+) (%d+) (%d+) (%d+) (%w*)$')
assert(in_row, 'the guesses of a TOTP are damaged')
if call ~= ARGV[1] then
  local g = { row = tonumber(in_row), recent = tonumber(recent), recent_at = tonumber(recent_at), wait_until = tonumber(wait_until) }
  local wait = count(g, {
    free = tonumber(ARGV[6]), wait = tonumber(ARGV[7]), max_wait = tonumber(ARGV[8]),
    max_row = tonumber(ARGV[9]), max_recent = tonumber(ARGV[10]), recent_for = tonumber(ARGV[11]),
  }, clock(ARGV[5]))
  if wait then return { wait } end
  redis.call('HSET', row, field, string.format('%d %d %.0f %.0f %s', g.row, g.recent, g.recent_at, g.wait_until, ARGV[1]))
end
return { redis.call('HGETALL', row) }
