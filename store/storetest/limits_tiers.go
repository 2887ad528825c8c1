package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func attemptTierCases() []limitCase {
	return []limitCase{
		{
			name:   "tiers_lock_for_themselves",
			rule:   "each tier counts and locks for itself; one that is locked refuses, and RetryIn is the longest of several",
			moving: tiersLockForThemselves,
		},
		{
			name: "attempts_are_all_or_none",
			rule: "an attempt counts for all its counters or for none; RetryIn is the longest of several",
			test: attemptsAreAllOrNone,
		},
		{
			name:   "tiers_may_change",
			rule:   "a counter is the same one when its Tiers are others; which one is which follows from the order",
			moving: tiersMayChange,
		},
	}
}

func tiersLockForThemselves(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 3)
	a.Tiers = []store.AttemptTier{
		{N: 3, Period: 10 * m, Locks: []time.Duration{m, 2 * m, 3 * m}},
		{N: 5, Period: 60 * m, Locks: []time.Duration{30 * m}},
	}
	reserveSteps(t, s, c, a, []attemptStep{
		{0, passed},
		{0, passed},
		{0, began},
		{0, lockedFor(m)},
		{m, began},
		{m, lockedFor(2 * m)},
		{3 * m, began}, // both
		{3 * m, lockedFor(30 * m)},
		{32 * m, lockedFor(m)},
		{33 * m, began}, // the second tier alone
		{33 * m, lockedFor(30 * m)},
		{64 * m, passed},
		{64 * m, passed},
		{64 * m, began}, // the first: of the second four are left
		{64 * m, lockedFor(3 * m)},
	})
	four := newAttempt("bob", 2)
	four.Tiers = nil
	for n := 1; n <= store.MaxTiers; n++ {
		four.Tiers = append(four.Tiers, store.AttemptTier{N: n, Period: 24 * time.Hour, Locks: []time.Duration{time.Duration(n) * m}})
	}
	start := 100 * m
	reserveSteps(t, s, c, four, []attemptStep{
		{start, began},
		{start, lockedFor(m)},
		{start + m, began},
		{start + m, lockedFor(2 * m)},
		{start + 3*m, began},
		{start + 3*m, lockedFor(3 * m)},
		{start + 6*m, began},
		{start + 6*m, lockedFor(4 * m)},
		{start + 9*m, lockedFor(m)},
	})
}

func attemptsAreAllOrNone(t *testing.T, s store.Limits) {
	for _, keys := range oneKeyAndMany {
		for n := 2; n <= len(keys); n++ {
			for locked := range n {
				var takes []store.AttemptTake
				for i := range n {
					a := newAttempt(fmt.Sprint(keys[i], " of ", n), 2)
					a.Policy = fmt.Sprint("password ", i, ", ", locked, " locked, ", keys)
					takes = append(takes, a)
				}
				takes[locked].Tiers[0].N = 1
				wantAttempt(t, s, began, "the attempt that locks", takes[locked])
				for range 3 {
					wantAttempt(t, s, lockedFor(10*time.Minute), fmt.Sprintf("number %d is locked", locked), takes...)
				}
				if locked == 0 {
					takes[1].Tiers[0].Locks[0] = 20 * time.Minute
					wantAttempt(t, s, passed, "the first attempt", takes[1])
					wantAttempt(t, s, began, "the attempt that locks", takes[1])
					wantAttempt(t, s, lockedFor(20*time.Minute), "two are locked", takes...)
				}
				for i, a := range takes {
					if i != locked && (locked != 0 || i != 1) {
						wantAttempt(t, s, passed, "another refused before", a)
						wantAttempt(t, s, began, "another refused before", a)
					}
				}
			}
		}
		var takes []store.AttemptTake
		for i, key := range keys {
			a := newAttempt("together "+key, i+2)
			a.Policy = fmt.Sprint("password ", i, keys)
			takes = append(takes, a)
		}
		wantAttempt(t, s, passed, "of all", takes...)
		wantAttempt(t, s, began, "of all; one locks", takes...)
		wantAttempt(t, s, lockedFor(10*time.Minute), "of all", takes...)
		for i, a := range takes[1:] {
			for range i {
				wantAttempt(t, s, passed, "two counted of all", a)
			}
			wantAttempt(t, s, began, "two counted of all", a)
		}
	}
}

func tiersMayChange(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	a := newAttempt("ann", 5)
	for range 3 {
		wantAttempt(t, s, passed, "of 5", a)
	}
	lower := newAttempt("ann", 4)
	wantAttempt(t, s, began, "the fourth, when N has become 4", lower)
	wantAttempt(t, s, lockedFor(10*m), "it is locked, whatever N is", a)
	c.set(10 * m)
	two := newAttempt("ann", 64)
	two.Tiers = append(two.Tiers, store.AttemptTier{N: 2, Period: time.Hour, Locks: []time.Duration{5 * m}})
	wantAttempt(t, s, passed, "the second tier is new", two)
	wantAttempt(t, s, began, "the second tier locks", two)
	wantAttempt(t, s, lockedFor(5*m), "the second tier locks", two)
	c.set(15 * m)
	wantAttempt(t, s, began, "the second tier is gone, and the first has counted on", newAttempt("ann", 6))
	wantAttempt(t, s, lockedFor(30*m), "it is the first tier's second lock", a)
}
