package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func settleCases() []limitCase {
	return []limitCase{
		{
			name:   "success_clears_an_account",
			rule:   "SettleAttempts clears the counter of an account with its locks, of this Policy, Key and Sub alone",
			moving: successClearsAnAccount,
		},
		{
			name:   "success_gives_back_one",
			rule:   "SettleAttempts gives back the newest attempt where the counter is of no account, in each of its tiers, and leaves the others",
			moving: successGivesBackOne,
		},
		{
			name:   "success_lifts_the_lock_it_began",
			rule:   "SettleAttempts ends a lock where the counter is of no account, and the lock was not one",
			moving: successLiftsTheLockItBegan,
		},
		{
			name: "success_of_several",
			rule: "SettleAttempts clears the counters of accounts and gives one attempt back to the others, of all that it is called with",
			test: successOfSeveral,
		},
		{
			name:   "attempt_that_did_not_succeed_is_given_back",
			rule:   "SettleAttempts gives back the newest attempt of an account, too, where it did not succeed: the lock that it began ends, and the others count, in each tier and in a row",
			moving: attemptThatDidNotSucceedIsGivenBack,
		},
	}
}

// nearAttempts are counters beside that of a: of another Sub, Key and Policy.
func nearAttempts(a store.AttemptTake) []store.AttemptTake {
	sub, key, policy := a, a, a
	sub.Sub, key.Key, policy.Policy = a.Sub+"1", a.Key+"1", a.Policy+"1"
	return []store.AttemptTake{sub, key, policy}
}

func successClearsAnAccount(t *testing.T, s store.Limits, c *clock) {
	a := newAttempt("ann", 3)
	a.Account = true
	near := nearAttempts(a)
	for range 2 {
		for _, n := range append(near, a) {
			wantAttempt(t, s, passed, "the first two", n)
		}
	}
	settle(t, s, a)
	wantFresh(t, s, a, "an attempt succeeded")
	for _, n := range near {
		wantAttempt(t, s, began, "the third, when another succeeded", n)
	}
	settle(t, s, a) // it was in flight when the lock began
	for _, n := range near {
		wantAttempt(t, s, lockedFor(10*time.Minute), "it is locked, when another succeeded", n)
	}
	wantFresh(t, s, a, "an attempt succeeded, that began the lock; the counting of locks begins anew")

	c.set(10 * time.Minute)
	wantAttempt(t, s, began, "after the first lock", a)
	wantAttempt(t, s, lockedFor(30*time.Minute), "the second lock", a)
	settle(t, s, a)
	wantFresh(t, s, a, "an attempt succeeded, that began the second lock; the counting of locks begins anew")

	unknown := newAttempt("bob", 3)
	unknown.Account = true
	settle(t, s, unknown)
	settle(t, s, unknown)
	wantFresh(t, s, unknown, "nothing was there to be cleared")
}

func successGivesBackOne(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("192.0.2.1", 3)
	near := nearAttempts(a)
	for _, n := range append(near, a) {
		wantAttempt(t, s, passed, "the first", n)
	}
	c.set(30 * m)
	for i := range 20 {
		wantAttempt(t, s, passed, fmt.Sprintf("success %d", i+1), a)
		settle(t, s, a)
	}
	for _, n := range near {
		wantAttempt(t, s, passed, "the second, when another succeeded", n)
		wantAttempt(t, s, began, "the third, when another succeeded", n)
	}
	wantAttempt(t, s, passed, "the second failure", a)
	wantAttempt(t, s, passed, "of a third", newAttempt("192.0.2.1", 4))
	settle(t, s, a)
	c.set(61 * m) // the failure of minute 0 has left, that of minute 30 is there
	wantAttempt(t, s, passed, "an hour after the first failure", a)
	wantAttempt(t, s, began, "an hour after the first failure", a)

	none := newAttempt("192.0.2.2", 3)
	for range 3 {
		settle(t, s, none)
	}
	wantAttempt(t, s, passed, "there was nothing to give back", none)
	for range 3 {
		settle(t, s, none)
	}
	wantFresh(t, s, none, "there was no more to give back")

	two := newAttempt("192.0.2.3", 3)
	two.Tiers = append(two.Tiers, store.AttemptTier{N: 4, Period: 2 * time.Hour, Locks: []time.Duration{20 * m}})
	for range 9 {
		wantAttempt(t, s, passed, "success", two)
		settle(t, s, two)
	}
	wantFresh(t, s, two, "in each tier all was given back")
	c.set(71 * m)
	wantAttempt(t, s, began, "the fourth failure, after the first tier's lock", two)
	wantAttempt(t, s, lockedFor(30*m), "the first tier's second lock is longer", two)
}

func successLiftsTheLockItBegan(t *testing.T, s store.Limits, c *clock) {
	a := newAttempt("192.0.2.1", 3)
	wantAttempt(t, s, passed, "the first failure", a)
	wantAttempt(t, s, passed, "the second failure", a)
	for range 4 {
		wantAttempt(t, s, began, "success, after two failures", a)
		settle(t, s, a)
	}
	wantAttempt(t, s, began, "the third failure", a)
	wantAttempt(t, s, lockedFor(10*time.Minute), "the first lock that stays is for Locks[0]", a)
	c.set(10 * time.Minute)
	for range 4 {
		wantAttempt(t, s, began, "success, after three failures", a)
		settle(t, s, a)
	}
	wantAttempt(t, s, began, "the fourth failure", a)
	wantAttempt(t, s, lockedFor(30*time.Minute), "the second lock that stays is for Locks[1]", a)
}

func attemptThatDidNotSucceedIsGivenBack(t *testing.T, s store.Limits, c *clock) {
	a := newAttempt("ann", 3)
	a.Account, a.DisableAfter = true, 5
	wantAttempt(t, s, passed, "the first failure", a)
	wantAttempt(t, s, passed, "the second failure", a)
	for range 6 {
		wantAttempt(t, s, began, "after two failures", a)
		cancel(t, s, a)
	}
	wantAttempt(t, s, began, "the third failure", a)
	wantAttempt(t, s, lockedFor(10*time.Minute), "the first lock that stays is for Locks[0]", a)
	c.set(10 * time.Minute)
	wantAttempt(t, s, began, "after three failures", a)
	cancel(t, s, a)
	wantAttempt(t, s, began, "the fourth failure", a)
	wantAttempt(t, s, lockedFor(30*time.Minute), "the second lock that stays is for Locks[1]", a)
	c.set(10 * time.Hour)
	wantAttempt(t, s, began, "the fifth failure in a row", a)
	wantAttempt(t, s, store.AttemptState{Disabled: true}, "after five failures in a row", a)
}

func successOfSeveral(t *testing.T, s store.Limits) {
	for i, keys := range oneKeyAndMany {
		var takes []store.AttemptTake
		for j, key := range keys {
			a := newAttempt(key, 3)
			a.Policy, a.Account = fmt.Sprint("password ", i, j), j%2 == 0
			takes = append(takes, a)
		}
		for range 2 {
			wantAttempt(t, s, passed, "failures", takes...)
		}
		wantAttempt(t, s, began, "success", takes...)
		settle(t, s, takes...)
		for _, a := range takes {
			if a.Account {
				wantFresh(t, s, a, "it was cleared")
			} else {
				wantAttempt(t, s, began, "one of three was given back", a)
			}
		}
	}
}
