-- ARGV: call, how long to remember it, token, revision, the next one, data, now.
if done(ARGV[1], ARGV[2]) then return 'ok' end
local s = read(ARGV[3])
if not live(s, ARGV[7]) then return 'not found' end
if s.revision ~= ARGV[4] then return 'conflict' end
local row = s.seen .. s.idle .. s.expires .. ARGV[5] .. s.login .. s.identity .. ARGV[6]
redis.call('SET', row_of(ARGV[3]), row, 'KEEPTTL')
remember(ARGV[1], ARGV[2])
return 'ok'
