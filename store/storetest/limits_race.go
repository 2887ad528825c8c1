package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func limitRaceCases() []limitCase {
	return []limitCase{
		{
			name: "limit_holds_in_a_race",
			rule: "of concurrent takes just as many pass as fit, the others are refused, and nobody gets an error",
			test: limitHoldsInARace,
		},
		{
			name: "first_refusal_in_a_race",
			rule: "of concurrent takes that are refused one is First",
			test: firstRefusalInARace,
		},
		{
			name: "several_takes_in_a_race",
			rule: "concurrent takes from several counters of one key pass as often as the least of them lets, and take nothing else",
			test: severalTakesInARace,
		},
		{
			name: "takes_in_opposite_orders",
			rule: "concurrent takes from several counters, in whatever order, wait for each other: nobody gets an error, no limit is passed, and what is refused is given back",
			test: takesInOppositeOrders,
		},
	}
}

func attemptRaceCases() []limitCase {
	return []limitCase{
		{
			name: "attempts_lock_in_a_race",
			rule: "of concurrent attempts N pass, one of them being First, and the others are refused; nobody gets an error",
			test: attemptsLockInARace,
		},
		{
			name: "attempts_in_opposite_orders",
			rule: "concurrent attempts of several counters, in whatever order, wait for each other: nobody gets an error, no more than N pass, and what is refused does not count",
			test: attemptsInOppositeOrders,
		},
		{
			name: "successes_race_with_attempts",
			rule: "of concurrent attempts each success gives back one: neither undoes another, nor an attempt beside it",
			test: successesRaceWithAttempts,
		},
	}
}

// tally is what became of takes that raced.
type tally struct{ passed, first atomic.Int64 }

func (n *tally) add(passed, first bool) {
	if passed {
		n.passed.Add(1)
	}
	if first {
		n.first.Add(1)
	}
}

// raceTakes takes n times at once, each time what takes answers, of one
// goroutine.
func raceTakes(t *testing.T, s store.Limits, n int, takes func(i int) []store.LimitTake) (all []store.LimitState, pass int) {
	t.Helper()
	states := make([][]store.LimitState, n)
	race(t, n, func(i int) {
		mine := takes(i)
		states[i] = make([]store.LimitState, len(mine))
		wantErr(t, s.TakeLimits(t.Context(), mine, states[i]), nil, "TakeLimits, goroutine %d of %d", i, n)
	})
	for _, mine := range states {
		if !slices.ContainsFunc(mine, func(l store.LimitState) bool { return l.RetryIn > 0 }) {
			pass++
		}
		all = append(all, mine...)
	}
	return all, pass
}

func limitHoldsInARace(t *testing.T, s store.Limits) {
	const n = 60
	for _, c := range []struct{ limit, cost int }{{20, 1}, {20, 3}, {1, 1}, {n, 1}} {
		for _, l := range []store.LimitTake{newWindow(fmt.Sprint(c), c.limit), newGCRA(fmt.Sprint(c), 1, c.limit)} {
			states, pass := raceTakes(t, s, n, func(int) []store.LimitTake { return []store.LimitTake{costs(l, c.cost)} })
			if want := c.limit / c.cost; pass != want {
				t.Errorf("%d of %d takes of %d at once, of %q, passed, want %d of a limit of %d", pass, n, c.cost, l.Policy, want, c.limit)
			}
			var remaining, want []int // after each that passed
			for _, state := range states {
				if state.RetryIn == 0 {
					remaining = append(remaining, state.Remaining)
				}
			}
			slices.Sort(remaining)
			for i := c.limit % c.cost; i < c.limit; i += c.cost {
				want = append(want, i)
			}
			if !slices.Equal(remaining, want) {
				t.Errorf("takes of %d at once, of %q with a limit of %d, had left %v, want %v", c.cost, l.Policy, c.limit, remaining, want)
			}
			wantLeft(t, s, l, c.limit%c.cost, "after a race")
		}
	}
}

func firstRefusalInARace(t *testing.T, s store.Limits) {
	const n = 50
	for round := range 4 {
		for _, l := range []store.LimitTake{newWindow(fmt.Sprint(round), round), newGCRA(fmt.Sprint(round), 1, 1+round)} {
			states, _ := raceTakes(t, s, n, func(int) []store.LimitTake { return []store.LimitTake{l} })
			first := 0
			for _, state := range states {
				if state.First {
					first++
				}
				if state.First && state.RetryIn == 0 {
					t.Errorf("%q: one that passed is First: %+v", l.Policy, state)
				}
			}
			if first != 1 {
				t.Errorf("%d of the takes that were refused of %d at once, of %q, are First, want 1", first, n, l.Policy)
			}
		}
	}
}

func severalTakesInARace(t *testing.T, s store.Limits) {
	const n, least = 50, 7
	for round := range 3 {
		key := fmt.Sprint("ann ", round)
		takes := []store.LimitTake{newWindow(key, 30), newGCRA(key, 1, 3*least+1), newWindow(key, 20)}
		takes[1].Cost, takes[2].Policy = 3, "third"
		_, pass := raceTakes(t, s, n, func(i int) []store.LimitTake {
			mine := slices.Clone(takes)
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			return mine
		})
		if pass != least {
			t.Errorf("%d of %d takes at once passed, want %d, which is what the least of three counters lets", pass, n, least)
		}
		for i, want := range []int{30 - least, 1, 20 - least} {
			wantLeft(t, s, takes[i], want, "after a race of takes from three counters")
		}
	}
}

