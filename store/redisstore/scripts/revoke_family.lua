-- ARGV: id, now.
if redis.call('EXISTS', row) == 0 then return 'not found' end
revoke(ARGV[2])
return 'ok'
