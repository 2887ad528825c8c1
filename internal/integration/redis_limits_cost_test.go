package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// The scripts that a program of its own would write for the same. They keep
// their times as they can be read and written quickest.
var (
	bareGCRA = redis.NewScript(`local answer, writes, t = {}, {}, redis.call('TIME')
local now, all = t[1] * 1000000 + t[2], true
for i = 1, #KEYS do
  local each, burst, cost = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1]), tonumber(ARGV[3 * i])
  local spent = math.max((tonumber(redis.call('GET', KEYS[i]) or 0)) - now, 0)
  if spent + cost * each > burst * each then
    all = false
    answer[#answer + 1] = { math.floor(burst - spent / each), spent, spent + cost * each - burst * each }
  else
    spent = spent + cost * each
    writes[i] = spent
    answer[#answer + 1] = { math.floor(burst - spent / each), spent, 0 }
  end
end
if all then
  for i, spent in ipairs(writes) do
    redis.call('SET', KEYS[i], string.format('%.0f', now + spent), 'PX', string.format('%.0f', math.ceil(spent / 1000) + 60000))
  end
end
return answer`)
	bareWindow = redis.NewScript(`local t = redis.call('TIME')
local now, limit, period = t[1] * 1000000 + t[2], tonumber(ARGV[1]), tonumber(ARGV[2])
local log = redis.call('GET', KEYS[1])
log = log and cmsgpack.unpack(log) or {}
while log[1] and now - log[1] >= period do table.remove(log, 1) end
if #log >= limit then return { 0, log[#log] + period - now, log[#log + 1 - limit] + period - now } end
log[#log + 1] = now
redis.call('SET', KEYS[1], cmsgpack.pack(log), 'PX', string.format('%.0f', period / 1000 + 60000))
return { limit - #log, period, 0 }`)
	bareAttempts = redis.NewScript(`local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local n, period, lock = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local row = redis.call('HGET', KEYS[1], ARGV[1])
if row then
  row = cmsgpack.unpack(row)
elseif redis.call('HLEN', KEYS[1]) < 64 then
  row = { 0, 0 }
end
if row[1] > now then return row[1] - now end
while row[3] and (now - row[3] >= period or #row - 2 >= n) do table.remove(row, 3) end
row[#row + 1] = now
local keep = period
if #row - 2 >= n then row[1], row[2], keep = now + lock, row[2] + 1, lock + 86400000000 end
local ttl = redis.call('PTTL', KEYS[1])
redis.call('HSET', KEYS[1], ARGV[1], cmsgpack.pack(row))
if ttl < keep / 1000 then redis.call('PEXPIRE', KEYS[1], keep / 1000 + 60000) end
return 0`)
)

// R14, D9: what a take and an attempt cost over a script of one's own, and next
// to redis_rate. It is logged, not judged, as in TestRedisCost.
func TestRedisLimitsCost(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	s := openRedis(t, c, redisstore.Config{})
	ctx := t.Context()
	rate := redis_rate.NewLimiter(c)
	n := 0
	// key names one of a thousand clients, as they come.
	key := func() string {
		n++
		return fmt.Sprint("192.0.2.", n%1000)
	}
	minute := func(l store.LimitTake, limit int) store.LimitTake {
		l.Limit, l.Period = limit, time.Minute
		return l
	}
	many := func() []store.LimitTake { // of a key that passes
		l := minute(redisGCRA(key(), 1000), 600_000)
		return []store.LimitTake{l}
	}
	take := func(takes func() []store.LimitTake) func(ctx context.Context) error {
		states := make([]store.LimitState, 4)
		return func(ctx context.Context) error {
			all := takes()
			return s.TakeLimits(ctx, all, states[:len(all)])
		}
	}
	three := func() []store.LimitTake {
		all := append(append(many(), many()...), many()...)
		all[1].Policy, all[2].Policy = "b", "c"
		return all
	}
	window := func(limit int) func() []store.LimitTake {
		return func() []store.LimitTake {
			l := minute(redisWindow(key(), limit), limit)
			if limit > 5 {
				l.Period = time.Second
			}
			return []store.LimitTake{l}
		}
	}
	bare := func(ctx context.Context, script *redis.Script, keys []string, args ...any) error {
		return script.Run(ctx, c, keys, args...).Err()
	}
	perSecond := redis_rate.Limit{Rate: 10_000, Burst: 1000, Period: time.Second}
	logCosts(t, []costRow{
		{
			"GCRA", 200, take(many),
			func(ctx context.Context) error { return bare(ctx, bareGCRA, []string{"bare:" + key()}, 100, 1000, 1) },
		},
		{
			"three GCRA", 200, take(three),
			func(ctx context.Context) error {
				return bare(ctx, bareGCRA, []string{"bare:" + key(), "bare:b" + key(), "bare:c" + key()}, 100, 1000, 1, 100, 1000, 1, 100, 1000, 1)
			},
		},
		{
			"GCRA, redis_rate", 200, take(many),
			func(ctx context.Context) error { _, err := rate.Allow(ctx, key(), perSecond); return err },
		},
		{
			"three GCRA, redis_rate", 100, take(three),
			func(ctx context.Context) error {
				for _, policy := range []string{"a", "b", "c"} { // it has one at a time
					if _, err := rate.Allow(ctx, policy+key(), perSecond); err != nil {
						return err
					}
				}
				return nil
			},
		},
		{
			"window of 5, mostly refused", 200, take(window(5)),
			func(ctx context.Context) error {
				return bare(ctx, bareWindow, []string{"bare5:" + key()}, 5, 60_000_000)
			},
		},
		{
			"window of 64", 200, take(window(64)),
			func(ctx context.Context) error {
				return bare(ctx, bareWindow, []string{"bare64:" + key()}, 64, 1_000_000)
			},
		},
		{
			"ReserveAttempts", 200,
			func(ctx context.Context) error {
				_, err := s.ReserveAttempts(ctx, []store.AttemptTake{redisAttempt(key(), "192.0.2.1", 20)})
				return err
			},
			func(ctx context.Context) error {
				return bare(ctx, bareAttempts, []string{"bareA:" + key()}, "192.0.2.1", 20, 3_600_000_000, 600_000_000)
			},
		},
	})

	wantErr(t, c.FlushDB(ctx).Err(), nil)
	used := func() (n int64) {
		info, err := c.InfoMap(ctx, "memory").Result()
		wantErr(t, err, nil)
		_, err = fmt.Sscan(info["Memory"]["used_memory"], &n)
		wantErr(t, err, nil)
		return n
	}
	for _, kind := range []struct {
		name string
		call func(i int) error
	}{
		{"GCRA", func(i int) error { _, err := takeOf(ctx, s, redisGCRA(fmt.Sprint("mem", i), 10)); return err }},
		{"redis_rate", func(i int) error {
			_, err := rate.Allow(ctx, fmt.Sprint("192.0.2.1/mem", i), redis_rate.PerHour(10))
			return err
		}},
		{"a window of 5", func(i int) error {
			l := redisWindow(fmt.Sprint("mem", i), 5)
			l.Cost = 5
			_, err := takeOf(ctx, s, l)
			return err
		}},
		{"an attempt", func(i int) error {
			_, err := s.ReserveAttempts(ctx, []store.AttemptTake{redisAttempt(fmt.Sprint("mem", i), "", 5)})
			return err
		}},
	} {
		before := used()
		const keys = 8192 // of a table that has just grown
		for i := range keys {
			wantErr(t, kind.call(i), nil)
		}
		t.Logf("%-28s %d bytes", kind.name, (used()-before)/keys)
	}
}