func takesInOppositeOrders(t *testing.T, s store.Limits) {
	const n, limit = 50, 12
	for round := range 3 {
		var takes []store.LimitTake
		for i, key := range []string{"ann", "bob", "eve", "zoe"} {
			key = fmt.Sprint(key, round)
			l := newGCRA(key, 1, limit+i)
			if i%2 == 0 {
				l = newWindow(key, limit+i)
			}
			takes = append(takes, l)
		}
		_, pass := raceTakes(t, s, n, func(i int) []store.LimitTake {
			mine := append(slices.Clone(takes[i%4:]), takes[:i%4]...)
			if i%8 >= 4 {
				slices.Reverse(mine)
			}
			return mine
		})
		if pass > limit {
			t.Errorf("%d of %d takes at once passed, want %d at most", pass, n, limit)
		}
		for i, l := range takes {
			wantLeft(t, s, l, limit+i-pass, fmt.Sprintf("%d of %d takes at once, in different orders, passed", pass, n))
		}
	}
}

func attemptsLockInARace(t *testing.T, s store.Limits) {
	const n = 100
	for round := range 2 {
		a, b := newAttempt(fmt.Sprint("ann ", round), 5), newAttempt(fmt.Sprint("ann ", round), 8)
		b.Policy = "second"
		lost := newAccount("lost "+a.Key, 7)
		lost.Tiers[0].N = store.MaxWindow
		for _, c := range []struct {
			takes []store.AttemptTake
			want  int64
		}{{[]store.AttemptTake{a, b}, 5}, {[]store.AttemptTake{lost}, 7}} {
			var got tally
			race(t, n, func(i int) {
				state, err := s.ReserveAttempts(t.Context(), c.takes)
				wantErr(t, err, nil, "ReserveAttempts, goroutine %d of %d", i, n)
				got.add(state.RetryIn == 0 && !state.Disabled, state.First)
			})
			if pass, first := got.passed.Load(), got.first.Load(); pass != c.want || first != 1 {
				t.Errorf("of %d attempts at once, of %q, %d passed and %d are First, want %d and 1", n, c.takes[0].Key, pass, first, c.want)
			}
		}
		for range 2 {
			wantAttempt(t, s, passed, "five counted of both", b)
		}
		wantAttempt(t, s, began, "five counted of both", b)
		wantAttempt(t, s, lockedFor(10*time.Minute), "its N is 5", a)
		wantAttempt(t, s, disabled, "it has DisableAfter 7", lost)
	}
}

func attemptsInOppositeOrders(t *testing.T, s store.Limits) {
	const n, most = 50, 10
	for round := range 2 {
		a, b := newAttempt(fmt.Sprint("ann ", round), most), newAttempt(fmt.Sprint("bob ", round), store.MaxWindow)
		var got tally
		race(t, n, func(i int) {
			takes := []store.AttemptTake{a, b}
			if i%2 == 1 {
				slices.Reverse(takes)
			}
			state, err := s.ReserveAttempts(t.Context(), takes)
			wantErr(t, err, nil, "ReserveAttempts, goroutine %d of %d", i, n)
			got.add(state.RetryIn == 0, state.First)
		})
		pass := int(got.passed.Load())
		if pass > most {
			t.Errorf("%d of %d attempts at once passed, want %d at most", pass, n, most)
		}
		for range store.MaxWindow - pass - 1 {
			wantAttempt(t, s, passed, "after a race", b)
		}
		wantAttempt(t, s, began, fmt.Sprintf("%d of %d attempts at once passed, the others do not count", pass, n), b)
	}
}

func successesRaceWithAttempts(t *testing.T, s store.Limits) {
	const n, fail = 40, 10
	for round := range 2 {
		client := newAttempt(fmt.Sprint("192.0.2.", round), store.MaxWindow)
		race(t, n, func(i int) {
			account := newAttempt(fmt.Sprint("ann ", round, i), 2)
			account.Account = true
			for range 2 {
				takes := []store.AttemptTake{account, client}
				state, err := s.ReserveAttempts(t.Context(), takes)
				wantErr(t, err, nil, "ReserveAttempts, goroutine %d of %d", i, n)
				if state != passed {
					t.Errorf("attempt of goroutine %d of %d, of N %d, has the state %+v", i, n, store.MaxWindow, state)
				}
				if i < fail {
					return
				}
				wantErr(t, s.SettleAttempts(t.Context(), takes, true), nil, "SettleAttempts, goroutine %d of %d", i, n)
			}
		})
		for range store.MaxWindow - fail - 1 {
			wantAttempt(t, s, passed, "after a race", client)
		}
		wantAttempt(t, s, began, fmt.Sprintf("%d of %d failed, the others succeeded twice", fail, n), client)
	}
}
