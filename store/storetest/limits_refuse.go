package storetest

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func refusalCases() []limitCase {
	return []limitCase{
		{
			name: "limit_of_zero_refuses_all",
			rule: "Limit 0 refuses all, for Period, a Cost of 0 too",
			test: limitOfZeroRefusesAll,
		},
		{
			name: "cost_of_zero_takes_nothing",
			rule: "a Cost of 0 takes nothing, and is never refused where Limit is above 0",
			test: costOfZeroTakesNothing,
		},
		{
			name: "what_can_never_pass_waits_for_period",
			rule: "RetryIn of what can never pass is Period; it takes nothing",
			test: whatCanNeverPassWaitsForPeriod,
		},
		{
			name:   "retry_in_is_kept",
			rule:   "RetryIn says when the counter would not refuse: then the same take passes",
			moving: retryInIsKept,
		},
		{
			name:   "first_refusal_in_a_period",
			rule:   "First says that it is the counter's first refusal in a Period: once, however many are refused and whatever passes in between",
			moving: firstRefusalInAPeriod,
		},
		{
			name:   "slow_clock_lets_nothing_through",
			rule:   "what was taken, or locked, by a clock that has been set back since still counts",
			moving: slowClockLetsNothingThrough,
		},
		{
			name:   "cleaning_spares_limits",
			rule:   "deleting the expired spares what still counts",
			moving: cleaningSparesLimits,
		},
		{
			name: "bad_takes_take_nothing",
			rule: "a take out of its bounds is an error, and takes from none",
			test: badTakesTakeNothing,
		},
	}
}

func limitOfZeroRefusesAll(t *testing.T, s store.Limits) {
	for _, l := range []store.LimitTake{newWindow("ann", 0), newGCRA("ann", 0, 1), newGCRA("bob", 0, 100)} {
		for i, cost := range []int{1, 0, 1, 5, 100, 0} {
			got := takeLimits(t, s, costs(l, cost))[0]
			var f fields
			f.any("Remaining", got.Remaining == 0, got.Remaining, 0)
			f.any("RetryIn", got.RetryIn == l.Period, got.RetryIn, l.Period)
			f.any("First", got.First == (i == 0), got.First, i == 0)
			if d := f.String(); d != "" {
				t.Errorf("%d of %q with a limit of 0, call %d: %s", cost, l.Policy, i+1, d)
			}
		}
	}
}

func costOfZeroTakesNothing(t *testing.T, s store.Limits) {
	for _, l := range []store.LimitTake{newWindow("ann", 2), newGCRA("ann", 1, 2)} {
		for range 5 {
			wantLimit(t, s, costs(l, 0), left(2, 0), "of nothing that was taken")
		}
		wantLimit(t, s, l, left(1, time.Hour), "the first")
		for range 5 {
			wantLimit(t, s, costs(l, 0), left(1, time.Hour), "one was taken")
		}
		takeLimits(t, s, l)
		for range 5 {
			wantLeft(t, s, l, 0, "all was taken")
		}
		if got := takeLimits(t, s, l)[0]; got.RetryIn <= 0 || !got.First {
			t.Errorf("%q: the first refusal has the state %+v", l.Policy, got)
		}
		wantLeft(t, s, l, 0, "it refuses others")
	}
}

func whatCanNeverPassWaitsForPeriod(t *testing.T, s store.Limits) {
	for _, l := range []store.LimitTake{newWindow("ann", 3), newGCRA("ann", 2, 3)} {
		for i, cost := range []int{4, 5, store.MaxWindow + 1, 1_000_000, math.MaxInt32} {
			got := takeLimits(t, s, costs(l, cost))[0]
			if want := (store.LimitState{Remaining: 3, RetryIn: l.Period, First: i == 0}); got != want {
				t.Errorf("%d of %q, which has 3: the state is %+v, want %+v", cost, l.Policy, got, want)
			}
		}
		takeLimits(t, s, l)
		if got := takeLimits(t, s, costs(l, 4))[0]; got.Remaining != 2 || got.RetryIn != l.Period || got.First {
			t.Errorf("4 of %q, which has 2 of 3 left: the state is %+v, want RetryIn %v", l.Policy, got, l.Period)
		}
		wantLeft(t, s, l, 2, "refusals take nothing")
	}
}

