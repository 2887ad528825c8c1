-- What the scripts of TOTPs share; it is put before each of them, after
-- replay.lua. ARGV[1] to [3] are: call, how long to remember it, subject. Below
-- the beginning of all keys of a tag lies
--   totp:<subject>  hash: secret and unconfirmed; enrolled and until, which are
--                   times; step, of 20 digits; epoch; recovery, 32 bytes for each
--                   code; codes and backup: Row, Recent, RecentAt, WaitUntil (times
--                   are 0 if they are zero) and the last call that counted one,
--                   with a space between; accepted, the call of the last AcceptTOTP
-- A field that is absent is zero. What each login calls, ReserveTOTP and AcceptTOTP,
-- has its replays known by the row, which costs less than a key for each call.
local row = base .. 'totp:' .. ARGV[3]

-- right is codes after the guess that was reserved was right.
local function right(codes)
  local recent, recent_at, call = (codes or '0 0 0 0 '):match('^%d+ (%d+) (%d+) %d+ (%w*)$')
  assert(recent, 'the guesses of a TOTP are damaged')
  return '0 ' .. math.max(recent - 1, 0) .. ' ' .. recent_at .. ' 0 ' .. call
end
