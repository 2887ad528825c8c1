package redisstore

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// waitFor is how long replicas have to confirm a denial.
	waitFor = time.Second
	// waitRetries is how often a denial is sent to another node of a cluster.
	waitRetries = 3
	waitBackoff = 20 * time.Millisecond
)

var errReplicas = errors.New("the primary has it, but too few replicas")

// deny runs a script that denies something from now on: with Config.Wait it
// answers when the replicas have it. keys are of one slot.
func (s *Store) deny(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	if s.cfg.Wait == 0 {
		return script.Run(ctx, s.client, keys, args...).Result()
	}
	d := denial{script: script, keys: keys, args: args, wait: s.cfg.Wait}
	if cluster, ok := s.client.(*redis.ClusterClient); ok {
		return d.inCluster(ctx, cluster)
	}
	return d.at(ctx, s.client, false)
}

// denial is a script that WAIT must follow on its connection.
type denial struct {
	script *redis.Script
	keys   []string
	args   []any
	wait   int
}

// at sends the script and WAIT in one round trip on one connection.
func (d denial) at(ctx context.Context, c redis.UniversalClient, asking bool) (any, error) {
	send := func(eval func(context.Context, redis.Scripter, []string, ...any) *redis.Cmd) (answer, replicas *redis.Cmd) {
		p := c.Pipeline()
		if asking {
			p.Do(ctx, "asking")
		}
		answer = eval(ctx, p, d.keys, d.args...)
		replicas = p.Do(ctx, "wait", d.wait, waitFor.Milliseconds())
		_, _ = p.Exec(ctx) // each command has its error
		return answer, replicas
	}
	answer, replicas := send(d.script.EvalSha)
	if redis.HasErrorPrefix(answer.Err(), "NOSCRIPT") {
		answer, replicas = send(d.script.Eval)
	}
	if err := answer.Err(); err != nil {
		return nil, err
	}
	if text, ok := answer.Val().(string); ok && text != "ok" { // a refusal, which has changed nothing
		return answer.Val(), nil
	}
	n, err := replicas.Int64()
	if err == nil && n < int64(d.wait) {
		err = fmt.Errorf("%w: Config.Wait is %d, %d replicas confirmed within %v", errReplicas, d.wait, n, waitFor)
	}
	return answer.Val(), err
}

// inCluster finds the node of the keys and follows redirections itself: the
// pipelines of a ClusterClient may send the script to one node and WAIT to
// another.
func (d denial) inCluster(ctx context.Context, cluster *redis.ClusterClient) (answer any, err error) {
	var node *redis.Client
	asking := false
	for try := 0; ; try++ {
		if node == nil {
			node, err = cluster.MasterForKey(ctx, d.keys[0])
		}
		if err == nil {
			answer, err = d.at(ctx, node, asking)
		}
		if err == nil || try == waitRetries || !movedOn(err) || !pause(ctx, waitBackoff<<try) {
			return answer, err
		}
		var addr string
		if addr, asking = redis.IsAskError(err); !asking {
			addr, _ = redis.IsMovedError(err)
		}
		node, err = nodeAt(ctx, cluster, addr), nil
	}
}

// movedOn says that another node may have the slot now, or will soon: a
// redirection, or no answer at all.
func movedOn(err error) bool {
	_, moved := redis.IsMovedError(err)
	_, ask := redis.IsAskError(err)
	if moved || ask || redis.IsReadOnlyError(err) || redis.IsClusterDownError(err) {
		return true
	}
	var answer redis.Error
	return !errors.As(err, &answer) && !errors.Is(err, errReplicas)
}

// nodeAt is the primary at addr, nil if there is none. It loads the slots anew;
// ReloadState would do that some time later.
func nodeAt(ctx context.Context, cluster *redis.ClusterClient, addr string) (node *redis.Client) {
	var mu sync.Mutex
	_ = cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		if c.Options().Addr == addr {
			node = c
		}
		return nil
	}) // without the slots MasterForKey says what is wrong
	return node
}

// pause is false when ctx ends first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
