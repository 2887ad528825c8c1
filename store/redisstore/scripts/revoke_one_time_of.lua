-- ARGV: call, how long to remember it, subject. The work grows with the tokens
-- that are there.
if done(ARGV[1], ARGV[2]) then return 'ok' end -- there may be new ones by now
local places = base .. 'of:' .. ARGV[3]
local rows = redis.call('ZRANGE', places, 0, -1)
if #rows == 0 then
  rewrite()
  return 'ok'
end
for i, place in ipairs(rows) do rows[i] = base .. 'token:' .. place:sub(-64) end
for i = 1, #rows, 1000 do redis.call('UNLINK', unpack(rows, i, math.min(i + 999, #rows))) end
redis.call('DEL', places)
remember(ARGV[1], ARGV[2])
return 'ok'
