package apikey_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/store"
)

// record is the key as its owner sees it.
func (w *world) record(id string) apikey.Key {
	w.t.Helper()
	list, _, err := w.keys.List(context.Background(), "ada", store.Page{})
	if err != nil {
		w.t.Fatal(err)
	}
	for _, k := range list {
		if k.ID == id {
			return k
		}
	}
	w.t.Fatalf("no key %s", id)
	return apikey.Key{}
}

// K8: 10 000 requests within an interval are one write, by the first request
// after it; the counts are exact.
func TestUsesAreOneWriteAnInterval(t *testing.T) {
	w := newWorld(t, func(cfg *apikey.Config) { cfg.OnEvent = nil })
	a, keyA := w.create()
	b, keyB := w.create()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 500 {
				status(w.keys, "X-API-Key", a)
				status(w.keys, "Authorization", "Bearer "+b)
			}
		})
	}
	wg.Wait()
	if n := w.st.flushes.Load(); n != 0 {
		t.Fatalf("%d writes within the interval", n)
	}
	w.clock.advance(10 * time.Second)
	for range 10 {
		wg.Go(func() { status(w.keys, "X-API-Key", a) })
	}
	wg.Wait()
	if n := w.st.flushes.Load(); n != 1 {
		t.Errorf("%d writes after the interval, want 1", n)
	}
	if err := w.keys.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if n, m := w.record(keyA.ID).Uses, w.record(keyB.ID).Uses; n != 5010 || m != 5000 {
		t.Errorf("%d and %d uses, want 5010 and 5000", n, m)
	}
	before := w.st.flushes.Load()
	if err := w.keys.Close(context.Background()); err != nil || w.st.flushes.Load() != before {
		t.Errorf("Close with nothing to write: %v, %d writes", err, w.st.flushes.Load()-before)
	}
}

// K8: last use and last address are those of the last request.
func TestLastUseIsTracked(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	use := func(remote string, client *authn.Client) {
		r := request("X-API-Key", raw)
		r.RemoteAddr = remote
		if client != nil {
			r = r.WithContext(authn.WithClient(r.Context(), *client))
		}
		if _, err := w.keys.Verify(r); err != nil {
			t.Fatal(err)
		}
		w.clock.advance(time.Second)
	}
	check := func(addr string) {
		t.Helper()
		if err := w.keys.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
		got := w.record(key.ID)
		if got.LastAddr.String() != addr || !got.LastUsedAt.Equal(w.clock.Now().Add(-time.Second)) {
			t.Errorf("last used at %v from %v, want %s", got.LastUsedAt, got.LastAddr, addr)
		}
	}
	use("192.0.2.1:1", nil)
	use("192.0.2.2:1", nil)
	use("192.0.2.2:1", nil)
	check("192.0.2.2")
	use("192.0.2.2:1", &authn.Client{Addr: netip.MustParseAddr("203.0.113.9")})
	check("203.0.113.9")
	use("192.0.2.2:1", nil)
	check("192.0.2.2")
	use("192.0.2.3:1", &authn.Client{Addr: netip.MustParseAddr("203.0.113.9")})
	use("", nil)
	check("invalid IP")
	use("@", nil)
	check("invalid IP")
}

// K8: a refused key is no use.
func TestRefusedRequestsAreNoUses(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	if err := w.keys.Revoke(context.Background(), "ada", key.ID); err != nil {
		t.Fatal(err)
	}
	status(w.keys, "X-API-Key", raw)
	if err := w.keys.Close(context.Background()); err != nil || w.st.flushes.Load() != 0 {
		t.Errorf("%v, %d writes", err, w.st.flushes.Load())
	}
}

