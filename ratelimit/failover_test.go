package ratelimit_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/store"
)

func client() *http.Request { return from("192.0.2.1") }

// R6: while the store is down each policy does what it says; FailLocal has
// counted all along, so that an outage gives nobody a fresh budget, and flapping
// resets nothing.
func TestOutageOfEachPolicy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLimits()
		policy := func(o ratelimit.Outage) *ratelimit.Limiter {
			p := ratelimit.Window("p", 3, time.Hour, ratelimit.ByClient)
			p.OnOutage = o
			return newLimiter(t, st, ratelimit.Config{}, p)
		}
		local := policy(ratelimit.FailLocal)
		if n := passed(local, 2, client); n != 2 {
			t.Fatal("the store refuses early")
		}
		closed, open := policy(ratelimit.FailClosed), policy(ratelimit.FailOpen)
		for range 3 { // flapping
			st.down.Store(true)
			if w := serve(closed, client()); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
				t.Errorf("FailClosed: status %d", w.Code)
			}
			if n := passed(open, 10, client); n != 10 {
				t.Errorf("FailOpen: %d of 10 passed", n)
			}
			if got := serve(open, client()).Header().Get("RateLimit"); got != `"p";r=3;t=0` {
				t.Errorf("FailOpen: RateLimit %q", got)
			}
			st.down.Store(false)
			time.Sleep(2 * time.Second)
		}
		st.down.Store(true)
		if n := passed(local, 5, client); n != 1 {
			t.Errorf("FailLocal: %d more passed, want 1: two were taken before the outage", n)
		}
		st.down.Store(false)
		time.Sleep(2 * time.Second)
		if n := passed(local, 5, client); n != 1 {
			t.Errorf("after the outage %d more passed, want 1: the store has its own count", n)
		}
	})
}

// R6: what the store has refused takes nothing of what stands in.
func TestRefusedTakesNothingOfWhatStandsIn(t *testing.T) {
	st := newLimits()
	p := ratelimit.Window("p", 3, time.Hour, ratelimit.ByClient)
	one, two := newLimiter(t, st, ratelimit.Config{}, p), newLimiter(t, st, ratelimit.Config{}, p)
	a, b := newAttempts(t, st, ratelimit.AttemptsConfig{}), newAttempts(t, st, ratelimit.AttemptsConfig{})
	if n := passed(one, 5, client); n != 3 {
		t.Fatalf("%d passed, want 3", n)
	}
	if n := guesses(t, a, 10, client(), "ada", ""); n != 5 {
		t.Fatalf("%d guesses passed, want 5", n)
	}
	if n := passed(two, 5, client) + guesses(t, b, 10, client(), "ada", ""); n != 0 {
		t.Fatalf("%d passed at another instance", n)
	}
	st.down.Store(true)
	if n := passed(two, 5, client); n != 3 {
		t.Errorf("%d passed during the outage, want 3", n)
	}
	if n := guesses(t, b, 10, client(), "ada", ""); n != 5 {
		t.Errorf("%d guesses passed during the outage, want 5", n)
	}
}

// R6: each of several instances stands in with its part, and at least 1.
func TestLocalShare(t *testing.T) {
	for _, c := range []struct{ instances, want int }{{0, 10}, {1, 10}, {3, 3}, {10, 1}, {50, 1}} {
		st := newLimits()
		st.down.Store(true)
		l := newLimiter(t, st, ratelimit.Config{Instances: c.instances}, ratelimit.Window("p", 10, time.Hour, ratelimit.ByClient))
		if n := passed(l, 20, client); n != c.want {
			t.Errorf("%d instances: %d passed, want %d", c.instances, n, c.want)
		}
	}
	st := newLimits()
	st.down.Store(true)
	if n := passed(newLimiter(t, st, ratelimit.Config{}, ratelimit.Window("p", 0, time.Hour, ratelimit.ByClient)), 3, client); n != 0 {
		t.Errorf("a limit of 0 let %d pass during an outage", n)
	}
}

// R6: an outage and its end are one event each, however many requests see them.
func TestOutageIsOneEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, rec := newLimits(), &authntest.Recorder{}
		l := newLimiter(t, st, ratelimit.Config{OnEvent: rec.OnEvent}, ratelimit.GCRA("p", 1000, time.Second, 1000, ratelimit.ByClient))
		for range 2 {
			st.down.Store(true)
			for range 10 {
				passed(l, 10, client)
				time.Sleep(time.Second)
			}
			st.down.Store(false)
			time.Sleep(time.Second)
			passed(l, 10, client)
		}
		want := []authn.EventKind{authn.EventOutage, authn.EventRecovered, authn.EventOutage, authn.EventRecovered}
		if got := kinds(rec); !slices.Equal(got, want) {
			t.Errorf("events %q, want %q", got, want)
		}
	})
}

// R6: a store that does not answer is waited for 250 ms, and then only by one
// request a second.
func TestStuckStoreDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := newLimits()
		st.stuck.Store(true)
		l := newLimiter(t, st, ratelimit.Config{}, ratelimit.GCRA("p", 1000, time.Second, 1000, ratelimit.ByClient))
		began := time.Now()
		if n := passed(l, 100, client); n != 100 {
			t.Errorf("%d of 100 passed", n)
		}
		if d := time.Since(began); d != 250*time.Millisecond {
			t.Errorf("100 requests took %s, want the 250 ms of the first", d)
		}
		time.Sleep(time.Second)
		before := st.calls.Load()
		for range 50 {
			go serve(l, client())
		}
		synctest.Wait()
		if n := st.calls.Load() - before; n != 1 {
			t.Errorf("%d requests asked the store at once, want 1", n)
		}
		time.Sleep(time.Second)
	})
}

