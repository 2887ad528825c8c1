package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func limitChangeCases() []limitCase {
	return []limitCase{
		{
			name:   "window_limit_may_change",
			rule:   "a counter is the same one when its Limit or Period is another: raised or lowered, it counts at once, for what was taken before",
			moving: windowLimitMayChange,
		},
		{
			name:   "gcra_limit_may_change",
			rule:   "a counter is the same one when its Limit or Burst is another: raised or lowered, it counts at once, and of what was taken before at most Burst is still spent",
			moving: gcraLimitMayChange,
		},
		{
			name: "algorithm_may_change",
			rule: "a counter may be used with GCRA and without in turn: that is no error, and what passes is within the limit of each",
			test: algorithmMayChange,
		},
	}
}

func windowLimitMayChange(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	limit := func(limit int, period time.Duration, cost int) store.LimitTake {
		l := costs(newWindow("ann", limit), cost)
		l.Period = period
		return l
	}
	five := limit(5, 60*m, 1)
	takeSteps(t, s, c, []limitStep{
		{0, five, left(4, 60*m)},
		{10 * m, five, left(3, 60*m)},
		{20 * m, five, left(2, 60*m)},
		{30 * m, five, left(1, 60*m)},
		{40 * m, five, left(0, 60*m)},
		{41 * m, five, refusedFirst(0, 59*m, 19*m)},
		{41 * m, limit(3, 60*m, 1), refused(0, 59*m, 39*m)},
		{41 * m, limit(1, 60*m, 1), refused(0, 59*m, 59*m)},
		{41 * m, limit(5, 120*m, 1), refused(0, 119*m, 79*m)},
		{41 * m, limit(5, 5*m, 0), left(4, 4*m)},
		{41 * m, limit(7, 60*m, 0), left(2, 59*m)},
		{41 * m, limit(7, 60*m, 2), left(0, 60*m)},
		{42 * m, limit(7, 60*m, 1), refused(0, 59*m, 18*m)},
		{42 * m, five, refused(0, 59*m, 38*m)},
		{60 * m, limit(7, 60*m, 1), left(0, 60*m)},
		{80 * m, five, refused(0, 40*m, 10*m)},
		{90 * m, five, left(0, 60*m)},
		{90 * m, limit(store.MaxWindow, 60*m, 1), left(store.MaxWindow-6, 60*m)},
	})
}

func gcraLimitMayChange(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	raised, rateLowered := newGCRA("raised", 10, 4), newGCRA("rate lowered", 10, 4) // one in 6 minutes
	burstLowered, burstRaised := newGCRA("burst lowered", 10, 4), newGCRA("burst raised", 10, 4)
	to := func(l store.LimitTake, limit, burst int) store.LimitTake {
		l.Limit, l.Burst = limit, burst
		return l
	}
	takeSteps(t, s, c, []limitStep{
		{0, costs(raised, 4), left(0, 24*m)},
		{0, raised, refusedFirst(0, 24*m, 6*m)},
		{0, to(raised, 30, 4), refused(0, 8*m, 2*m)},
		{2 * m, to(raised, 30, 4), left(0, 8*m)},
		{2 * m, to(raised, 30, 4), refused(0, 8*m, 2*m)},
		{4 * m, to(raised, 30, 5), left(1, 8*m)},
		{4 * m, to(raised, 30, 7), left(2, 10*m)},

		{10 * m, costs(burstLowered, 4), left(0, 24*m)},
		{10 * m, to(burstLowered, 10, 2), refusedFirst(0, 12*m, 6*m)},
		{16 * m, to(burstLowered, 10, 2), left(0, 12*m)},
		{28 * m, costs(to(burstLowered, 10, 2), 0), left(2, 0)},

		{30 * m, costs(rateLowered, 4), left(0, 24*m)},
		{30 * m, costs(to(rateLowered, 1, 4), 3), left(0, 204*m)},
		{30 * m, to(rateLowered, 1, 4), refusedFirst(0, 204*m, 24*m)},

		{40 * m, costs(burstRaised, 4), left(0, 24*m)},
		{40 * m, costs(to(burstRaised, 10, 6), 2), left(0, 36*m)},
		{40 * m, to(burstRaised, 10, 6), refusedFirst(0, 36*m, 6*m)},
	})
}

func algorithmMayChange(t *testing.T, s store.Limits) {
	window, gcra := newWindow("ann", 3), newGCRA("ann", 3, 3)
	gcra.Policy = window.Policy
	for i := range 3 {
		for _, l := range []store.LimitTake{window, gcra} {
			n := 0
			for range 6 {
				got := takeLimits(t, s, l)[0]
				if got.RetryIn == 0 {
					n++
				}
				if got.Remaining < 0 || got.Remaining > 3 || got.ResetIn < 0 || got.ResetIn > time.Hour || got.RetryIn < 0 || got.RetryIn > time.Hour {
					t.Errorf("with GCRA %v, turn %d: the state is %+v", l.GCRA, i+1, got)
				}
			}
			if n > 3 || i == 0 && !l.GCRA && n != 3 {
				t.Errorf("with GCRA %v, turn %d: %d of 6 passed, want 3 at most", l.GCRA, i+1, n)
			}
		}
	}
}
