-- What the scripts of sessions share; it is put before each of them, after
-- replay.lua. Below the beginning of all keys of a tag lie
--   session:<token>            the row, a string, so that one GET reads it:
--                              SeenAt, IdleUntil, ExpiresAt and Revision of 20
--                              characters each; the login and the Identity,
--                              before each its length in bytes and a colon; Data
--   session-list:<subject>     sorted set of places, in the order of bytes: 20
--                              digits that grow with CreatedAt, and the ID
--   session-ends:<subject>     sorted set of IDs, by when they end
--   session-ids:<subject>      hash of IDs: the token, the digits of the place,
--                              and "p" if the session owes a factor
--   session-revoked:<subject>  see revoke_sessions_of.lua
-- Of anonymous sessions, whose subject is "", there is only the row.

local function row_of(token) return base .. 'session:' .. token end
local function list_of(subject) return base .. 'session-list:' .. subject end
local function ends_of(subject) return base .. 'session-ends:' .. subject end
local function ids_of(subject) return base .. 'session-ids:' .. subject end
local function revoked_of(subject) return base .. 'session-revoked:' .. subject end

-- part reads a length, a colon and so many bytes, and where they end.
local function part(text, at)
  local n, from = text:match('^(%d+):()', at)
  assert(n and from + n <= #text + 1, 'the row of a session is damaged')
  return text:sub(from, from + n - 1), from + n
end

-- read is a session, false if it is not there. ends is its end as a number; all
-- else is text, login and identity with their lengths.
local function read(token)
  local row = redis.call('GET', row_of(token))
  if not row then return false end
  local s = { seen = row:sub(1, 20), idle = row:sub(21, 40), expires = row:sub(41, 60), revision = row:sub(61, 80) }
  local idle, expires = tonumber(s.idle), tonumber(s.expires)
  assert(tonumber(s.seen) and idle and expires, 'the row of a session is damaged')
  s.ends = math.min(idle, expires)
  local login, identity_at = part(row, 81)
  local _, data_at = part(row, identity_at)
  s.login, s.identity, s.data = row:sub(81, identity_at - 1), row:sub(identity_at, data_at - 1), row:sub(data_at)
  local id_at
  s.subject, id_at = part(login, 1)
  s.id = part(login, id_at)
  return s
end

local function live(s, now) return s and tonumber(now) < s.ends end

-- entry is where an ID of a subject is: its token, its place in the list, and
-- "p" if it owes a factor.
local function entry(subject, id)
  local found = redis.call('HGET', ids_of(subject), id)
  if not found then return false end
  return found:sub(1, 64), found:sub(65, 84) .. id, found:sub(85)
end

-- delete also deletes a damaged row; what it leaves in the indexes goes when
-- its time is over. It says whether there was one.
local function delete(token)
  local ok, s = pcall(read, token)
  local there = redis.call('DEL', row_of(token)) == 1
  if ok and s and s.subject ~= '' then
    local listed, place = entry(s.subject, s.id)
    if listed == token then
      redis.call('ZREM', list_of(s.subject), place)
      redis.call('ZREM', ends_of(s.subject), s.id)
      redis.call('HDEL', ids_of(s.subject), s.id)
    end
  end
  return there
end

-- drop deletes by ID, without a look at the row.
local function drop(subject, id)
  local token, place = entry(subject, id)
  if token then
    redis.call('DEL', row_of(token))
    redis.call('ZREM', list_of(subject), place)
    redis.call('HDEL', ids_of(subject), id)
  end
  redis.call('ZREM', ends_of(subject), id)
end

-- cap deletes the oldest sessions of a subject so that max are left with that of
-- id: of those that are live at now and owe a factor or not, as it does.
local function cap(subject, id, max, now)
  local live = '(' .. now
  if redis.call('ZCOUNT', ends_of(subject), live, '+inf') <= max then return end
  local _, _, owes = entry(subject, id)
  local alike, n = {}, 1
  for _, other in ipairs(redis.call('ZRANGEBYSCORE', ends_of(subject), live, '+inf')) do
    local _, _, others = entry(subject, other)
    if other ~= id and others == owes then
      alike[other] = true
      n = n + 1
    end
  end
  local from = 0
  while n > max do
    local places = redis.call('ZRANGE', list_of(subject), from, from + 99)
    if #places == 0 then return end
    for _, place in ipairs(places) do
      if n > max and alike[place:sub(21)] then
        drop(subject, place:sub(21))
        n = n - 1
      else
        from = from + 1
      end
    end
  end
end

-- outlive keeps the indexes for at least ttl: that of their longest session.
local function outlive(subject, ttl)
  for _, key in ipairs({ list_of(subject), ends_of(subject), ids_of(subject) }) do
    if redis.call('PTTL', key) < tonumber(ttl) then redis.call('PEXPIRE', key, ttl) end
  end
end
