-- ARGV: now, most live keys (0: any number), max age (0: any), digest, id,
-- owner, call, fields and values of the row.
local now, max, max_age = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local digest, id, owner, call = ARGV[4], ARGV[5], ARGV[6], ARGV[7]

-- Before the cap, which counts the key that the first try made.
if made(id, digest, call) then return 'ok' end
if max > 0 then
  local live = base .. 'live:' .. owner
  local n = redis.call('ZCOUNT', live, '(' .. now, '+inf')
  if n >= max and max_age > 0 then
    n = 0
    for _, other in ipairs(redis.call('ZRANGEBYSCORE', live, '(' .. now, '+inf')) do
      local created = redis.call('ZSCORE', base .. 'list:' .. owner, other)
      if tonumber(now) < tonumber(created) + max_age then n = n + 1 end
      if n >= max then break end
    end
  end
  if n >= max then return 'limit' end
end
if exists(id, digest) then return 'exists' end
insert(digest, 8)
return 'ok'
