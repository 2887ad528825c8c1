-- What the scripts of refresh families share; it is put before each of them.
--
-- KEYS[1] is the beginning of all keys of a tag, and ends with it. KEYS[2] is
-- not used; of both see common.lua. Below them lie
--   family:<id>        hash, the row
--   living:<id>        the family's subject. It goes when the family is revoked,
--                      so that a token is judged without reading the row
--   version:<subject>  see revoke_tokens_of.lua
--   call:<call>        the answer of a call, for its replay
local base = KEYS[1]
local row, living = base .. 'family:' .. ARGV[1], base .. 'living:' .. ARGV[1]

-- version_of is the digits of a subject's version.
local function version_of(subject)
  local record = redis.call('GET', base .. 'version:' .. subject)
  return record and assert(record:match('^([1-9]%d*) %d+ %w+$'), 'the version of a subject is damaged') or '1'
end

-- revoke deletes first, of which common.lua says why. Who is second writes
-- again what is there: WAIT counts the replicas that have this connection's last
-- write, so there must be one.
local function revoke(now)
  local revoked = redis.call('HGET', row, 'revoked') or now
  redis.call('DEL', living)
  redis.call('HSET', row, 'revoked', revoked)
end