func retryInIsKept(t *testing.T, s store.Limits, c *clock) {
	odd := time.Hour + 7*time.Microsecond
	window, gcra := newWindow("ann", 7), newGCRA("ann", 7, 5)
	window.Period, gcra.Period = odd, odd
	var at time.Duration
	for _, l := range []store.LimitTake{window, gcra} {
		for i := range 30 {
			l.Cost = 1 + i%3
			at += 90 * time.Second
			c.set(at)
			got := takeLimits(t, s, l)[0]
			if got.RetryIn == 0 {
				continue
			}
			c.set(at + max(0, got.RetryIn-time.Minute))
			if got.RetryIn > time.Minute && takeLimits(t, s, l)[0].RetryIn == 0 {
				t.Errorf("%d of %q pass a minute before RetryIn, which was %v", l.Cost, l.Policy, got.RetryIn)
			}
			at += got.RetryIn
			c.set(at)
			again := takeLimits(t, s, l)[0]
			if again.RetryIn != 0 {
				t.Errorf("%d of %q are refused after RetryIn, which was %v, for another %v", l.Cost, l.Policy, got.RetryIn, again.RetryIn)
			} else if again.ResetIn < got.ResetIn-got.RetryIn+time.Minute {
				t.Errorf("%d of %q pass after RetryIn, and ResetIn is %v, as if they had not been taken", l.Cost, l.Policy, again.ResetIn)
			}
		}
	}
}

func firstRefusalInAPeriod(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	l, other := newWindow("ann", 1), newWindow("bob", 1)
	takeSteps(t, s, c, []limitStep{
		{0, l, left(0, 60*m)},
		{0, other, left(0, 60*m)},
		{m, l, refusedFirst(0, 59*m, 59*m)},
		{m, l, refused(0, 59*m, 59*m)},
		{30 * m, l, refused(0, 30*m, 30*m)},
		{30 * m, other, refusedFirst(0, 30*m, 30*m)},
		{60 * m, l, left(0, 60*m)},
		{60 * m, l, refused(0, 60*m, 60*m)},
		{61 * m, l, refusedFirst(0, 59*m, 59*m)},
		{62 * m, l, refused(0, 58*m, 58*m)},
		{62 * m, costs(l, 2), refused(0, 58*m, 60*m)},
	})
	g := newGCRA("ann", 10, 1)
	takeSteps(t, s, c, []limitStep{
		{100 * m, g, left(0, 6*m)},
		{101 * m, g, refusedFirst(0, 5*m, 5*m)},
		{102 * m, g, refused(0, 4*m, 4*m)},
		{106 * m, g, left(0, 6*m)},
		{107 * m, g, refused(0, 5*m, 5*m)},
		{160 * m, g, left(0, 6*m)},
		{160 * m, g, refused(0, 6*m, 6*m)},
		{161 * m, g, refusedFirst(0, 5*m, 5*m)},
		{162 * m, g, refused(0, 4*m, 4*m)},
	})
}

func slowClockLetsNothingThrough(t *testing.T, s store.Limits, c *clock) {
	limits := []store.LimitTake{newWindow("ann", 2), newGCRA("ann", 2, 2)}
	a := newAttempt("ann", 2)
	c.set(3 * time.Hour)
	for _, l := range limits {
		takeLimits(t, s, costs(l, 2))
	}
	for range 2 {
		reserve(t, s, a)
	}
	for _, at := range []time.Duration{179 * time.Minute, 119 * time.Minute, time.Hour, 0} {
		c.set(at)
		for _, l := range limits {
			if got := takeLimits(t, s, l)[0]; got.RetryIn <= 0 || got.Remaining != 0 {
				t.Errorf("the clock went back by %v: a take that was refused before, of %q, has the state %+v", 3*time.Hour-at, l.Policy, got)
			}
		}
		if got := reserve(t, s, a); got.RetryIn <= 0 {
			t.Errorf("the clock went back by %v: an attempt that was locked before has the state %+v", 3*time.Hour-at, got)
		}
	}
}

