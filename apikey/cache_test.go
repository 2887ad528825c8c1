package apikey_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
)

func cached(cfg *apikey.Config) { cfg.CacheTTL = time.Minute }

// K7: known and unknown keys cost the store one read within CacheTTL.
func TestCacheSparesTheStore(t *testing.T) {
	w := newWorld(t, cached)
	key, _ := w.create()
	unknown, _ := newWorld(t, nil).create()
	for _, tt := range []struct {
		key  string
		want int
	}{{key, 200}, {unknown, 401}} {
		before := w.st.reads.Load()
		for range 100 {
			if got := status(w.keys, "X-API-Key", tt.key); got != tt.want {
				t.Fatalf("status %d, want %d", got, tt.want)
			}
		}
		if n := w.st.reads.Load() - before; n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		w.clock.advance(time.Minute)
		status(w.keys, "X-API-Key", tt.key)
		if n := w.st.reads.Load() - before; n != 2 {
			t.Errorf("%d reads after CacheTTL, want 2", n)
		}
	}
}

// K7: a revocation is effective at once here, and within CacheTTL elsewhere.
func TestRevocationEndsTheCache(t *testing.T) {
	for name, revoke := range map[string]func(w *world, id string) error{
		"Revoke":        func(w *world, id string) error { return w.keys.Revoke(context.Background(), "ada", id) },
		"RevokeSubject": func(w *world, _ string) error { return w.keys.RevokeSubject(context.Background(), "ada") },
		"Rotate": func(w *world, id string) error {
			_, err := w.keys.Rotate(context.Background(), "ada", id, 0)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, cached)
			elsewhere := w.instance(cached)
			raw, key := w.create()
			if a, b := status(w.keys, "X-API-Key", raw), status(elsewhere, "X-API-Key", raw); a != 200 || b != 200 {
				t.Fatalf("status %d, %d", a, b)
			}
			if err := revoke(w, key.ID); err != nil {
				t.Fatal(err)
			}
			if got := status(w.keys, "X-API-Key", raw); got != 401 {
				t.Errorf("here: %d", got)
			}
			w.clock.advance(time.Minute)
			if got := status(elsewhere, "X-API-Key", raw); got != 401 {
				t.Errorf("elsewhere, after CacheTTL: %d", got)
			}
		})
	}
}

// K7: a revocation whose answer got lost may have happened: the cache ends.
func TestFailedRevocationEndsTheCache(t *testing.T) {
	w := newWorld(t, cached)
	raw, key := w.create()
	status(w.keys, "X-API-Key", raw)
	w.st.down(errDown)
	if err := w.keys.Revoke(context.Background(), "ada", key.ID); err == nil {
		t.Fatal("no error")
	}
	if got := status(w.keys, "X-API-Key", raw); got != 503 {
		t.Errorf("status %d, want 503: nobody knows", got)
	}
}

// K7: a verification in flight cannot undo a revocation: it read the store
// before, and answers after.
func TestVerificationInFlightDoesNotUndoARevocation(t *testing.T) {
	w := newWorld(t, cached)
	raw, key := w.create()
	w.st.afterRead = sync.OnceFunc(func() {
		if err := w.keys.Revoke(context.Background(), "ada", key.ID); err != nil {
			t.Error(err)
		}
	})
	status(w.keys, "X-API-Key", raw) // whatever this one is told
	if got := status(w.keys, "X-API-Key", raw); got != 401 {
		t.Errorf("status %d: the answer from before the revocation was kept", got)
	}
}

// K7: the same by racing goroutines.
func TestRevokedKeyIsRefusedWhileVerifying(t *testing.T) {
	for range 50 {
		w := newWorld(t, cached)
		raw, key := w.create()
		start := make(chan struct{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				<-start
				for range 20 {
					status(w.keys, "X-API-Key", raw)
				}
			})
		}
		wg.Go(func() {
			<-start
			if err := w.keys.Revoke(context.Background(), "ada", key.ID); err != nil {
				t.Error(err)
			}
			if got := status(w.keys, "X-API-Key", raw); got != 401 {
				t.Errorf("status %d after Revoke has returned", got)
			}
		})
		close(start)
		wg.Wait()
		if got := status(w.keys, "X-API-Key", raw); got != 401 {
			t.Fatalf("status %d at the end", got)
		}
	}
}

