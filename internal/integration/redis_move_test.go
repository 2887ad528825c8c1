package integration_test

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// slotMove hands a slot from one primary to the next.
type slotMove struct {
	nodes    []*redis.Client
	ids      []string
	slot     int64
	from, to int
}

func newSlotMove(t *testing.T, cluster *servers.Cluster, c *redis.ClusterClient, key string) *slotMove {
	t.Helper()
	ctx := t.Context()
	m := new(slotMove)
	for _, p := range cluster.Primaries {
		node := redisClient(t, p)
		id, err := node.Do(ctx, "cluster", "myid").Text()
		wantErr(t, err, nil)
		m.nodes, m.ids = append(m.nodes, node), append(m.ids, id)
	}
	slot, err := m.nodes[0].ClusterKeySlot(ctx, key).Result()
	wantErr(t, err, nil)
	owner, err := c.MasterForKey(ctx, key)
	wantErr(t, err, nil)
	m.slot, m.from = slot, slices.Index(cluster.Addrs(), owner.Options().Addr)
	m.to = (m.from + 1) % len(m.nodes)
	return m
}

func (m *slotMove) set(t *testing.T, node int, args ...any) {
	t.Helper()
	wantErr(t, m.nodes[node].Do(t.Context(), append([]any{"cluster", "setslot", m.slot}, args...)...).Err(), nil)
}

func (m *slotMove) begin(t *testing.T) {
	t.Helper()
	m.set(t, m.to, "importing", m.ids[m.from])
	m.set(t, m.from, "migrating", m.ids[m.to])
}

// keys moves up to n keys of the slot, and says how many those are.
func (m *slotMove) keys(t *testing.T, n int) int {
	t.Helper()
	ctx := t.Context()
	keys, err := m.nodes[m.from].ClusterGetKeysInSlot(ctx, int(m.slot), n).Result()
	wantErr(t, err, nil)
	for _, key := range keys {
		host, port, err := net.SplitHostPort(m.nodes[m.to].Options().Addr)
		wantErr(t, err, nil)
		wantErr(t, m.nodes[m.from].Migrate(ctx, host, port, key, 0, 5*time.Second).Err(), nil)
	}
	return len(keys)
}

func (m *slotMove) end(t *testing.T) {
	t.Helper()
	for _, node := range []int{m.to, 0, 1, 2} { // the new one first
		m.set(t, node, "node", m.ids[m.to])
	}
}

// whileMoving calls answers before, while and after the slot of key moves. right
// says when an answer is wrong; of a slot that moves it may be an outage. works is
// nil when the slot has arrived.
func whileMoving(t *testing.T, cluster *servers.Cluster, c *redis.ClusterClient, key string, works func() error,
	answers func(when string, right func(what string, err, want error)),
) {
	t.Helper()
	step := func(when string, outages bool) {
		t.Helper()
		answers(when, func(what string, err, want error) {
			t.Helper()
			if outages && err != nil && !errors.Is(err, want) {
				wantOutage(t, err)
			} else if !errors.Is(err, want) {
				t.Errorf("%s: %s answers %v, want %v", when, what, err, want)
			}
		})
		if t.Failed() {
			t.Fatal(when)
		}
	}
	step("before", false)
	m := newSlotMove(t, cluster, c, key)
	m.begin(t)
	step(noKeyMoved, true)
	for n := 1; m.keys(t, 1) > 0; n++ {
		step(fmt.Sprintf("with %d keys moved", n), true)
		if n > 12 { // some steps add a key
			for m.keys(t, 100) > 0 {
			}
		}
	}
	step("with all keys moved", true)
	m.end(t)
	eventually(t, "the slot works again", works)
	step("after the end", false)
}

const noKeyMoved = "before the first key moves"

// D5: when a slot has moved, a denial that waits for replicas follows it, as
// all other calls do.
func TestRedisClusterMovesASlot(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{Wait: 1, KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now()
	claim := func(d string) error {
		return s.ClaimOnce(ctx, "jti", store.DigestOf(d), now.Add(time.Hour), now)
	}
	wantErr(t, claim("loads the script and the slots"), nil)

	for i := range 8 { // slots without keys can simply be given away
		d := fmt.Sprint("moved ", i)
		key := "move:{once:jti:" + store.DigestOf(d).String() + "}"
		m := newSlotMove(t, cluster, c, key)
		if i%2 == 0 { // it is on its way, and new keys go to the new node
			m.begin(t)
			wantErr(t, claim(d), nil)
		}
		m.end(t)
		if i%2 != 0 {
			wantErr(t, claim(d), nil)
		}
		wantErr(t, claim(d), store.ErrExists)
	}
}

// D5, D8: while the slot of API keys is moving, no method sees a part of the
// keys and takes it for all: it works or is an outage. Requests go on.
func TestRedisClusterMovesTheSlotOfAPIKeys(t *testing.T) {
	for _, wait := range []int{0, 1} {
		t.Run(fmt.Sprint("Wait ", wait), func(t *testing.T) {
			cluster := servers.OwnRedisCluster(t)
			c := clusterOf(t, cluster)
			s := openRedis(t, c, redisstore.Config{Wait: wait, KeyPrefix: "move:"})
			ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
			loadScripts(t, s)
			ids := []string{"a", "b", "c"}
			for _, id := range ids {
				k := redisKey("ann", id, now)
				k.ExpiresAt = now.Add(time.Minute)
				wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
			}
			reads := func(when string) {
				t.Helper()
				for _, id := range ids {
					if k, err := s.APIKeyByDigest(ctx, redisKey("ann", id, now).Digest); err != nil || k.ID != id || !k.RevokedAt.IsZero() {
						t.Errorf("%s: APIKeyByDigest of %s: %+v, %v", when, id, k, err)
					}
				}
				if _, err := s.APIKeyByDigest(ctx, store.DigestOf("nobody's")); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s: APIKeyByDigest of what is not there: %v", when, err)
				}
			}
			outages := func(when string) {
				t.Helper()
				errs := redisOutages(ctx, s, redisKey("ann", "a", now), now)
				for _, other := range []string{"Open", "Check", "APIKeyByDigest"} {
					wantErr(t, errs[other], nil)
					delete(errs, other)
				}
				for _, other := range slices.Concat(redisTokenMethods, redisSessionMethods, redisAccountMethods, redisTOTPMethods, []string{"ClaimOnce"}) { // in slots of their own
					delete(errs, other)
				}
				for what, err := range errs {
					if wantOutage(t, err); t.Failed() {
						t.Fatalf("%s: %s", when, what)
					}
				}
				reads(when)
			}

			m := newSlotMove(t, cluster, c, "move:{move:apikeys}")
			m.begin(t)
			outages("before the first key moves")
			m.keys(t, 5)
			outages("with some keys moved")
			for m.keys(t, 100) > 0 {
			}
			outages("with all keys moved")
			m.end(t)
			reads("after the end")
			eventually(t, "the slot works again", func() error {
				_, err := s.APIKey(ctx, "ann", "a")
				return err
			})
			if keys, err := s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{}, 10, now); err != nil || len(keys) != len(ids) {
				t.Errorf("claimed %d of %d keys, %v", len(keys), len(ids), err)
			}
			wantErr(t, s.RevokeAPIKeysOf(ctx, "ann", now), nil)
			for _, k := range wantListed(t, s, "ann", len(ids)) {
				if !k.RevokedAt.Equal(now) {
					t.Errorf("%s is not revoked", k.ID)
				}
			}
		})
	}
}
