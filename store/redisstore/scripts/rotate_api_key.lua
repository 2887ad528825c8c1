-- ARGV: now, owner, id, until, digest of the successor, its id, call, fields
-- and values of its row.
local now, owner, id, until_ = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local digest, successor, call = ARGV[5], ARGV[6], ARGV[7]

local row = row_of_owner(id, owner)
if not row then return 'not found' end
local old = redis.call('HMGET', row, 'next', 'revoked', 'expires')
if old[1] == successor and made(successor, digest, call) then
  rewrite()
  return 'ok'
end
local expires = old[3]
if old[1] or old[2] or (expires and tonumber(expires) <= tonumber(now)) then return 'conflict' end
if exists(successor, digest) then return 'exists' end

insert(digest, 8)
redis.call('HSET', row, 'next', successor)
if not expires or tonumber(until_) < tonumber(expires) then
  redis.call('HSET', row, 'expires', until_)
  redis.call('ZADD', base .. 'live:' .. owner, until_, id)
end
no_warning(row, id)
return 'ok'
