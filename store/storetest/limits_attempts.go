package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func attemptCases() []limitCase {
	return []limitCase{
		{
			name:   "nth_attempt_locks",
			rule:   "a tier locks after N attempts within Period; the N-th still passes, and is First; at the end of a lock one passes, and one more within Period locks again",
			moving: nthAttemptLocks,
		},
		{
			name:   "attempts_count_for_a_period",
			rule:   "a tier locks after N attempts within Period, wherever it begins: one of Period ago counts no more",
			moving: attemptsCountForAPeriod,
		},
		{
			name:   "locked_attempts_count_nothing",
			rule:   "an attempt that is refused does not count, and makes no lock longer",
			moving: lockedAttemptsCountNothing,
		},
		{
			name:   "locks_grow",
			rule:   "a tier locks for Locks[0] the first time, Locks[1] the second, and so on, then for the last",
			moving: locksGrow,
		},
		{
			name:   "locks_begin_anew_after_a_day",
			rule:   "a day after the end of a lock without another the counting of locks begins anew, and not before",
			moving: locksBeginAnewAfterADay,
		},
		{
			name: "bad_attempts_count_nothing",
			rule: "an attempt out of its bounds is an error, and counts for none",
			test: badAttemptsCountNothing,
		},
	}
}

// newAttempt counts a guess; n in an hour lock for 10 minutes, and then for
// half an hour.
func newAttempt(key string, n int) store.AttemptTake {
	return store.AttemptTake{
		Policy: "password", Key: key, Sub: "192.0.2.1",
		Tiers: []store.AttemptTier{{N: n, Period: time.Hour, Locks: []time.Duration{10 * time.Minute, 30 * time.Minute}}},
	}
}

var (
	passed store.AttemptState
	began  = store.AttemptState{First: true} // a lock, and passed
)

func lockedFor(d time.Duration) store.AttemptState { return store.AttemptState{RetryIn: d} }

// reserve counts an attempt of each, or ends the test.
func reserve(t *testing.T, s store.Limits, takes ...store.AttemptTake) store.AttemptState {
	t.Helper()
	got, err := s.ReserveAttempts(t.Context(), takes)
	must(t, err, "ReserveAttempts %+v", takes)
	return got
}

// settle is for an attempt that succeeded, or ends the test.
func settle(t *testing.T, s store.Limits, takes ...store.AttemptTake) {
	t.Helper()
	must(t, s.SettleAttempts(t.Context(), takes, true), "SettleAttempts %+v", takes)
}

// cancel is for an attempt that nobody looked at, or ends the test.
func cancel(t *testing.T, s store.Limits, takes ...store.AttemptTake) {
	t.Helper()
	must(t, s.SettleAttempts(t.Context(), takes, false), "SettleAttempts %+v", takes)
}

// wantAttempt counts an attempt and says when it does not end as wanted.
func wantAttempt(t *testing.T, s store.Limits, want store.AttemptState, what string, takes ...store.AttemptTake) {
	t.Helper()
	if d := diffAttempt(reserve(t, s, takes...), want); d != "" {
		t.Errorf("attempt of %q, %q, %q and so on, %d in all: %s: %s", cut(takes[0].Policy), cut(takes[0].Key), cut(takes[0].Sub), len(takes), d, what)
	}
}

// wantFresh says when a's counter is not as a new one: it takes N, of which
// the last begins the first lock.
func wantFresh(t *testing.T, s store.Limits, a store.AttemptTake, what string) {
	t.Helper()
	for range a.Tiers[0].N - 1 {
		wantAttempt(t, s, passed, what, a)
	}
	wantAttempt(t, s, began, what, a)
	wantAttempt(t, s, lockedFor(a.Tiers[0].Locks[0]), what, a)
}

// attemptStep is an attempt when the store's clock is at ahead, and how it
// ends.
type attemptStep struct {
	at   time.Duration
	want store.AttemptState
}

func reserveSteps(t *testing.T, s store.Limits, c *clock, a store.AttemptTake, steps []attemptStep) {
	t.Helper()
	for i, step := range steps {
		c.set(step.at)
		wantAttempt(t, s, step.want, fmt.Sprintf("step %d, at %v", i+1, step.at), a)
	}
}

// diffAttempt says in which fields got is not want, "" if in none. What is
// disabled may be locked, too.
func diffAttempt(got, want store.AttemptState) string {
	var f fields
	if !want.Disabled {
		f.soon("RetryIn", got.RetryIn, want.RetryIn)
		f.any("RetryIn", (got.RetryIn > 0) == (want.RetryIn > 0), got.RetryIn, want.RetryIn)
	}
	f.any("Disabled", got.Disabled == want.Disabled, got.Disabled, want.Disabled)
	f.any("First", got.First == want.First, got.First, want.First)
	return f.String()
}

