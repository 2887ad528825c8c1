-- What scripts that remember calls share; it is put before each of them.
--
-- KEYS[1] is the beginning of all keys of a slot, and ends with its tag. KEYS[2]
-- is not used; of both see common.lua. Below them lie
--   call:<call>  that a call has taken effect, or its answer, for its replay
--   wait         see rewrite
local base = KEYS[1]

-- remember is for the replay of a call that has taken effect. Then done says
-- so, whatever happened since. Both write, for WAIT, see rewrite; done of what
-- is not remembered does not, or the script would go on when memory is full.
local function remember(call, ms) redis.call('SET', base .. 'call:' .. call, 'ok', 'PX', ms) end

local function done(call, ms)
  local memory = base .. 'call:' .. call
  return redis.call('EXISTS', memory) == 1 and redis.call('PEXPIRE', memory, ms) == 1
end

-- rewrite is for a call that changes nothing and is answered as if it did: WAIT
-- counts the replicas that have this connection's last write, so there must be
-- one. It goes through when memory is full: Redis refuses the first command
-- that may need some, and none after a write.
local function rewrite()
  redis.call('DEL', base .. 'wait')
  redis.call('SET', base .. 'wait', '1', 'PX', 60000)
end