// K8, K15: the first use is an event, once across instances.
func TestFirstUseIsAnEvent(t *testing.T) {
	w := newWorld(t, nil)
	other := w.instance(nil)
	raw, key := w.create()
	for range 3 {
		for _, keys := range []*apikey.Keys{w.keys, other} {
			status(keys, "X-API-Key", raw)
			if err := keys.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := w.events.Events(authn.EventFirstUse)
	if len(got) != 1 || got[0].CredentialID != key.ID || got[0].Subject != "ada" || got[0].Addr.String() != "192.0.2.1" {
		t.Errorf("events %+v, want one", got)
	}
}

// K8: a flush that fails keeps what it had, never fails the request, and is
// tried again after the next interval.
func TestFailingFlushLosesNothing(t *testing.T) {
	w := newWorld(t, nil)
	raw, key := w.create()
	for range 5 {
		status(w.keys, "X-API-Key", raw)
	}
	w.clock.advance(10 * time.Second)
	w.st.APIKeys = noFlush{w.st.APIKeys}
	for range 3 {
		if got := status(w.keys, "X-API-Key", raw); got != 200 {
			t.Errorf("status %d", got)
		}
	}
	if n := w.st.flushes.Load(); n != 1 {
		t.Errorf("%d tries in one interval", n)
	}
	if err := w.keys.Close(context.Background()); !errors.Is(err, errDown) {
		t.Errorf("Close: %v", err)
	}
	if n := len(w.events.Events(authn.EventOutage)); n != 2 {
		t.Errorf("%d outages, want one a try", n)
	}
	w.st.APIKeys = w.st.APIKeys.(noFlush).APIKeys
	w.clock.advance(10 * time.Second)
	status(w.keys, "X-API-Key", raw)
	if got := w.record(key.ID).Uses; got != 9 {
		t.Errorf("%d uses, want 9", got)
	}
}

type noFlush struct{ store.APIKeys }

func (noFlush) RecordAPIKeyUses(context.Context, []store.APIKeyUse) ([]string, error) {
	return nil, errDown
}

// K8: after a flush that failed, last use and address are those of the last
// request, whether that came before it or meanwhile, in whole microseconds.
func TestFailingFlushKeepsTheLastUse(t *testing.T) {
	for name, meanwhile := range map[string]bool{"before": false, "meanwhile": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			raw, key := w.create()
			want := "192.0.2.1"
			w.clock.advance(1500 * time.Nanosecond)
			status(w.keys, "X-API-Key", raw)
			real := w.st.APIKeys
			w.st.APIKeys = flushes{real, func() {
				w.st.APIKeys = real
				if meanwhile {
					want = "192.0.2.2"
					w.clock.advance(1500 * time.Nanosecond)
					r := request("X-API-Key", raw)
					r.RemoteAddr = "192.0.2.2:1"
					if _, err := w.keys.Verify(r); err != nil {
						t.Error(err)
					}
				}
			}}
			if err := w.keys.Close(context.Background()); !errors.Is(err, errDown) {
				t.Errorf("Close = %v", err)
			}
			at := w.clock.Now().Truncate(time.Microsecond)
			w.clock.advance(time.Second)
			if err := w.keys.Close(context.Background()); err != nil || len(w.st.uses) != 1 || w.st.uses[0].At != at {
				t.Errorf("Close = %v, uses %+v, want the last at %v", err, w.st.uses, at)
			}
			if got := w.record(key.ID); got.LastAddr.String() != want || !got.LastUsedAt.Equal(at) {
				t.Errorf("last used at %v from %v, want %v from %s", got.LastUsedAt, got.LastAddr, at, want)
			}
		})
	}
}

// flushes fails, after it has called.
type flushes struct {
	store.APIKeys
	called func()
}

func (f flushes) RecordAPIKeyUses(context.Context, []store.APIKeyUse) ([]string, error) {
	f.called()
	return nil, errDown
}

// K8: while the store is down, what waits is bounded.
func TestPendingUsesAreBounded(t *testing.T) {
	const keys, bound = 20_100, 20_000
	w := newWorld(t, func(cfg *apikey.Config) { cfg.OnEvent = nil })
	w.st.APIKeys = noFlush{w.st.APIKeys}
	for i := range keys {
		key, err := w.keys.Create(context.Background(), fmt.Sprint("owner", i), apikey.Spec{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.keys.Verify(request("X-API-Key", key.Secret.Reveal())); err != nil {
			t.Fatal(err)
		}
		if i%5000 == 0 {
			w.clock.advance(10 * time.Second) // and the flush fails
		}
	}
	w.st.APIKeys = w.st.APIKeys.(noFlush).APIKeys
	if err := w.keys.Close(context.Background()); err != nil || len(w.st.uses) != bound {
		t.Errorf("%d uses were kept, want %d: %v", len(w.st.uses), bound, err)
	}
}

// K8: a flush takes at most 250 ms of the request that it falls to, and is no
// part of that request's context.
func TestFlushWithinARequestIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *apikey.Config) { cfg.Now = time.Now })
		raw, _ := w.create()
		hangs := &hangingFlush{APIKeys: w.st.APIKeys}
		w.st.APIKeys = hangs
		status(w.keys, "X-API-Key", raw)
		time.Sleep(10 * time.Second)
		start := time.Now()
		r := request("X-API-Key", raw)
		if _, err := w.keys.Verify(r.WithContext(store.MarkTx(r.Context()))); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 250*time.Millisecond || hangs.inTx {
			t.Errorf("the request took %v, in its transaction: %v", got, hangs.inTx)
		}
		start = time.Now()
		status(w.keys, "X-API-Key", raw)
		if got := time.Since(start); got != 0 {
			t.Errorf("the next request took %v", got)
		}
	})
}

