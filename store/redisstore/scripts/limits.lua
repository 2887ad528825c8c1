-- What the scripts of limits share; it is put before each of them. They run at
-- each request, which cmsgpack and string.format would make dearer.
--
-- A counter is a string of numbers of 8 bytes: when it refused for the first time
-- in a Period, or 0; of GCRA when all will be restored, or 0; of a window the time
-- of each that was taken, the oldest first. Times are the server's, in
-- microseconds, and ARGV[2] is added.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2] + ARGV[2]

local function read(key)
  local counter = redis.call('GET', key) or ('\0'):rep(16)
  assert(#counter >= 16 and #counter % 8 == 0, 'a counter is damaged')
  return counter
end

local function number(counter, i) return (struct.unpack('>I8', counter, 8 * i - 7)) end

local function packed(n) return struct.pack('>I8', n) end
