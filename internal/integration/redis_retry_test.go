package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// lossyProxy hands on bytes in both directions. When armed it hands on a
// request, waits for the answer and cuts the connection in its place: the
// server has done what the client does not know.
type lossyProxy struct {
	net.Listener
	to    string
	stats *redis.Client // of the server
	// armed is set to what runs when an answer is lost, before the client learns
	// that.
	armed atomic.Pointer[func()]
}

func newLossyProxy(t *testing.T, to string) *lossyProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &lossyProxy{Listener: l, to: to, stats: redis.NewClient(&redis.Options{Addr: to})}
	t.Cleanup(func() {
		_ = l.Close()
		_ = p.stats.Close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

func (p *lossyProxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		if meanwhile := p.armed.Swap(nil); meanwhile != nil {
			(*meanwhile)()
			return
		}
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}

// lose calls f, whose first answer is lost on the way, and says when the server
// has not run times scripts for it.
func (p *lossyProxy) lose(t *testing.T, times int64, f func()) {
	t.Helper()
	p.loseWhile(t, times, func() {}, f)
}

// loseWhile is lose, and runs meanwhile before the client tries again. Its
// scripts count, too.
func (p *lossyProxy) loseWhile(t *testing.T, times int64, meanwhile, f func()) {
	t.Helper()
	before := commandStats(t, p.stats)["evalsha"]
	p.armed.Store(&meanwhile)
	f()
	after := commandStats(t, p.stats)["evalsha"]
	if p.armed.Load() != nil || after.calls-before.calls != times || after.failed != before.failed {
		t.Errorf("%d scripts ran and %d failed, want %d and 0: this shows nothing", after.calls-before.calls, after.failed-before.failed, times)
	}
}

// D5: a script that the client sends again, because the answer was lost, gives
// its first answer and takes effect once. Next to it: who really is second is
// refused, even with the same values.
func TestRedisReplayedScripts(t *testing.T) {
	primary := servers.OwnRedis(t)
	servers.OwnRedisReplica(t, primary)
	for name, wait := range map[string]int{"without replicas": 0, "waiting for a replica": 1} {
		t.Run(name, func(t *testing.T) {
			p := newLossyProxy(t, primary.Addr)
			c := redisWith(t, &redis.Options{Addr: p.Addr().String(), PoolSize: 1, PipelinePoolSize: -1})
			prefix := fmt.Sprintf("replay%d:", wait)
			s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix, Wait: wait})
			replays(t, s, p)
			other := openRedis(t, redisClient(t, primary), redisstore.Config{KeyPrefix: prefix})
			replaysOfTokens(t, s, other, prefix, p)
			replaysOfSigningKeys(t, s, other, p)
			replaysOfSessions(t, s, other, prefix, p)
			replaysOfAccounts(t, s, other, p)
			replaysOfLimits(t, s, other, p)
			replaysOfTOTPs(t, s, other, p)
			replaysOfOAuth(t, s, other, p)
		})
	}
}

