-- ARGV: see totps.lua; then 1 to forgive. What is left stays for a year, and a
-- month more.
if done(ARGV[1], ARGV[2]) then return 'ok' end -- there may be a new one by now
if redis.call('EXISTS', row) == 0 then
  rewrite()
  return 'ok'
end
-- To delete goes through when memory is full, and so does what comes after it.
redis.call('HDEL', row, 'secret', 'enrolled', 'unconfirmed', 'until', 'recovery')
if ARGV[4] == '1' then redis.call('HDEL', row, 'codes', 'backup') end
redis.call('HINCRBY', row, 'epoch', 1)
redis.call('PEXPIRE', row, 396 * 24 * 60 * 60 * 1000)
remember(ARGV[1], ARGV[2])
return 'ok'
