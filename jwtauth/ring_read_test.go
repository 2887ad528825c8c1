package jwtauth_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// J14: where there is traffic the store is read every 5 s, in the background;
// after silence, before the first answer.
func TestReadingAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance()
		kid := ring.signing()
		ring.st.delay.Store(int64(time.Second))
		begin := ring.st.lists.Load()
		for range 600 { // a minute
			start := time.Now()
			ring.knows(kid)
			ring.signing()
			if jwtauth.RingGeneration(ring.KeyRing) == 0 || time.Since(start) != 0 {
				t.Fatalf("after %v: waited %v, generation %d", time.Since(start), time.Since(start), jwtauth.RingGeneration(ring.KeyRing))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := ring.st.lists.Load() - begin; n < 9 || n > 12 {
			t.Errorf("%d reads in a minute", n)
		}
		synctest.Wait()
		time.Sleep(10 * time.Second)
		if n := jwtauth.RingGeneration(ring.KeyRing); n != 0 {
			t.Errorf("after silence: generation %d, want 0: ask first", n)
		}
		start := time.Now()
		ring.knows(kid)
		if got := time.Since(start); got != time.Second {
			t.Errorf("after silence: an answer after %v, want that of the store", got)
		}
	})
}

// J14: what was read is good for 5 s, and a kid that was unknown for 1 s, each to the
// nanosecond.
func TestWhenTheStoreIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newRingService(t).instance()
		reads := func(what string, after time.Duration, kid string, want int64) {
			t.Helper()
			time.Sleep(after)
			before := ring.st.lists.Load()
			ring.knows(kid)
			if synctest.Wait(); ring.st.lists.Load()-before != want {
				t.Errorf("%s: %d reads, want %d", what, ring.st.lists.Load()-before, want)
			}
		}
		kid := ring.signing()
		reads("just within 5 s", 5*time.Second-1, kid, 0)
		reads("at 5 s", 1, kid, 1)
		reads("again", 0, kid, 0)
		reads("an unknown kid", 0, "unknown", 1)
		reads("just within a second", time.Second-1, "unknown", 0)
		reads("after a second", 1, "unknown", 1)
	})
}

// J14: a store that is down is believed to be for 10 s; then somebody waits for it.
func TestOutageIsBelievedFor10Seconds(t *testing.T) {
	for after, waits := range map[time.Duration]time.Duration{10*time.Second - 1: 0, 10 * time.Second: time.Second} {
		synctest.Test(t, func(t *testing.T) {
			ring := newRingService(t).instance()
			kid := ring.signing()
			time.Sleep(time.Minute)
			ring.st.down.Store(true)
			if !ring.knows(kid) {
				t.Error("it does not serve")
			}
			ring.st.delay.Store(int64(time.Second))
			time.Sleep(after)
			start := time.Now()
			if !ring.knows(kid) || time.Since(start) != waits {
				t.Errorf("after %v: waited %v, want %v", after, time.Since(start), waits)
			}
			time.Sleep(time.Minute)
		})
	}
}

// J14: a kid that is unknown is sought in the store, but whatever comes at most
// once a second; keys that are known do not wait for that.
func TestUnknownKidsDoNotHammerTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance()
		kid := ring.signing()
		before := ring.st.lists.Load()
		var wg sync.WaitGroup
		for n := range 10_000 {
			wg.Go(func() {
				if _, err := ring.VerificationKey(t.Context(), fmt.Sprint("random", n)); !errors.Is(err, jwtauth.ErrUnknownKey) {
					t.Error(err)
				}
			})
			if n%1000 == 0 { // ten times in 4 s, which are within freshFor
				time.Sleep(400 * time.Millisecond)
			}
		}
		wg.Wait()
		if n := ring.st.lists.Load() - before; n < 3 || n > 4 {
			t.Errorf("%d reads in 4 s", n)
		}
		time.Sleep(time.Second)
		ring.knows(kid)
		synctest.Wait()
		ring.st.delay.Store(int64(3 * time.Second))
		go func() { _, _ = ring.VerificationKey(t.Context(), "random") }()
		synctest.Wait()
		start := time.Now()
		if !ring.knows(kid) || time.Since(start) != 0 {
			t.Errorf("a known kid waited %v", time.Since(start))
		}
		time.Sleep(4 * time.Second)
	})
}

