-- ARGV: call, subject, ID that stays ("": none), what to add to the clock. The
-- work grows with the sessions that are there.
-- The value of session-revoked is when this was called last, and the last calls,
-- newest first, without a space. They are of one length. It has no TTL, since a
-- login may take any time.
local subject, record = ARGV[2], revoked_of(ARGV[2])
local at, calls = (redis.call('GET', record) or ''):match('^(%d+) (%w+)$')
calls = calls or ''

-- It must go through when memory is full: Redis refuses the first write that
-- may need some, and none after another.
redis.call('PERSIST', record)
if not calls:find(ARGV[1], 1, true) then -- else it is a replay, and there may be new sessions
  local rows, places, ids = {}, {}, {}
  local all = redis.call('HGETALL', ids_of(subject))
  for i = 1, #all, 2 do
    local id, found = all[i], all[i + 1]
    if ARGV[3] == '' or id ~= ARGV[3] then
      rows[#rows + 1], places[#places + 1], ids[#ids + 1] = row_of(found:sub(1, 64)), found:sub(65, 84) .. id, id
    end
  end
  for i = 1, #ids, 1000 do
    local to = math.min(i + 999, #ids)
    redis.call('UNLINK', unpack(rows, i, to))
    redis.call('ZREM', list_of(subject), unpack(places, i, to))
    redis.call('ZREM', ends_of(subject), unpack(ids, i, to))
    redis.call('HDEL', ids_of(subject), unpack(ids, i, to))
  end
  -- A clock that went back, as by a failover, lets no older login in.
  at = micros(math.max(clock(ARGV[4]), tonumber(at or 0)))
  calls = (ARGV[1] .. calls):sub(1, 8 * #ARGV[1])
end
redis.call('SET', record, at .. ' ' .. calls)
return 'ok'
