package main

import (
	"context"
	"strconv"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// The scripts that a program of its own would write for the same, as short as they
// can be: the floor. They keep their times as they are read and written quickest.
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
)

const (
	bareScript = "a bare EVALSHA"
	oursLimits = "redisstore TakeLimits"
	redisRate  = "go-redis/redis_rate"
)

// storedLimits are limits that a Redis keeps, of a thousand clients in turn, by
// wall time. redis_rate has no windows, and one limit a call.
func storedLimits(wanted func(name string) bool) (rows []row) {
	const one, three, window = "limit, Redis, GCRA", "limit, Redis, three GCRA of a request", "limit, Redis, window of 5"
	if !wanted(one) && !wanted(three) && !wanted(window) || !installed("redis-server") {
		return nil
	}
	ctx := context.Background()
	c := redis.NewClient(&redis.Options{Addr: servers.Redis(host{}).Addr, ContextTimeoutEnabled: true})
	st := authn.Must(redisstore.New(c, redisstore.Config{KeyPrefix: "limits:"}))
	rate := redis_rate.NewLimiter(c)

	clients := make([]string, 1000)
	for i := range clients {
		clients[i] = "192.0.2." + strconv.Itoa(i)
	}
	turn := 0
	client := func() string {
		turn++
		return clients[turn%len(clients)]
	}
	gcra := store.LimitTake{GCRA: true, Limit: 600_000, Burst: 1000, Period: time.Minute, Cost: 1}
	ours := func(l store.LimitTake, policies ...string) func() error {
		takes, states := make([]store.LimitTake, len(policies)), make([]store.LimitState, len(policies))
		return func() error {
			key := client()
			for i, policy := range policies {
				takes[i] = l
				takes[i].Policy, takes[i].Key = policy, key
			}
			return st.TakeLimits(ctx, takes, states)
		}
	}
	bare := func(script *redis.Script, policies []string, args ...any) func() error {
		return func() error {
			key, keys := client(), make([]string, len(policies))
			for i, policy := range policies {
				keys[i] = policy + ":" + key
			}
			return script.Run(ctx, c, keys, args...).Err()
		}
	}
	peer := func(policies ...string) func() error {
		return func() error {
			key := client()
			for _, policy := range policies {
				if _, err := rate.Allow(ctx, policy+":"+key, redis_rate.Limit{Rate: 10_000, Burst: 1000, Period: time.Second}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	all := []row{
		{name: one, contenders: []contender{
			good(bareScript, bare(bareGCRA, []string{"bare"}, 100, 1000, 1)), good(oursLimits, ours(gcra, "api")), good(redisRate, peer("api")),
		}},
		{name: three, contenders: []contender{
			good(bareScript, bare(bareGCRA, []string{"bare a", "bare b", "bare c"}, 100, 1000, 1, 100, 1000, 1, 100, 1000, 1)),
			good(oursLimits, ours(gcra, "a", "b", "c")), good(redisRate+", three calls", peer("a", "b", "c")),
		}},
		{name: window, contenders: []contender{
			good(bareScript, bare(bareWindow, []string{"bare 5"}, 5, 1_000_000)),
			good(oursLimits, ours(store.LimitTake{Limit: 5, Period: time.Second, Cost: 1}, "login")),
		}},
	}
	for _, r := range all {
		if !wanted(r.name) {
			continue
		}
		r.wall, r.promises = true, faster("R14", oursLimits, 1.25, bareScript)
		if len(r.contenders) > 2 {
			r.promises = append(r.promises, faster("R14", oursLimits, 1, r.contenders[2].name)...)
		}
		rows = append(rows, r)
	}
	return rows
}
