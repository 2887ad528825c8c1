package servers

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Cluster is a Redis Cluster of three primaries and perhaps their replicas, in
// the same order.
type Cluster struct{ Primaries, Replicas []*RedisServer }

// Addrs is where the primaries were at the start.
func (c *Cluster) Addrs() (addrs []string) {
	for _, s := range c.Primaries {
		addrs = append(addrs, s.Addr)
	}
	return addrs
}

var sharedCluster struct {
	sync.Mutex
	*Cluster
}

// RedisCluster is the cluster that the tests share, without replicas.
func RedisCluster(tb testing.TB) *Cluster {
	tb.Helper()
	sharedCluster.Lock()
	defer sharedCluster.Unlock()
	if sharedCluster.Cluster == nil {
		c, err := newRedisCluster(tb, false)
		onStop(c.kill)
		if err != nil {
			tb.Fatal(err)
		}
		sharedCluster.Cluster = c
	}
	return sharedCluster.Cluster
}

// OwnRedisCluster is a cluster with replicas for tb alone.
func OwnRedisCluster(tb testing.TB) *Cluster {
	tb.Helper()
	c, err := newRedisCluster(tb, true)
	tb.Cleanup(c.kill)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func (c *Cluster) kill() {
	for _, s := range append(c.Primaries, c.Replicas...) {
		s.Kill()
	}
}

// newRedisCluster answers what it has started, with an error, too.
func newRedisCluster(tb testing.TB, replicas bool) (*Cluster, error) {
	tb.Helper()
	const slots, n = 16384, 3
	cluster := new(Cluster)
	node := func() (*RedisServer, *redis.Client, error) {
		// A node that a busy machine does not run for a while has not failed.
		s, err := newRedis(tb, "--cluster-enabled", "yes", "--cluster-node-timeout", "60000")
		if err != nil {
			return nil, nil, err
		}
		bus, err := FreePort()
		if err != nil {
			return nil, nil, err
		}
		s.bus = bus
		s.args = append(s.args, "--cluster-port", strconv.Itoa(bus))
		return s, s.Client(), s.Start()
	}
	var clients []*redis.Client
	join := func(commands ...[]any) error {
		s, c, err := node()
		if err != nil {
			return err
		}
		clients = append(clients, c)
		if len(clients) <= n {
			cluster.Primaries = append(cluster.Primaries, s)
		} else {
			cluster.Replicas = append(cluster.Replicas, s)
		}
		first := cluster.Primaries[0]
		for _, command := range append(commands, []any{"cluster", "meet", "127.0.0.1", first.port, first.bus}) {
			if err := c.Do(context.Background(), command...).Err(); err != nil {
				return err
			}
		}
		return nil
	}
	defer func() {
		for _, c := range clients {
			_ = c.Close()
		}
	}()
	ready := func(text string) error {
		return cluster.Primaries[0].process.Ready(func(ctx context.Context) error {
			for _, c := range clients {
				info, err := c.ClusterInfo(ctx).Result()
				if err != nil {
					return err
				}
				if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, text) {
					return fmt.Errorf("the cluster has not %s: %s", text, info)
				}
			}
			return nil
		})
	}
	for i := range n {
		err := join([]any{"cluster", "set-config-epoch", i + 1}, []any{"cluster", "addslotsrange", i * slots / n, (i+1)*slots/n - 1})
		if err != nil {
			return cluster, err
		}
	}
	if err := ready(fmt.Sprintf("cluster_slots_ok:%d", slots)); err != nil || !replicas {
		return cluster, err
	}
	for range n {
		if err := join(); err != nil {
			return cluster, err
		}
	}
	if err := ready(fmt.Sprintf("cluster_known_nodes:%d", 2*n)); err != nil {
		return cluster, err
	}
	for i, s := range cluster.Replicas {
		id, err := clients[i].Do(context.Background(), "cluster", "myid").Text()
		if err != nil {
			return cluster, err
		}
		err = s.process.Ready(func(ctx context.Context) error { // it may not know the primary yet
			return clients[n+i].Do(ctx, "cluster", "replicate", id).Err()
		})
		if err == nil {
			err = cluster.Primaries[i].followed()
		}
		if err != nil {
			return cluster, err
		}
	}
	return cluster, nil
}
