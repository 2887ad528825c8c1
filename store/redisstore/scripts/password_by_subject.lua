-- KEYS: see create_password.lua. ARGV: subject. Answers the name and the row, or
-- nothing.
local name = redis.call('GET', KEYS[1] .. 'subject:' .. ARGV[1])
local row = name and redis.call('GET', KEYS[1] .. 'name:' .. name)
return row and { name, row }
