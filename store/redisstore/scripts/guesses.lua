-- count is store.Guesses.Count: nil, and then g has one more, or what is left to
-- wait, 0 where g is stopped. Times are microseconds. A double that is over
-- max_wait need not be exact.
local function count(g, p, now)
  if p.max_row > 0 and g.row >= p.max_row or p.max_recent > 0 and g.recent >= p.max_recent then return 0 end
  if now < g.wait_until then return g.wait_until - now end
  if g.recent == 0 or now >= g.recent_at + p.recent_for then g.recent, g.recent_at = 0, now end
  g.row, g.recent = g.row + 1, g.recent + 1
  if g.row > p.free then g.wait_until = now + math.min(p.wait * 2 ^ (g.row - p.free - 1), p.max_wait) end
end
