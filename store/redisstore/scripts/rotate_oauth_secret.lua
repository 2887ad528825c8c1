-- ARGV: call, how long to remember it, id, line of the new secret, until, now. Of
-- the lines see create_oauth_client.lua.
if done(ARGV[1], ARGV[2]) then return 'ok' end
local row, ends, now = base .. 'client:' .. ARGV[3], tonumber(ARGV[5]), tonumber(ARGV[6])
local id, disabled, secrets = unpack(redis.call('HMGET', row, 'id', 'disabled', 'secrets'))
if not id then return 'not found' end
if disabled then return 'conflict' end

local live, newest = 0, ''
for digest, created, expires in secrets:gmatch('(%x+) (%S*) (%S*)\n') do
  if expires == '' or now < tonumber(expires) then
    live = live + 1
    if live == 1 then
      if expires == '' or ends < tonumber(expires) then expires = ARGV[5] end
      newest = digest .. ' ' .. created .. ' ' .. expires .. '\n'
    end
  end
end
if ends <= now then
  newest = ''
elseif live > 1 then
  return 'limit'
end
-- Of PERSIST see update_oauth_client.lua.
redis.call('PERSIST', row)
redis.call('HSET', row, 'secrets', ARGV[4] .. newest)
remember(ARGV[1], ARGV[2])
return 'ok'