// J14: a key that another instance has made is found at once, although the
// store was read a moment ago.
func TestUnknownKidIsFoundAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		a, b := s.instance(), s.instance()
		first := a.signing()
		b.knows(first)
		a.retire(first)
		if second := a.signing(); second == first || !b.knows(second) {
			t.Errorf("%q is unknown elsewhere", second)
		}
	})
}

// J14: keys that were read serve while the store is down, without waiting for
// it, for 5 min; then every use is an outage. One event at each end.
func TestStoreOutage(t *testing.T) {
	for name, fail := range map[string]func(*ringStore){
		"fails":  func(st *ringStore) { st.down.Store(true) },
		"hangs":  func(st *ringStore) { st.delay.Store(int64(time.Hour)) },
		"panics": func(st *ringStore) { f := func(context.Context) { panic("a bug") }; st.onList.Store(&f) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newRingService(t)
				ring := s.instance()
				kid := ring.signing()
				start := time.Now()
				fail(ring.st)
				before := ring.st.lists.Load()
				for time.Since(start) < 5*time.Minute-time.Second {
					at := time.Now()
					if !ring.knows(kid) || ring.signing() != kid || time.Since(at) != 0 {
						t.Fatalf("after %v: waited %v", at.Sub(start), time.Since(at))
					}
					if jwtauth.RingGeneration(ring.KeyRing) == 0 {
						t.Fatalf("after %v: no generation", at.Sub(start))
					}
					if _, err := ring.VerificationKey(t.Context(), "new"); time.Since(start) > 10*time.Second && !isOutage(err) {
						t.Fatalf("after %v: a kid that may be new: %v", at.Sub(start), err)
					}
					time.Sleep(200 * time.Millisecond)
				}
				if n := ring.st.lists.Load() - before; n > 300 {
					t.Errorf("%d reads in 300 s", n)
				}
				time.Sleep(time.Until(start.Add(5 * time.Minute)))
				if _, err := ring.VerificationKey(t.Context(), kid); !isOutage(err) {
					t.Errorf("verifying after 5 min: %v", err)
				}
				if _, err := jwtauth.RingSigningKey(t.Context(), ring.KeyRing); !isOutage(err) || name == "fails" && !errors.Is(err, errRingDown) {
					t.Errorf("signing after 5 min: %v", err)
				}
				if n := jwtauth.RingGeneration(ring.KeyRing); n != 0 {
					t.Errorf("after 5 min: generation %d", n)
				}
				ring.st.down.Store(false)
				ring.st.delay.Store(0)
				ring.st.onList.Store(nil)
				time.Sleep(time.Minute)
				if !ring.knows(kid) || ring.signing() != kid {
					t.Error("it does not recover")
				}
				for range 60 {
					time.Sleep(time.Second)
					ring.knows(kid)
				}
				down, up := s.events.Events(authn.EventOutage), s.events.Events(authn.EventRecovered)
				if len(down) != 1 || len(up) != 1 || down[0].Err == nil {
					t.Errorf("%d outages, %d recoveries", len(down), len(up))
				}
			})
		})
	}
}

// J14: after silence the first caller waits for a store that may be up; if it
// is not, what was read before serves.
func TestOutageAfterSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newRingService(t).instance()
		kid := ring.signing()
		time.Sleep(time.Minute)
		ring.st.delay.Store(int64(time.Hour))
		start := time.Now()
		if !ring.knows(kid) || time.Since(start) != 5*time.Second {
			t.Errorf("the first caller waited %v", time.Since(start))
		}
		if !ring.knows(kid) || time.Since(start) != 5*time.Second {
			t.Errorf("the second caller waited, too")
		}
		time.Sleep(time.Minute)
		ring.st.delay.Store(0)
		before := ring.st.lists.Load()
		if !ring.knows(kid) || ring.st.lists.Load() == before {
			t.Error("silence made it forget to ask")
		}
		time.Sleep(time.Minute)
	})
}

