package redisstore_test

import (
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store/redisstore"
)

// No test here needs a server: New connects to nothing.

// D5: what reads from replicas, from a cache or from nobody knows where is
// refused, whatever made the client.
func TestNewRefusesClientsThatReadStaleRows(t *testing.T) {
	one, two := []string{"127.0.0.1:1"}, []string{"127.0.0.1:1", "127.0.0.1:2"}
	pipeliner, err := redis.NewClient(&redis.Options{Addr: one[0]}).AutoPipeline()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pipeliner.Close() }()
	for name, test := range map[string]struct {
		client redis.UniversalClient
		want   string // in the message
	}{
		"nil":                   {nil, "needs a client"},
		"nil client":            {(*redis.Client)(nil), "needs a client"},
		"nil cluster":           {(*redis.ClusterClient)(nil), "needs a client"},
		"ring":                  {redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": one[0]}}), "*redis.Ring"},
		"pipeliner":             {pipeliner, "AutoPipeliner"},
		"read-only cluster":     {universal(redis.UniversalOptions{Addrs: two, ReadOnly: true}), "ReadOnly"},
		"nearest node":          {universal(redis.UniversalOptions{Addrs: two, RouteByLatency: true}), "RouteByLatency"},
		"any node":              {universal(redis.UniversalOptions{Addrs: two, RouteRandomly: true}), "RouteRandomly"},
		"nearest, by Sentinel":  {universal(redis.UniversalOptions{Addrs: one, MasterName: "m", RouteByLatency: true}), "RouteByLatency"},
		"any node, by Sentinel": {universal(redis.UniversalOptions{Addrs: one, MasterName: "m", RouteRandomly: true}), "RouteRandomly"},
		"replicas, by Sentinel": {
			redis.NewFailoverClusterClient(&redis.FailoverOptions{SentinelAddrs: one, MasterName: "m", ReplicaOnly: true}), "ReadOnly",
		},
		"client-side cache": {
			universal(redis.UniversalOptions{Addrs: one, ClientSideCacheConfig: new(redis.ClientSideCacheConfig)}), "client-side cache",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if s, err := redisstore.New(test.client, redisstore.Config{}); err == nil || s != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v, want an error that names %s", s, err, test.want)
			}
		})
	}
}

func universal(o redis.UniversalOptions) redis.UniversalClient { return redis.NewUniversalClient(&o) }

func TestNewRefusesConfig(t *testing.T) {
	one := []string{"127.0.0.1:1"}
	c := universal(redis.UniversalOptions{Addrs: one, ContextTimeoutEnabled: true})
	hasty := universal(redis.UniversalOptions{Addrs: one, ContextTimeoutEnabled: true, ReadTimeout: time.Second})
	for name, test := range map[string]struct {
		client redis.UniversalClient
		cfg    redisstore.Config
		want   string // in the message; "": it is good
	}{
		"zero":               {c, redisstore.Config{}, ""},
		"opening brace":      {c, redisstore.Config{KeyPrefix: "a{"}, "KeyPrefix"},
		"closing brace":      {c, redisstore.Config{KeyPrefix: "a}"}, "KeyPrefix"},
		"negative Wait":      {c, redisstore.Config{Wait: -1}, "Wait"},
		"Wait, hasty client": {hasty, redisstore.Config{Wait: 1}, "ReadTimeout"},
		"hasty client":       {hasty, redisstore.Config{}, ""},
		"Wait":               {c, redisstore.Config{Wait: 1}, ""},
		"cluster":            {universal(redis.UniversalOptions{Addrs: one, IsClusterMode: true, ContextTimeoutEnabled: true}), redisstore.Config{}, ""},
		"no deadlines":       {universal(redis.UniversalOptions{Addrs: one}), redisstore.Config{}, "ContextTimeoutEnabled"},
		"cluster without":    {universal(redis.UniversalOptions{Addrs: one, IsClusterMode: true}), redisstore.Config{}, "ContextTimeoutEnabled"},
		"Sentinel":           {universal(redis.UniversalOptions{Addrs: one, MasterName: "m", ContextTimeoutEnabled: true}), redisstore.Config{}, ""},
		"Sentinel without":   {universal(redis.UniversalOptions{Addrs: one, MasterName: "m"}), redisstore.Config{}, "ContextTimeoutEnabled"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := redisstore.New(test.client, test.cfg)
			if test.want == "" && err != nil {
				t.Errorf("got error %v", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got error %v, want one that names %s", err, test.want)
			}
		})
	}
}