type hangingFlush struct {
	store.APIKeys
	inTx bool
}

func (h *hangingFlush) RecordAPIKeyUses(ctx context.Context, _ []store.APIKeyUse) ([]string, error) {
	h.inTx = store.InTx(ctx)
	<-ctx.Done()
	return nil, ctx.Err()
}

// K8: Close waits for the flush of a request, whose failure it then makes good.
func TestCloseWaitsForAFlushInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *apikey.Config) { cfg.Now = time.Now })
		raw, key := w.create()
		real := w.st.APIKeys
		w.st.APIKeys = &hangingFlush{APIKeys: real}
		time.Sleep(10 * time.Second)
		done := make(chan bool)
		go func() { status(w.keys, "X-API-Key", raw); done <- true }() // its flush hangs, and fails after 250 ms
		synctest.Wait()
		w.st.mu.Lock()
		w.st.APIKeys = real
		w.st.mu.Unlock()
		if err := w.keys.Close(context.Background()); err != nil || w.record(key.ID).Uses != 1 {
			t.Errorf("Close: %v, %d uses", err, w.record(key.ID).Uses)
		}
		<-done
	})
}

// K8: Close waits no longer for it than its context lasts, and says so.
func TestCloseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *apikey.Config) { cfg.Now = time.Now })
		raw, _ := w.create()
		w.st.APIKeys = &hangingFlush{APIKeys: w.st.APIKeys}
		time.Sleep(10 * time.Second)
		done := make(chan bool)
		go func() { status(w.keys, "X-API-Key", raw); done <- true }() // its flush hangs for 250 ms
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		if err := w.keys.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close = %v", err)
		}
		<-done
	})
}

// K8: Run flushes every interval, so that no request has to, and once more
// when its context ends.
func TestRunFlushes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, func(cfg *apikey.Config) { cfg.Now = time.Now })
		raw, key := w.create()
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- w.keys.Run(ctx) }()
		synctest.Wait()
		status(w.keys, "X-API-Key", raw)
		time.Sleep(10*time.Second - 1)
		synctest.Wait()
		if n := w.st.flushes.Load(); n != 0 {
			t.Errorf("%d writes within the interval", n)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := w.st.flushes.Load(); n != 1 || w.record(key.ID).Uses != 1 {
			t.Errorf("%d writes by Run, want 1", n)
		}
		for range 3 {
			status(w.keys, "X-API-Key", raw)
		}
		if n := w.st.flushes.Load(); n != 1 {
			t.Errorf("%d writes: a request flushes beside Run", n)
		}
		time.Sleep(5 * time.Second)
		cancel()
		if err := <-done; err != nil || w.record(key.ID).Uses != 4 {
			t.Errorf("at its end: %v, %d uses", err, w.record(key.ID).Uses)
		}
		time.Sleep(10 * time.Second)
		status(w.keys, "X-API-Key", raw)
		if n := w.st.flushes.Load(); n != 3 {
			t.Errorf("%d writes: after Run, requests flush again", n)
		}
	})
}

// K8: a store that is down when Run ends is its error.
func TestRunSaysThatTheLastFlushFailed(t *testing.T) {
	w := newWorld(t, nil)
	raw, _ := w.create()
	status(w.keys, "X-API-Key", raw)
	w.st.APIKeys = noFlush{w.st.APIKeys}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := w.keys.Run(ctx); !errors.Is(err, errDown) {
		t.Errorf("Run = %v", err)
	}
}