func nthAttemptLocks(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 3)
	a.Tiers[0].Locks = a.Tiers[0].Locks[:1]
	reserveSteps(t, s, c, a, []attemptStep{
		{0, passed},
		{5 * m, passed},
		{10 * m, began},
		{10 * m, lockedFor(10 * m)},
		{19 * m, lockedFor(m)},
		{20 * m, began}, // with two before it, within Period
		{20 * m, lockedFor(10 * m)},
		{30 * m, began},
		{39 * m, lockedFor(m)},
		{200 * m, passed},
		{200 * m, passed},
		{200 * m, began},
		{209 * m, lockedFor(m)},
	})
	most := newAttempt("bob", store.MaxWindow)
	wantFresh(t, s, most, "N is MaxWindow")
	one := newAttempt("eve", 1)
	wantFresh(t, s, one, "N is 1")
}

func attemptsCountForAPeriod(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 3)
	a.Tiers[0].Locks = []time.Duration{5 * m}
	reserveSteps(t, s, c, a, []attemptStep{
		{0, passed},
		{30 * m, passed},
		{60 * m, passed}, // the first counts no more
		{89 * m, began},
		{89 * m, lockedFor(5 * m)},
		{94 * m, began}, // the last three are of 35 minutes
		{154 * m, passed},
		{155 * m, passed},
		{213 * m, began},
		{300 * m, passed},
	})
}

func lockedAttemptsCountNothing(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 3)
	a.Tiers[0].Locks = []time.Duration{30 * m}
	for round := range 2 {
		start := time.Duration(round) * 100 * time.Hour
		reserveSteps(t, s, c, a, []attemptStep{{start, passed}, {start, passed}, {start, began}})
		for _, at := range []time.Duration{0, m, 10 * m, 20 * m, 29 * m} {
			c.set(start + at)
			for range 5 {
				wantAttempt(t, s, lockedFor(30*m-at), "during the lock", a)
			}
		}
		reserveSteps(t, s, c, a, []attemptStep{
			{start + 61*m, passed}, // all that counted are of over an hour ago
			{start + 62*m, passed},
			{start + 63*m, began},
			{start + 92*m, lockedFor(m)},
		})
	}
}

func locksGrow(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 2)
	a.Tiers[0].Locks = []time.Duration{m, 5 * m, 15 * m}
	reserveSteps(t, s, c, a, []attemptStep{
		{0, passed},
		{0, began},
		{0, lockedFor(m)},
		{m, began},
		{m, lockedFor(5 * m)},
		{6 * m, began},
		{6 * m, lockedFor(15 * m)},
		{21 * m, began},
		{21 * m, lockedFor(15 * m)},
		{36 * m, began},
		{50 * m, lockedFor(m)},
		{200 * m, passed}, // the counting of locks does not begin anew
		{200 * m, began},
		{200 * m, lockedFor(15 * m)},
	})
}

func locksBeginAnewAfterADay(t *testing.T, s store.Limits, c *clock) {
	const m, h = time.Minute, time.Hour
	a := newAttempt("ann", 2)
	a.Tiers[0].Period, a.Tiers[0].Locks = 10*m, []time.Duration{m, 12 * h, 13 * h}
	var steps []attemptStep
	for _, lock := range []struct{ at, d time.Duration }{
		{0, m},
		{20 * h, 12 * h},      // to 32 h
		{32*h + 23*h, 13 * h}, // 35 h after the lock before it began; to 68 h
		{68*h + 23*h, 13 * h}, // the last repeats; to 104 h
		{104*h + 24*h, m},     // a day later
		{130 * h, 12 * h},     // to 142 h
		{142*h + 24*h - m, 13 * h},
		{400 * h, m},
	} {
		steps = append(steps, attemptStep{lock.at, passed}, attemptStep{lock.at, began}, attemptStep{lock.at, lockedFor(lock.d)})
	}
	for i, step := range steps {
		c.set(step.at)
		if i%6 == 0 {
			clean(t, s)
		}
		wantAttempt(t, s, step.want, fmt.Sprintf("step %d, at %v", i+1, step.at), a)
	}
}

func badAttemptsCountNothing(t *testing.T, s store.Limits) {
	good, other := newAttempt("ann", 2), newAttempt("bob", 2)
	for _, bad := range []struct {
		what   string
		change func(a *store.AttemptTake, tier *store.AttemptTier)
	}{
		{"N 0", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.N = 0 }},
		{"N -1", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.N = -1 }},
		{"N over MaxWindow", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.N = store.MaxWindow + 1 }},
		{"Period 0", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.Period = 0 }},
		{"Period -1 h", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.Period = -time.Hour }},
		{"no Locks", func(_ *store.AttemptTake, tier *store.AttemptTier) { tier.Locks = nil }},
		{"over MaxTiers", func(a *store.AttemptTake, tier *store.AttemptTier) {
			a.Tiers = []store.AttemptTier{*tier, *tier, *tier, *tier, *tier}
		}},
		{"DisableAfter -1", func(a *store.AttemptTake, _ *store.AttemptTier) { a.DisableAfter = -1 }},
	} {
		a := newAttempt("ann", 2)
		bad.change(&a, &a.Tiers[0])
		for _, takes := range [][]store.AttemptTake{{a}, {other, a}, {a, other}} {
			if _, err := s.ReserveAttempts(t.Context(), takes); err == nil {
				t.Errorf("ReserveAttempts with %s answers nil: %+v", bad.what, takes)
			}
		}
	}
	wantFresh(t, s, good, "what was counted was an error")
	wantFresh(t, s, other, "what was counted was an error")
}
