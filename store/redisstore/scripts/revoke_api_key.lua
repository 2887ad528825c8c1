-- ARGV: now, owner, id.
local now, owner, id = ARGV[1], ARGV[2], ARGV[3]
local row = row_of_owner(id, owner)
if not row then return 'not found' end
if redis.call('HEXISTS', row, 'revoked') == 1 then
  rewrite()
else
  revoke(row, id, owner, now)
end
return 'ok'