// R6: a client that goes away, or whose time is short, says nothing about the
// store, and is counted all the same.
func TestClientThatHasGoneIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st, rec := newLimits(), &authntest.Recorder{}
		l := newLimiter(t, st, ratelimit.Config{OnEvent: rec.OnEvent}, ratelimit.Window("p", 1, time.Minute, ratelimit.ByClient))
		ctx, cancel := context.WithCancel(client().Context())
		cancel()
		if w := serve(l, client().WithContext(ctx)); w.Code != http.StatusNoContent {
			t.Errorf("status %d", w.Code)
		}
		if w := serve(l, client()); w.Code != http.StatusTooManyRequests {
			t.Errorf("status %d: the first request was not counted", w.Code)
		}
		st.stuck.Store(true)
		short, cancel := context.WithTimeout(client().Context(), time.Millisecond)
		defer cancel()
		serve(l, client().WithContext(short))
		if got := kinds(rec); !slices.Contains(got, authn.EventOutage) {
			t.Errorf("events %q: a store that is stuck goes unnoticed by requests with a short time", got)
		}
	})
}

// R6: what costs more than an instance's part passes during an outage, too.
func TestCostOverTheShare(t *testing.T) {
	for name, p := range map[string]ratelimit.Policy{
		"GCRA": ratelimit.GCRA("p", 1000, time.Hour, 50, ratelimit.ByClient), "Window": ratelimit.Window("p", 50, time.Hour, ratelimit.ByClient),
	} {
		cost := 10
		p.Cost = func(*http.Request) int { return cost }
		st := newLimits()
		st.down.Store(true)
		l := newLimiter(t, st, ratelimit.Config{Instances: 10}, p)
		if n := passed(l, 5, client); n != 1 {
			t.Errorf("%s: %d passed, want 1", name, n)
		}
		cost = 50
		if n := passed(l, 5, func() *http.Request { return from("192.0.2.8") }); n != 1 {
			t.Errorf("%s: %d that cost all passed, want 1", name, n)
		}
		cost = 51
		if n := passed(l, 1, func() *http.Request { return from("192.0.2.9") }); n != 0 {
			t.Errorf("%s: what never passes did during the outage", name)
		}
	}
}

// looks is a store that looks at the context of a call.
type looks struct {
	store.Limits
	look func(ctx context.Context)
}

func (s looks) TakeLimits(ctx context.Context, takes []store.LimitTake, states []store.LimitState) error {
	s.look(ctx)
	return s.Limits.TakeLimits(ctx, takes, states)
}

// R6: the store's call has a context of its own with the request's values, which
// ends after 250 ms, also for what is made of it, or with the call.
func TestContextOfTheStore(t *testing.T) {
	type key struct{}
	request, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "the request's"))
	cancel()
	for name, wait := range map[string]time.Duration{"done": 0, "deadline": 250 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var kept context.Context
				st := looks{newLimits(), func(ctx context.Context) {
					value := func() {
						if got := ctx.Value(key{}); got != "the request's" {
							t.Errorf("the value of the context is %v", got)
						}
					}
					value()
					if at, ok := ctx.Deadline(); !ok || time.Until(at) != 250*time.Millisecond {
						t.Errorf("Deadline = %v, %v", at, ok)
					}
					if err := ctx.Err(); err != nil {
						t.Errorf("Err = %v, as the request's", err)
					}
					value()
					began := time.Now()
					sub, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					if kept = ctx; wait == 0 {
						return
					}
					<-sub.Done()
					if d := time.Since(began); d != wait || !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(sub.Err(), context.DeadlineExceeded) {
						t.Errorf("ended after %s: %v, %v", d, ctx.Err(), sub.Err())
					}
				}}
				l := newLimiter(t, st, ratelimit.Config{}, ratelimit.Window("p", 1, time.Minute, ratelimit.ByClient))
				if w := serve(l, client().WithContext(request)); w.Code != http.StatusNoContent {
					t.Errorf("status %d", w.Code)
				}
				<-kept.Done()
				if want := map[bool]error{true: context.Canceled, false: context.DeadlineExceeded}[wait == 0]; !errors.Is(kept.Err(), want) {
					t.Errorf("after the call Err = %v, want %v", kept.Err(), want)
				}
			})
		})
	}
}

// R6: a store that never looked at its context may do so after the call.
func TestContextIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var kept context.Context
		st := looks{newLimits(), func(ctx context.Context) { kept = ctx }}
		serve(newLimiter(t, st, ratelimit.Config{}, ratelimit.Window("p", 1, time.Minute, ratelimit.ByClient)), client())
		began := time.Now()
		<-kept.Done()
		if d := time.Since(began); d != 0 || !errors.Is(kept.Err(), context.Canceled) {
			t.Errorf("ended after %s: %v", d, kept.Err())
		}
	})
}
