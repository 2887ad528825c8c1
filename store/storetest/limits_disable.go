package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func disableCases() []limitCase {
	return []limitCase{
		{
			name:   "many_in_a_row_disable",
			rule:   "DisableAfter attempts in a row, however slow, refuse all others, for good; the last of them passes, and is First",
			moving: manyInARowDisable,
		},
		{
			name:   "refused_attempts_disable_nothing",
			rule:   "an attempt that is refused does not count for DisableAfter, and what is disabled counts for nothing else",
			moving: refusedAttemptsDisableNothing,
		},
		{
			name: "success_ends_a_row",
			rule: "DisableAfter counts attempts in a row, without a success; a success ends what it disabled",
			test: successEndsARow,
		},
	}
}

func unlockCases() []limitCase {
	return []limitCase{
		{
			name:   "unlock_clears_all_of_a_key",
			rule:   "UnlockAttempts clears all counters of key, whatever their Sub: attempts, locks and what is disabled, and the counting of locks",
			moving: unlockClearsAllOfAKey,
		},
		{
			name: "unlock_clears_nothing_else",
			rule: "UnlockAttempts clears nothing of another policy or key, and it is fine when nothing is there",
			test: unlockClearsNothingElse,
		},
	}
}

// newAccount is disabled after so many, and locked for a minute after two in
// ten.
func newAccount(key string, disableAfter int) store.AttemptTake {
	a := newAttempt(key, 2)
	a.Tiers[0].Period, a.Tiers[0].Locks = 10*time.Minute, []time.Duration{time.Minute}
	a.Account, a.DisableAfter = true, disableAfter
	return a
}

var disabled = store.AttemptState{Disabled: true}

func manyInARowDisable(t *testing.T, s store.Limits, c *clock) {
	a := newAccount("ann", 4)
	var steps []attemptStep
	for i, want := range []store.AttemptState{passed, passed, passed, began, disabled, disabled} {
		steps = append(steps, attemptStep{time.Duration(i) * 40 * time.Hour, want})
	}
	for i, step := range append(steps, attemptStep{400 * day, disabled}, attemptStep{3000 * day, disabled}) {
		c.set(step.at)
		if i%3 == 1 {
			clean(t, s)
		}
		wantAttempt(t, s, step.want, fmt.Sprint("at ", step.at), a)
	}
	never := newAccount("bob", 0)
	never.Tiers[0].Period = time.Millisecond
	for i := range 150 {
		c.set(3000*day + time.Duration(i)*time.Minute)
		wantAttempt(t, s, passed, "DisableAfter is 0", never)
	}
}

func refusedAttemptsDisableNothing(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a, other := newAccount("ann", 5), newAttempt("bob", 2)
	c.set(0)
	wantAttempt(t, s, passed, "the first", a)
	for i := range 4 {
		c.set(time.Duration(i) * m)
		wantAttempt(t, s, began, fmt.Sprintf("attempt %d", i+2), a)
		for range 4 {
			if got := reserve(t, s, a, other); got.First || i < 3 && (got.Disabled || got.RetryIn <= 0) || i == 3 && !got.Disabled {
				t.Errorf("after attempt %d the next has the state %+v", i+2, got)
			}
		}
	}
	c.set(time.Hour)
	for range 3 {
		wantAttempt(t, s, disabled, "one of two", a, other)
		wantAttempt(t, s, disabled, "one of two", other, a)
	}
	wantFresh(t, s, other, "another refused before")
}

func successEndsARow(t *testing.T, s store.Limits) {
	a := newAccount("ann", 3)
	a.Tiers[0].N = store.MaxWindow
	sub := a
	sub.Sub = "another"
	for range 2 {
		wantAttempt(t, s, passed, "of another Sub", sub)
	}
	for range 3 {
		for range 2 {
			wantAttempt(t, s, passed, "failures", a)
		}
		settle(t, s, a)
	}
	for range 2 {
		for range 2 {
			wantAttempt(t, s, passed, "in a row", a)
		}
		wantAttempt(t, s, began, "the third in a row", a)
		wantAttempt(t, s, disabled, "after three in a row", a)
		settle(t, s, a) // it was in flight
	}
	wantAttempt(t, s, began, "the third in a row, of another Sub", sub)
	wantAttempt(t, s, disabled, "of another Sub", sub)
	wantAttempt(t, s, passed, "success ended the row", a)
}

func unlockClearsAllOfAKey(t *testing.T, s store.Limits, c *clock) {
	var subs []store.AttemptTake
	for i, sub := range []string{"", "192.0.2.1", "192.0.2.2", "2001:db8::/64", "known device", "*", "ann"} {
		a := newAttempt("ann", 2)
		a.Sub, a.Account = sub, i%2 == 0
		subs = append(subs, a)
	}
	lost := newAccount("ann", 2)
	lost.Sub = "disabled"
	for round := range 3 {
		at := time.Duration(round) * time.Hour
		c.set(at)
		for _, a := range subs {
			wantFresh(t, s, a, "when all was unlocked")
		}
		wantAttempt(t, s, passed, "when all was unlocked", lost)
		wantAttempt(t, s, began, "when all was unlocked", lost)
		c.set(at + 10*time.Minute)
		for _, a := range subs[:4] {
			wantAttempt(t, s, began, "a second lock", a)
			wantAttempt(t, s, lockedFor(30*time.Minute), "the second lock", a)
		}
		wantAttempt(t, s, disabled, "after two", lost)
		must(t, s.UnlockAttempts(t.Context(), "password", "ann"), "UnlockAttempts")
	}
}

func unlockClearsNothingElse(t *testing.T, s store.Limits) {
	a := newAttempt("ann", 2)
	near := nearAttempts(a)[1:]
	for _, n := range near {
		wantFresh(t, s, n, "new")
	}
	for range 3 {
		must(t, s.UnlockAttempts(t.Context(), a.Policy, a.Key), "UnlockAttempts")
	}
	wantFresh(t, s, a, "nothing was there to be cleared")
	must(t, s.UnlockAttempts(t.Context(), a.Policy, a.Key), "UnlockAttempts")
	must(t, s.UnlockAttempts(t.Context(), a.Policy, "missing"), "UnlockAttempts")
	for _, n := range near {
		wantAttempt(t, s, lockedFor(10*time.Minute), "another was unlocked", n)
	}
	wantFresh(t, s, a, "it was unlocked")
}
