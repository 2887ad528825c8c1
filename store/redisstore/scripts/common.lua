-- What the scripts of API keys share; it is put before each of them.
--
-- KEYS[1] is the beginning of all keys of the concern. It ends with the hash
-- tag, so that they lie in one slot and a script may compute their names.
-- KEYS[2] is not used: with two absent keys a node refuses a script while it
-- imports the slot, and has only a part of this:
--   k:<digest>      hash, the row; found by the digest with one HGETALL
--   i:<id>          the digest; it never changes
--   list:<owner>    sorted set of all ids, by CreatedAt
--   live:<owner>    sorted set of the ids without RevokedAt, by ExpiresAt
--   end:<warned>    sorted set of the ids that a warning may be due for, by
--   age:<warned>    ExpiresAt and by CreatedAt; <warned> is the shortest d of
--                   which they were warned, in microseconds, or "none"
--   warned          sorted set of those d
--   call:<call>     the answer of a call, for its replay
--   wait            see rewrite
-- Times are microseconds since 1970, kept and compared as decimal strings or
-- doubles, which are exact until the year 2255. An absent field is a zero time.
--
-- A script that errs is not rolled back: check everything, then write.
local base = KEYS[1]

local function row_of(id)
  local digest = redis.call('GET', base .. 'i:' .. id)
  return digest and base .. 'k:' .. digest
end

local function row_of_owner(id, owner)
  local row = row_of(id)
  return row and redis.call('HGET', row, 'owner') == owner and row or false
end

-- made says whether this very call has inserted the key before: the client
-- sends a script again when the answer did not arrive.
local function made(id, digest, call)
  return redis.call('GET', base .. 'i:' .. id) == digest
    and redis.call('HGET', base .. 'k:' .. digest, 'call') == call
end

local function exists(id, digest)
  return redis.call('EXISTS', base .. 'i:' .. id, base .. 'k:' .. digest) > 0
end

-- insert writes the row whose fields and values are ARGV[from] and on.
local function insert(digest, from)
  local k = {}
  for i = from, #ARGV, 2 do k[ARGV[i]] = ARGV[i + 1] end
  redis.call('HSET', base .. 'k:' .. digest, unpack(ARGV, from))
  redis.call('SET', base .. 'i:' .. k.id, digest)
  redis.call('ZADD', base .. 'list:' .. k.owner, k.created, k.id)
  if k.revoked then return end
  redis.call('ZADD', base .. 'live:' .. k.owner, k.expires or '+inf', k.id)
  if k.next then return end
  redis.call('ZADD', base .. 'age:none', k.created, k.id)
  if k.expires then redis.call('ZADD', base .. 'end:none', k.expires, k.id) end
end

-- no_warning: none will be due.
local function no_warning(row, id)
  local warned = redis.call('HGET', row, 'warned') or 'none'
  redis.call('ZREM', base .. 'end:' .. warned, id)
  redis.call('ZREM', base .. 'age:' .. warned, id)
end

-- revoke removes from the indexes first: when memory is short Redis refuses
-- the first command that may need some, and none after a write has gone
-- through. So a revocation goes through.
local function revoke(row, id, owner, now)
  redis.call('ZREM', base .. 'live:' .. owner, id)
  no_warning(row, id)
  redis.call('HSET', row, 'revoked', now)
end

-- rewrite is for a call that changes nothing and is answered as if it did: WAIT
-- counts the replicas that have this connection's last write, so there must be
-- one, and it comes after the one that is repeated. Of DEL see revoke.
local function rewrite()
  redis.call('DEL', base .. 'wait')
  redis.call('SET', base .. 'wait', '1')
end

-- fields reads a whole row and adds its digest; false if it is not there, which
-- can be if the host allows eviction.
local function fields(row)
  local all = row and redis.call('HGETALL', row) or {}
  if #all == 0 then return false end
  all[#all + 1] = 'digest'
  all[#all + 1] = row:sub(#base + 3)
  return all
end

-- rows adds the rows of ids to into.
local function rows(ids, into)
  for _, id in ipairs(ids) do into[#into + 1] = fields(row_of(id)) or nil end
  return into
end
