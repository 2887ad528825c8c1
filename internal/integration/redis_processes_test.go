package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store/redisstore"
)

func init() {
	// args are the key prefix and the addresses, of a cluster if there are
	// several.
	raceOpeners["Redis"] = func(args []string) (raceStore, error) {
		c := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: strings.Fields(args[1]), ReadTimeout: redisPatience, ContextTimeoutEnabled: true})
		return redisstore.New(c, redisstore.Config{KeyPrefix: args[0]})
	}
}

// D1, D5, R3, R11: of two processes that race on an operation, one wins, every time; a
// limit lets just its number through, and is no error for the others.
func TestRedisProcessesRace(t *testing.T) {
	for name, addrs := range map[string][]string{
		"Redis":         {servers.Redis(t).Addr},
		"Redis Cluster": servers.RedisCluster(t).Addrs(),
	} {
		t.Run(name, func(t *testing.T) {
			prefix := fmt.Sprintf("race%d:", redisPrefixes.Add(1))
			raceProcesses(t, "Redis", prefix, strings.Join(addrs, " "))
			crowdProcesses(t, "Redis", prefix, strings.Join(addrs, " "))
			submitProcesses(t, "Redis", prefix, strings.Join(addrs, " "))
		})
	}
}