// K7: within a host's transaction nothing is cached.
func TestNothingIsCachedInATransaction(t *testing.T) {
	w := newWorld(t, cached)
	raw, _ := w.create()
	tx := store.MarkTx(context.Background())
	for range 3 {
		if _, err := w.keys.Verify(request("X-API-Key", raw).WithContext(tx)); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.st.reads.Load(); n != 3 {
		t.Errorf("%d reads, want 3", n)
	}
	status(w.keys, "X-API-Key", raw)
	if n := w.st.reads.Load(); n != 4 {
		t.Errorf("%d reads: the transaction's answer was kept", n)
	}
}

// K7: calls that change nothing do not empty the caches, so that nobody can do
// that to others.
func TestCallsThatChangeNothingKeepTheCache(t *testing.T) {
	w := newWorld(t, cached)
	raw, key := w.create()
	if _, err := w.keys.Rotate(context.Background(), "ada", key.ID, time.Hour); err != nil {
		t.Fatal(err)
	}
	status(w.keys, "X-API-Key", raw)
	before := w.st.reads.Load()
	for name, err := range map[string]error{
		"Revoke of nothing": w.keys.Revoke(context.Background(), "ada", "key_none"),
		"Rotate again":      second(w.keys.Rotate(context.Background(), "ada", key.ID, 0)),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
		if status(w.keys, "X-API-Key", raw); w.st.reads.Load() != before {
			t.Errorf("%s emptied the cache", name)
		}
	}
}

// K7: a key that was unknown a moment ago is good as soon as it is adopted.
func TestAdoptedKeyIsGoodAtOnce(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) {
		cfg.CacheTTL = time.Minute
		cfg.Legacy = []apikey.Legacy{{Prefix: "sk_live_", Alphabet: "0123456789abcdef", Length: 32, Until: newClock().Now().Add(day)}}
	})
	const old = "sk_live_0123456789abcdef0123456789abcdef"
	if got := status(w.keys, "X-API-Key", old); got != 401 {
		t.Fatalf("before: %d", got)
	}
	if _, err := w.keys.Adopt(context.Background(), "ada", store.DigestOf(old), apikey.Spec{}); err != nil {
		t.Fatal(err)
	}
	if got := status(w.keys, "X-API-Key", old); got != 200 {
		t.Errorf("after: %d: the unknown one was remembered", got)
	}
}

// K7: an outage is not remembered, and nothing stale stands in for it.
func TestOutageIsNotCached(t *testing.T) {
	w := newWorld(t, cached)
	raw, _ := w.create()
	w.st.down(errDown)
	if got := status(w.keys, "X-API-Key", raw); got != 503 {
		t.Errorf("status %d", got)
	}
	w.st.down(nil)
	if got := status(w.keys, "X-API-Key", raw); got != 200 {
		t.Errorf("status %d after the outage", got)
	}
	w.clock.advance(time.Minute)
	w.st.down(errDown)
	if got := status(w.keys, "X-API-Key", raw); got != 503 {
		t.Errorf("status %d: a stale answer stood in", got)
	}
}

// K7: a flood of unknown keys neither grows the cache without bound nor evicts
// good keys.
func TestFloodOfUnknownKeysIsBounded(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) {
		cfg.CacheTTL = time.Minute
		cfg.OnEvent = nil
	})
	raw, _ := w.create()
	status(w.keys, "X-API-Key", raw)
	before := w.st.reads.Load()
	for i := range 25_000 {
		if _, err := w.keys.Verify(request("X-API-Key", forge(i))); authn.AsError(err).Status != 401 {
			t.Fatal(err)
		}
	}
	if n := w.st.reads.Load() - before; n != 25_000 {
		t.Errorf("%d reads", n)
	}
	if status(w.keys, "X-API-Key", raw); w.st.reads.Load()-before != 25_000 {
		t.Error("the flood evicted a good key")
	}
}
