-- ARGV: now, owner. The work is bounded by the keys that are not yet revoked.
local now, owner = ARGV[1], ARGV[2]
local ids = redis.call('ZRANGE', base .. 'live:' .. owner, 0, -1)
if #ids == 0 then rewrite() end
for _, id in ipairs(ids) do
  local row = row_of_owner(id, owner)
  if row then revoke(row, id, owner, now) end -- gone if the host allows eviction
end
return 'ok'
