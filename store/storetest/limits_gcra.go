package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func gcraCases() []limitCase {
	return []limitCase{
		{
			name:   "gcra_burst_and_refill",
			rule:   "with GCRA Burst pass at once and then one every Period/Limit; what is not used adds up to Burst, and no more",
			moving: gcraBurstAndRefill,
		},
		{
			name:   "gcra_states",
			rule:   "Remaining is what could be taken at once, ResetIn when nothing would be spent any more, RetryIn when this take would pass",
			moving: gcraStates,
		},
		{
			name: "gcra_interval_is_rounded_up",
			rule: "Period/Limit is rounded up to whole microseconds",
			test: gcraIntervalIsRoundedUp,
		},
		{
			name: "gcra_has_no_max_window",
			rule: "with GCRA a Limit may be over MaxWindow, and a Burst, too",
			test: gcraHasNoMaxWindow,
		},
	}
}

func gcraBurstAndRefill(t *testing.T, s store.Limits, c *clock) {
	l := newGCRA("ann", 10, 3) // one in 6 minutes
	const m = time.Minute
	takeSteps(t, s, c, []limitStep{
		{0, l, left(2, 6*m)},
		{0, l, left(1, 12*m)},
		{0, l, left(0, 18*m)},
		{0, l, refusedFirst(0, 18*m, 6*m)},
		{3 * m, l, refused(0, 15*m, 3*m)},
		{5 * m, l, refused(0, 13*m, m)},
		{6 * m, l, left(0, 18*m)},
		{6 * m, l, refused(0, 18*m, 6*m)},
		{18 * m, l, left(1, 12*m)},
		{19 * m, l, left(0, 17*m)},
		{19 * m, l, refused(0, 17*m, 5*m)},
		{24 * m, l, left(0, 18*m)},
		{1000 * m, l, left(2, 6*m)},
		{1000 * m, l, left(1, 12*m)},
		{1000 * m, l, left(0, 18*m)},
		{1000 * m, l, refusedFirst(0, 18*m, 6*m)},
	})
}

func gcraStates(t *testing.T, s store.Limits, c *clock) {
	l := newGCRA("ann", 10, 4)
	const m = time.Minute
	takeSteps(t, s, c, []limitStep{
		{0, costs(l, 0), left(4, 0)},
		{0, l, left(3, 6*m)},
		{0, costs(l, 2), left(1, 18*m)},
		{0, costs(l, 2), refusedFirst(1, 18*m, 6*m)},
		{0, costs(l, 4), refused(1, 18*m, 18*m)},
		{0, costs(l, 5), refused(1, 18*m, 60*m)}, // it can never pass
		{0, l, left(0, 24*m)},
		{0, costs(l, 0), left(0, 24*m)},
		{0, costs(l, 3), refused(0, 24*m, 18*m)},
		{5 * m, costs(l, 0), left(0, 19*m)},
		{6 * m, costs(l, 0), left(1, 18*m)},
		{17 * m, costs(l, 0), left(2, 7*m)},
		{17 * m, costs(l, 3), refused(2, 7*m, m)},
		{18 * m, costs(l, 3), left(0, 24*m)},
		{42 * m, costs(l, 0), left(4, 0)},
		{500 * m, costs(l, 0), left(4, 0)},
		{500 * m, costs(l, 4), left(0, 24*m)},
	})
}

// gcraIntervalIsRoundedUp takes so many that parts of a microsecond add up to
// minutes.
func gcraIntervalIsRoundedUp(t *testing.T, s store.Limits) {
	const many = 1_000_000_000
	for _, c := range []struct {
		limit  int
		period time.Duration
		every  time.Duration
	}{
		{7, time.Millisecond, 143 * time.Microsecond}, // 142.9
		{3, time.Second, 333_334 * time.Microsecond},
		{10, time.Millisecond, 100 * time.Microsecond},
		{6, 3 * time.Millisecond / 2, 250 * time.Microsecond},
	} {
		l := store.LimitTake{Policy: "api", Key: c.every.String(), GCRA: true, Limit: c.limit, Burst: many, Period: c.period, Cost: many}
		wantLimit(t, s, l, left(0, many*c.every), "all of a large burst")
		got := takeLimits(t, s, l)[0]
		if got.RetryIn <= many*c.every-slack || got.RetryIn > many*c.every {
			t.Errorf("%d in %v: RetryIn is %v after a burst of %d, want %v", c.limit, c.period, got.RetryIn, many, many*c.every)
		}
	}
}

func gcraHasNoMaxWindow(t *testing.T, s store.Limits) {
	l := newGCRA("ann", 30, 10*store.MaxWindow)
	wantLimit(t, s, costs(l, 9*store.MaxWindow), left(store.MaxWindow, 18*store.MaxWindow*time.Minute), "within the burst")
	wantLimit(t, s, costs(l, store.MaxWindow+1), refusedFirst(store.MaxWindow, 18*store.MaxWindow*time.Minute, 2*time.Minute), "one more than the burst")
	l = newGCRA("bob", 10*store.MaxWindow, 1)
	l.Period = 640 * time.Hour
	wantLimit(t, s, l, left(0, time.Hour), "the first")
	wantLimit(t, s, l, refusedFirst(0, time.Hour, time.Hour), "one more than the burst")
}