func cleaningSparesLimits(t *testing.T, s store.Limits, c *clock) {
	window, gcra := newWindow("ann", 2), newGCRA("ann", 1, 2)
	window.Period, gcra.Period = 30*day, 30*day
	for _, l := range []store.LimitTake{window, gcra} {
		takeLimits(t, s, costs(l, 2))
		wantLimit(t, s, costs(l, 3), refusedFirst(0, takeLimits(t, s, costs(l, 0))[0].ResetIn, 30*day), "more than all")
	}
	for _, ago := range []time.Duration{2 * day, 20 * day, 29 * day} {
		c.set(ago)
		clean(t, s)
		for i := range 20 { // some stores delete when they insert
			takeLimits(t, s, newWindow(fmt.Sprint("other ", ago, i), 1))
		}
		wantLimit(t, s, window, refused(0, 30*day-ago, 30*day-ago), "all was taken, and cleaned since")
		wantLimit(t, s, gcra, refused(0, 60*day-ago, 30*day-ago), "all was taken, and cleaned since")
	}
}

func badTakesTakeNothing(t *testing.T, s store.Limits) {
	good := []store.LimitTake{newWindow("ann", 5), newGCRA("ann", 5, 5)}
	for _, bad := range []struct {
		what   string
		window func(l *store.LimitTake)
		gcra   func(l *store.LimitTake)
	}{
		{what: "Limit -1", window: func(l *store.LimitTake) { l.Limit = -1 }, gcra: func(l *store.LimitTake) { l.Limit = -1 }},
		{what: "Limit over MaxWindow", window: func(l *store.LimitTake) { l.Limit = store.MaxWindow + 1 }},
		{what: "Burst without GCRA", window: func(l *store.LimitTake) { l.Burst = 1 }},
		{what: "Burst -1", window: func(l *store.LimitTake) { l.Burst = -1 }, gcra: func(l *store.LimitTake) { l.Burst = -1 }},
		{what: "Burst 0", gcra: func(l *store.LimitTake) { l.Burst = 0 }},
		{what: "Period 0", window: func(l *store.LimitTake) { l.Period = 0 }, gcra: func(l *store.LimitTake) { l.Period = 0 }},
		{what: "Period -1 h", window: func(l *store.LimitTake) { l.Period = -time.Hour }, gcra: func(l *store.LimitTake) { l.Period = -time.Hour }},
		{what: "Period 999 µs", window: func(l *store.LimitTake) { l.Period = 999 * time.Microsecond }, gcra: func(l *store.LimitTake) { l.Period = 999 * time.Microsecond }},
		{what: "Period/Limit under 100 µs", gcra: func(l *store.LimitTake) { l.Period, l.Limit = time.Second, 10_001 }},
		{what: "Cost -1", window: func(l *store.LimitTake) { l.Cost = -1 }, gcra: func(l *store.LimitTake) { l.Cost = -1 }},
	} {
		for i, change := range []func(l *store.LimitTake){bad.window, bad.gcra} {
			if change == nil {
				continue
			}
			l := good[i]
			change(&l)
			other := newWindow("bob", 5)
			for _, takes := range [][]store.LimitTake{{l}, {other, l}, {l, other}} {
				if err := s.TakeLimits(t.Context(), takes, make([]store.LimitState, len(takes))); err == nil {
					t.Errorf("TakeLimits with %s answers nil: %+v", bad.what, takes)
				}
			}
		}
	}
	for _, n := range []int{0, 1, 3} {
		if err := s.TakeLimits(t.Context(), good, make([]store.LimitState, n)); err == nil {
			t.Errorf("TakeLimits of 2 with %d states answers nil", n)
		}
	}
	for _, l := range append(good, newWindow("bob", 5)) {
		wantLeft(t, s, l, 5, "what was taken was an error")
	}
}