func replays(t *testing.T, s *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	later := now.Add(time.Hour)

	loadScripts(t, s)
	t.Run("ClaimOnce", func(t *testing.T) {
		claim := func(d string) error { return s.ClaimOnce(ctx, "jti", store.DigestOf(d), later, now) }
		p.lose(t, 2, func() { wantErr(t, claim("a"), nil) })
		wantErr(t, claim("a"), store.ErrExists)
		p.lose(t, 2, func() { wantErr(t, claim("a"), store.ErrExists) })
	})
	t.Run("CreateAPIKey", func(t *testing.T) {
		one := store.APIKeyLimits{MaxLive: 1}
		k := redisKey("ann", "created", now)
		p.lose(t, 2, func() { wantErr(t, s.CreateAPIKey(ctx, k, one, now), nil) })
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), store.ErrExists)
		p.lose(t, 2, func() { wantErr(t, s.CreateAPIKey(ctx, redisKey("ann", "second", now), one, now), store.ErrLimit) })
		wantListed(t, s, "ann", 1)
	})
	t.Run("RotateAPIKey", func(t *testing.T) {
		wantErr(t, s.CreateAPIKey(ctx, redisKey("bob", "old", now), store.APIKeyLimits{}, now), nil)
		next := redisKey("bob", "next", now)
		p.lose(t, 2, func() { wantErr(t, s.RotateAPIKey(ctx, "bob", "old", next, later, now), nil) })
		wantErr(t, s.RotateAPIKey(ctx, "bob", "old", next, later, now), store.ErrConflict)
		wantListed(t, s, "bob", 2)
		old, err := s.APIKey(ctx, "bob", "old")
		wantErr(t, err, nil)
		if old.ReplacedBy != "next" || !old.ExpiresAt.Equal(later) {
			t.Errorf("the old key names %q and ends at %v, want next, %v", old.ReplacedBy, old.ExpiresAt, later)
		}
	})
	t.Run("RevokeAPIKey", func(t *testing.T) {
		wantErr(t, s.CreateAPIKey(ctx, redisKey("cy", "revoked", now), store.APIKeyLimits{}, now), nil)
		p.lose(t, 2, func() { wantErr(t, s.RevokeAPIKey(ctx, "cy", "revoked", now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.RevokeAPIKey(ctx, "cy", "revoked", later), nil) })
		k, err := s.APIKey(ctx, "cy", "revoked")
		wantErr(t, err, nil)
		if !k.RevokedAt.Equal(now) {
			t.Errorf("revoked at %v, want %v", k.RevokedAt, now)
		}
	})
	t.Run("RevokeAPIKeysOf", func(t *testing.T) {
		for _, id := range []string{"d1", "d2"} {
			wantErr(t, s.CreateAPIKey(ctx, redisKey("dan", id, now), store.APIKeyLimits{}, now), nil)
		}
		p.lose(t, 2, func() { wantErr(t, s.RevokeAPIKeysOf(ctx, "dan", now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.RevokeAPIKeysOf(ctx, "dan", later), nil) })
		for _, k := range wantListed(t, s, "dan", 2) {
			if !k.RevokedAt.Equal(now) {
				t.Errorf("%s: revoked at %v, want %v", k.ID, k.RevokedAt, now)
			}
		}
	})
	t.Run("RecordAPIKeyUses", func(t *testing.T) {
		wantErr(t, s.CreateAPIKey(ctx, redisKey("eve", "used", now), store.APIKeyLimits{}, now), nil)
		use := []store.APIKeyUse{{ID: "used", N: 3, At: now}}
		for _, want := range []int{1, 0} { // first used, and not any more
			p.lose(t, 2, func() {
				first, err := s.RecordAPIKeyUses(ctx, use)
				wantErr(t, err, nil)
				if len(first) != want {
					t.Errorf("first uses of %q, want %d of them", first, want)
				}
			})
		}
		k, err := s.APIKey(ctx, "eve", "used")
		wantErr(t, err, nil)
		if k.Uses != 6 {
			t.Errorf("two batches of 3 uses made %d", k.Uses)
		}
	})
	t.Run("ClaimExpiringAPIKeys", func(t *testing.T) {
		k := redisKey("flo", "ending", now)
		k.ExpiresAt = later
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
		claim := func() int {
			keys, err := s.ClaimExpiringAPIKeys(ctx, 2*time.Hour, store.APIKeyLimits{}, 10, now)
			wantErr(t, err, nil)
			n := 0
			for _, k := range keys {
				if k.Owner == "flo" {
					n++
				}
			}
			return n
		}
		p.lose(t, 2, func() {
			if n := claim(); n != 1 {
				t.Errorf("%d keys are claimed, want 1", n)
			}
		})
		if n := claim(); n != 0 {
			t.Errorf("%d keys are claimed once more", n)
		}
	})
}

// D5: when the answers keep being lost it is an outage, and what was to be
// denied may be denied or not, but is never reported as done.
func TestRedisAnswersThatKeepBeingLost(t *testing.T) {
	p := newLossyProxy(t, servers.Redis(t).Addr)
	c := redisWith(t, &redis.Options{Addr: p.Addr().String(), MaxRetries: -1, PoolSize: 1})
	s := openRedis(t, c, redisstore.Config{})
	now := time.Now()
	d := store.DigestOf("lost")
	wantErr(t, s.ClaimOnce(t.Context(), "jti", store.DigestOf("loads the script"), now.Add(time.Hour), now), nil)
	p.lose(t, 1, func() {
		err := s.ClaimOnce(t.Context(), "jti", d, now.Add(time.Hour), now)
		wantOutage(t, err)
	})
	wantErr(t, s.ClaimOnce(t.Context(), "jti", d, now.Add(time.Hour), now), store.ErrExists)
}

// loadScripts calls each method once, so that the server has all scripts.
func loadScripts(t *testing.T, s *redisstore.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	later := now.Add(time.Hour)
	loadTokenScripts(t, s, now)
	loadSessionScripts(t, s, now)
	loadAccountScripts(t, s, now)
	loadTOTPScripts(t, s, now)
	_, err := s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{}, 10, now)
	for _, err := range []error{
		err,
		s.ClaimOnce(ctx, "load", store.DigestOf("load"), later, now),
		s.CreateAPIKey(ctx, redisKey("load", "load", now), store.APIKeyLimits{}, now),
		s.RotateAPIKey(ctx, "load", "load", redisKey("load", "load next", now), later, now),
		s.RevokeAPIKey(ctx, "load", "load", now),
		s.RevokeAPIKeysOf(ctx, "load", now),
	} {
		wantErr(t, err, nil)
	}
	_, err = s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "load", N: 1, At: now}})
	wantErr(t, err, nil)
	_, err = s.APIKey(ctx, "load", "load")
	wantErr(t, err, nil)
	wantListed(t, s, "load", 2)
}

// redisKey is a live key.
func redisKey(owner, id string, now time.Time) store.APIKey {
	return store.APIKey{
		ID: id, Owner: owner, Name: "key " + id, Prefix: "acme", LastFour: "x9Zz", Digest: store.DigestOf(owner + "/" + id),
		Scopes: []string{"orders:read"}, Metadata: map[string]string{"team": "blue"}, CreatedAt: now,
	}
}

func wantListed(t *testing.T, s store.APIKeys, owner string, n int) []store.APIKey {
	t.Helper()
	keys, _, err := s.ListAPIKeys(context.WithoutCancel(t.Context()), owner, store.Page{})
	wantErr(t, err, nil)
	if len(keys) != n {
		t.Errorf("%s has %d keys, want %d", owner, len(keys), n)
	}
	return keys
}

func wantErr(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	}
}

// wantOutage says when err is none: nil, or an answer.
func wantOutage(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		t.Error("answered nil, want an outage")
	}
	for _, answer := range []error{store.ErrNotFound, store.ErrExists, store.ErrConflict, store.ErrLimit} {
		if errors.Is(err, answer) {
			t.Errorf("answered %v, want an outage", err)
		}
	}
}
