package redisstore_test

import (
	"context"
	"fmt"
	"log"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store/redisstore"
)

// A primary with two replicas behind Sentinel: one of them must have a
// revocation before it is answered.
func Example() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		MasterName: "main",
		Addrs:      []string{"sentinel-1:26379", "sentinel-2:26379", "sentinel-3:26379"},

		ContextTimeoutEnabled: true, // New insists: a request's deadline ends its calls
	})
	defer func() { _ = client.Close() }()
	s, err := redisstore.New(client, redisstore.Config{KeyPrefix: "shop:authn:", Wait: 1})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.Open(context.Background()); err != nil {
		log.Fatal(err) // not reachable, a replica, one that evicts or has none
	}
}

// What would let revoked keys live on is an error before anything is served.
func ExampleNew() {
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:    []string{"redis-1:6379", "redis-2:6379"},
		ReadOnly: true,

		ContextTimeoutEnabled: true,
	})
	defer func() { _ = client.Close() }()
	_, err := redisstore.New(client, redisstore.Config{})
	fmt.Println(err)
	// Output:
	// authn/redisstore: the client reads from replicas, where a revoked key lives on; take one without ReadOnly, RouteByLatency and RouteRandomly
}
