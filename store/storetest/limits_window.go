package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func windowCases() []limitCase {
	return []limitCase{
		{
			name:   "window_holds_its_limit",
			rule:   "without GCRA no window of Period ever holds more than Limit, wherever it begins; refusals take nothing",
			moving: windowHoldsItsLimit,
		},
		{
			name:   "window_slides",
			rule:   "each one taken counts for just Period: one that is taken Period after the oldest passes",
			moving: windowSlides,
		},
		{
			name:   "window_states",
			rule:   "Remaining is what could be taken at once, ResetIn when nothing would be spent any more, RetryIn when this take would pass",
			moving: windowStates,
		},
		{
			name: "window_of_the_most",
			rule: "Limit is up to MaxWindow, and Cost up to Limit; Period is a millisecond or more",
			test: windowOfTheMost,
		},
	}
}

func windowHoldsItsLimit(t *testing.T, s store.Limits, c *clock) {
	l := newWindow("ann", 3)
	for i := range 3 {
		wantLimit(t, s, l, left(2-i, time.Hour), "within the limit")
	}
	wantLimit(t, s, l, refusedFirst(0, time.Hour, time.Hour), "one more")
	for _, at := range []time.Duration{time.Minute, 7 * time.Minute, 20 * time.Minute, 31 * time.Minute, 45 * time.Minute, 59 * time.Minute} {
		c.set(at)
		for range 4 {
			wantLimit(t, s, l, refused(0, time.Hour-at, time.Hour-at), fmt.Sprint("after ", at))
		}
	}
	c.set(time.Hour)
	for i := range 3 {
		wantLimit(t, s, l, left(2-i, time.Hour), "a Period later; refusals take nothing")
	}
}

func windowSlides(t *testing.T, s store.Limits, c *clock) {
	l := newWindow("ann", 3)
	const m = time.Minute
	takeSteps(t, s, c, []limitStep{
		{0, l, left(2, 60*m)},
		{20 * m, l, left(1, 60*m)},
		{40 * m, l, left(0, 60*m)},
		{59 * m, l, refusedFirst(0, 41*m, m)},
		{60 * m, l, left(0, 60*m)},
		{60 * m, l, refused(0, 60*m, 20*m)},
		{79 * m, l, refused(0, 41*m, m)},
		{80 * m, l, left(0, 60*m)},
		{99 * m, l, refused(0, 41*m, m)},
		{100 * m, l, left(0, 60*m)},
		{161 * m, l, left(2, 60*m)},
		{161 * m, l, left(1, 60*m)},
		{161 * m, l, left(0, 60*m)},
		{200 * m, l, refusedFirst(0, 21*m, 21*m)},
		{10_000 * m, l, left(2, 60*m)},
	})
}

func windowStates(t *testing.T, s store.Limits, c *clock) {
	l := newWindow("ann", 4)
	const m = time.Minute
	takeSteps(t, s, c, []limitStep{
		{0, costs(l, 0), left(4, 0)},
		{0, l, left(3, 60*m)},
		{10 * m, costs(l, 2), left(1, 60*m)},
		{30 * m, costs(l, 0), left(1, 40*m)},
		{30 * m, costs(l, 2), refusedFirst(1, 40*m, 30*m)},
		{30 * m, costs(l, 3), refused(1, 40*m, 40*m)},
		{30 * m, costs(l, 4), refused(1, 40*m, 40*m)},
		{30 * m, costs(l, 5), refused(1, 40*m, 60*m)}, // it can never pass
		{40 * m, l, left(0, 60*m)},
		{40 * m, costs(l, 0), left(0, 60*m)},
		{40 * m, l, refused(0, 60*m, 20*m)},
		{40 * m, costs(l, 2), refused(0, 60*m, 30*m)},
		{40 * m, costs(l, 4), refused(0, 60*m, 60*m)},
		{60 * m, costs(l, 0), left(1, 40*m)},
		{70 * m, costs(l, 0), left(3, 30*m)},
		{70 * m, costs(l, 3), left(0, 60*m)},
		{100 * m, costs(l, 0), left(1, 30*m)},
		{130 * m, costs(l, 0), left(4, 0)},
		{130 * m, costs(l, 4), left(0, 60*m)},
	})
}

func windowOfTheMost(t *testing.T, s store.Limits) {
	l := newWindow("one by one", store.MaxWindow)
	for i := range store.MaxWindow {
		wantLimit(t, s, l, left(store.MaxWindow-1-i, time.Hour), "within the limit")
	}
	wantLimit(t, s, l, refusedFirst(0, time.Hour, time.Hour), "one more")
	l = newWindow("at once", store.MaxWindow)
	wantLimit(t, s, costs(l, store.MaxWindow), left(0, time.Hour), "all at once")
	wantLimit(t, s, l, refusedFirst(0, time.Hour, time.Hour), "one more")

	for _, period := range []time.Duration{30 * day, 400 * day} {
		l = newWindow(period.String(), 1)
		l.Period = period
		wantLimit(t, s, l, left(0, period), "within the limit")
		wantLimit(t, s, l, refusedFirst(0, period, period), "one more")
	}
	l = newWindow("short", 1)
	l.Period = time.Millisecond
	if got := takeLimits(t, s, l)[0]; got.RetryIn != 0 || got.ResetIn > time.Millisecond {
		t.Errorf("the first take of a Period of 1 ms has the state %+v", got)
	}
}
