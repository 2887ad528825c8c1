package integration_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/storetest"
)

// D2, D5, D7: the contract of package store on a real Redis, and on a cluster
// of three primaries, where what a script touches must lie in one slot.
func TestRedisStoreKeepsTheContract(t *testing.T) {
	version := servers.Redis(t).Version(t)
	for name, open := range redisBackends {
		t.Run(name, func(t *testing.T) {
			c := open(t)
			storetest.Run(t, func(t *testing.T, offset func() time.Duration) any {
				servers.Case(t, name+" "+version)
				return openRedis(t, c, redisstore.Config{ClockOffset: offset})
			}, storetest.Config{})
		})
	}
}

var redisBackends = map[string]func(t testing.TB) redis.UniversalClient{
	"Redis":         func(t testing.TB) redis.UniversalClient { return redisClient(t, nil) },
	"Redis Cluster": redisCluster,
}

// redisPatience is how long tests wait for an answer that nobody keeps back: a
// busy machine is no lost answer, which the client would ask for again.
const redisPatience = time.Minute

// redisClient is a client of s, nil being the shared server.
func redisClient(t testing.TB, s *servers.RedisServer) *redis.Client {
	t.Helper()
	if s == nil {
		s = servers.Redis(t)
	}
	return redisWith(t, &redis.Options{Addr: s.Addr})
}

func redisCluster(t testing.TB) redis.UniversalClient {
	t.Helper()
	return clusterOf(t, servers.RedisCluster(t))
}

func clusterOf(t testing.TB, cluster *servers.Cluster) *redis.ClusterClient {
	t.Helper()
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: cluster.Addrs(), ReadTimeout: redisPatience, ContextTimeoutEnabled: true})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// redisWith is a client that New takes, and that is closed at the end.
func redisWith(t testing.TB, o *redis.Options) *redis.Client {
	t.Helper()
	o.ContextTimeoutEnabled = true
	if o.ReadTimeout == 0 {
		o.ReadTimeout = redisPatience
	}
	c := redis.NewClient(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

var redisPrefixes atomic.Int64

// openRedis is an opened store, empty by a key prefix of its own.
func openRedis(t testing.TB, c redis.UniversalClient, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	s := newRedisStore(t, c, cfg)
	if err := s.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newRedisStore(t testing.TB, c redis.UniversalClient, cfg redisstore.Config) *redisstore.Store {
	t.Helper()
	if cfg.KeyPrefix == "" {
		cfg.KeyPrefix = fmt.Sprintf("test%d:", redisPrefixes.Add(1))
	}
	s, err := redisstore.New(c, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