// J14: a store that is down at the start is asked once a second at most, and
// what it has is there when it is back. Its refusals are no refusals of tokens.
func TestOutageAtFirstUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		ring := s.instance()
		for _, refusal := range []error{store.ErrFull, store.ErrConflict, store.ErrNotFound} { // a conflict with no key: it is mad
			ring.st.addError.Store(&refusal)
			before := ring.st.adds.Load()
			for range 50 {
				if _, err := ring.VerificationKey(t.Context(), "kid"); !isOutage(err) {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond)
			}
			if n := ring.st.adds.Load() - before; n < 4 || n > 6 {
				t.Errorf("%d tries in 5 s", n)
			}
		}
		ring.st.addError.Store(nil)
		time.Sleep(time.Second)
		if ring.signing() == "" {
			t.Error("no key")
		}
	})
}

// J14: a reading belongs to nobody: it does not end with the request that began
// it, nor run in its transaction; and who waits for it obeys its own context.
func TestReadingOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		kid := s.instance().signing()
		ring := s.instance()
		ring.st.delay.Store(int64(2 * time.Second))
		var inTx bool
		var deadline time.Time
		var reading context.Context
		look := func(ctx context.Context) { reading, inTx = ctx, store.InTx(ctx); deadline, _ = ctx.Deadline() }
		ring.st.onList.Store(&look)
		first, cancel := context.WithCancel(store.MarkTx(t.Context()))
		start := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := ring.VerificationKey(first, kid); !errors.Is(err, context.Canceled) || !isOutage(err) || time.Since(start) != time.Second {
				t.Errorf("the first caller: %v after %v", err, time.Since(start))
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if !ring.knows(kid) || time.Since(start) != 2*time.Second {
				t.Errorf("the second caller waited %v", time.Since(start))
			}
		})
		time.Sleep(time.Second)
		cancel()
		wg.Wait()
		if n := ring.st.lists.Load(); n != 1 || inTx || !deadline.Equal(start.Add(5*time.Second)) {
			t.Errorf("%d reads, in a transaction: %v, until %v", n, inTx, deadline.Sub(start))
		}
		if synctest.Wait(); reading.Err() == nil {
			t.Error("its context lives on")
		}
	})
}

// J15: what is published is tied to a generation, which changes when a key
// comes or goes, to the microsecond, and at no other time.
func TestGenerationChangesWithTheKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRingService(t)
		config := func(cfg *jwtauth.RingConfig) { cfg.Publish, cfg.MaxTokenAge = time.Minute, time.Minute }
		ring, other := s.instance(config), s.instance(config)
		seen := map[uint64]bool{0: true}
		generation := func(what string, changed bool) {
			t.Helper()
			ring.signing() // reads, if that is due
			n := jwtauth.RingGeneration(ring.KeyRing)
			if seen[n] == changed {
				t.Errorf("%s: generation %d, changed: want %v", what, n, changed)
			}
			seen[n] = true
		}
		generation("first key", true)
		time.Sleep(time.Hour)
		generation("later", false)
		start := time.Now()
		other.rotate()
		time.Sleep(10 * time.Second)
		generation("a staged key", true)
		time.Sleep(time.Until(start.Add(2 * time.Minute)))
		generation("it signs", false)
		end := start.Add(8 * time.Minute) // Publish and a minute, MaxTokenAge and 5 min
		time.Sleep(time.Until(end.Add(-time.Second)))
		generation("the first key retires", false)
		reads := ring.st.lists.Load()
		time.Sleep(time.Until(end.Add(-time.Microsecond)))
		generation("just before its end", false)
		time.Sleep(time.Microsecond)
		generation("its end", true)
		if ring.st.lists.Load() != reads {
			t.Error("the store told, not the time")
		}
		other.retire(other.signing())
		time.Sleep(10 * time.Second)
		generation("a key was retired elsewhere", true)
		ring.retire(ring.signing())
		generation("a key was retired here", true)
	})
}

// J14: a panic in OnEvent does not end the process.
func TestPanicInOnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ring := newRingService(t).instance(func(cfg *jwtauth.RingConfig) { cfg.OnEvent = func(context.Context, authn.Event) { panic("a bug") } })
		if ring.signing() == "" {
			t.Error("no key")
		}
	})
}
