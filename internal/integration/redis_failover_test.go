package integration_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5, D7, D8: the primary dies, and Sentinel makes its replica the primary.
func TestRedisSentinelFailover(t *testing.T) {
	s := servers.OwnRedisSentinel(t)
	survives(t, &redis.UniversalOptions{MasterName: s.Name, Addrs: []string{s.Sentinel.Addr}}, s.Primary)
}

// D5, D8: a primary of a cluster dies, and its replica takes its slots.
func TestRedisClusterFailover(t *testing.T) {
	c := servers.OwnRedisCluster(t)
	for _, s := range append(c.Primaries, c.Replicas...) {
		wantErr(t, redisClient(t, s).ConfigSet(t.Context(), "cluster-node-timeout", "5000").Err(), nil)
	}
	o := &redis.UniversalOptions{Addrs: c.Addrs()}
	survives(t, o, c.Primaries[0])
}

// survives holds that with Wait 1 no claim or revocation that was acknowledged
// is lost when primary dies, and that the store recovers by itself.
func survives(t *testing.T, o *redis.UniversalOptions, primary *servers.RedisServer) {
	o.DialTimeout, o.ReadTimeout, o.DialerRetries = time.Second, 2*time.Second, 1
	o.ContextTimeoutEnabled = true
	c := redis.NewUniversalClient(o)
	t.Cleanup(func() { _ = c.Close() })
	s := openRedis(t, c, redisstore.Config{Wait: 1})
	load := newDenials(s)
	stop := load.run(t)
	eventually(t, "some load", func() error {
		if claims, revocations, outages := load.counts(); claims < 100 || revocations < 100 {
			return fmt.Errorf("%d claims, %d revocations, %d outages", claims, revocations, outages)
		}
		return nil
	})

	_, _, before := load.counts() // a busy machine has some
	primary.Kill()
	start := time.Now()
	eventually(t, "an outage", func() error {
		if _, _, outages := load.counts(); outages == before {
			return errors.New("none yet")
		}
		return nil
	})
	// Before all primaries are there the old one must not return: it is empty.
	// The new one has no replica, so this is the Check of a store without Wait.
	reader := newRedisStore(t, c, redisstore.Config{})
	eventually(t, "the failover", func() error {
		if _, err := s.APIKeyByDigest(t.Context(), store.DigestOf("nobody's")); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		return reader.Check(t.Context())
	})
	t.Logf("reading works again after %v", time.Since(start).Round(time.Millisecond))
	// Denials wait for a replica, which there is when the old primary returns.
	wantErr(t, primary.Start(), nil)
	eventually(t, "denials after the failover", func() error {
		for i := range 100 {
			if err := load.claim(t.Context(), fmt.Sprint("after ", time.Now().UnixNano(), i)); err != nil {
				return err
			}
		}
		return s.Check(t.Context())
	})
	t.Logf("denying works again after %v", time.Since(start).Round(time.Millisecond))
	claims, revocations, _ := load.counts()
	eventually(t, "progress of the load", func() error {
		if c, r, outages := load.counts(); c < claims+20 || r < revocations+20 {
			return fmt.Errorf("%d claims, %d revocations more, %d outages", c-claims, r-revocations, outages)
		}
		return nil
	})
	stop()
	load.check(t)
}

// denials is a load of claims and revocations that remembers what was
// acknowledged.
type denials struct {
	s   *redisstore.Store
	now time.Time

	mu               sync.Mutex
	claimed, revoked []string
	outages          int
}

func newDenials(s *redisstore.Store) *denials {
	return &denials{s: s, now: time.Now().UTC().Truncate(time.Microsecond)}
}

func (l *denials) claim(ctx context.Context, d string) error {
	return l.s.ClaimOnce(ctx, "failover", store.DigestOf(d), l.now.Add(time.Hour), l.now)
}

func (l *denials) revoke(ctx context.Context, id string) error {
	err := l.s.CreateAPIKey(ctx, redisKey("owner", id, l.now), store.APIKeyLimits{}, l.now)
	if err == nil {
		err = l.s.RevokeAPIKey(ctx, "owner", id, l.now)
	}
	return err
}

// run starts the load; stop ends it.
func (l *denials) run(t *testing.T) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	for worker := range 4 {
		workers.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("%d %d", worker, i)
				l.count(id, &l.revoked, l.revoke(ctx, id))
				l.count(id, &l.claimed, l.claim(ctx, id))
			}
		})
	}
	return func() {
		cancel()
		workers.Wait()
	}
}

func (l *denials) count(id string, acknowledged *[]string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		*acknowledged = append(*acknowledged, id)
	} else if !errors.Is(err, context.Canceled) {
		l.outages++
	}
}

func (l *denials) counts() (claims, revocations, outages int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.claimed), len(l.revoked), l.outages
}

// check looks for what was acknowledged.
func (l *denials) check(t *testing.T) {
	t.Helper()
	claims, revocations, outages := l.counts()
	t.Logf("%d claims and %d revocations were acknowledged, %d outages", claims, revocations, outages)
	for _, id := range l.claimed {
		if err := l.claim(t.Context(), id); !errors.Is(err, store.ErrExists) {
			t.Errorf("the claim %s was acknowledged, and is now answered %v", id, err)
		}
	}
	for _, id := range l.revoked {
		k, err := l.s.APIKeyByDigest(t.Context(), redisKey("owner", id, l.now).Digest)
		if err != nil || k.RevokedAt.IsZero() {
			t.Errorf("key %s was revoked, and is now %v, %v", id, k.RevokedAt, err)
		}
	}
}
