package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func severalTakesCases() []limitCase {
	return []limitCase{
		{
			name: "takes_are_all_or_none",
			rule: "a call takes from all its counters or from none: where one refuses, the states of the others are as if nothing had been taken, and so are they",
			test: takesAreAllOrNone,
		},
		{
			name: "several_takes_pass_together",
			rule: "TakeLimits fills states, in the order of takes",
			test: severalTakesPassTogether,
		},
		{
			name:   "refusal_leaves_the_log_as_it_was",
			rule:   "what another counter refuses takes nothing: not for a while, and not in place of what was taken before",
			moving: refusalLeavesTheLogAsItWas,
		},
	}
}

// oneKeyAndMany are keys of several takes: of one they may lie together, of
// others they may not.
var oneKeyAndMany = [][]string{{"ann", "ann", "ann", "ann"}, {"ann", "bob", "eve", "zoe"}}

// fourTakes are of two algorithms in turn, each with a limit of 3 and 20
// minutes for one.
func fourTakes(policy string, keys []string) []store.LimitTake {
	takes := []store.LimitTake{newWindow(keys[0], 3), newGCRA(keys[1], 3, 3), newWindow(keys[2], 3), newGCRA(keys[3], 3, 3)}
	for i := range takes {
		takes[i].Policy = fmt.Sprint(policy, " ", i)
	}
	return takes
}

func takesAreAllOrNone(t *testing.T, s store.Limits) {
	for _, keys := range oneKeyAndMany {
		for _, refuse := range [][]int{ // the indexes of those that refuse, of so many
			{0, 2}, {1, 2}, {0, 3}, {1, 3}, {2, 3}, {0, 4}, {1, 4}, {2, 4}, {3, 4}, {1, 3, 4}, {0, 1, 2, 3, 4},
		} {
			n := refuse[len(refuse)-1]
			takes := fourTakes(fmt.Sprint(refuse, keys), keys)[:n]
			refuse = refuse[:len(refuse)-1]
			want := make([]store.LimitState, n)
			for i, l := range takes {
				taken := 1
				if slices.Contains(refuse, i) {
					taken = 3
				}
				want[i] = takeLimits(t, s, costs(l, taken))[0]
				if taken == 3 {
					want[i] = refusedFirst(0, want[i].ResetIn, time.Hour)
					if l.GCRA {
						want[i].RetryIn = 20 * time.Minute
					}
				}
			}
			for call := range 2 {
				for i, got := range takeLimits(t, s, takes...) {
					if d := diffLimit(got, want[i]); d != "" {
						t.Errorf("of %d takes %v refuse: call %d: take %d: %s", n, refuse, call+1, i, d)
					}
					want[i].First = false
				}
			}
			for i, l := range takes {
				wantLimit(t, s, costs(l, 0), left(want[i].Remaining, want[i].ResetIn), fmt.Sprintf("%v of %d takes refused", refuse, n))
				if want[i].Remaining > 0 {
					takeLimits(t, s, costs(l, 2))
					if got := takeLimits(t, s, l)[0]; !got.First {
						t.Errorf("take %d: its first refusal, after %v of %d refused, has the state %+v", i, refuse, n, got)
					}
				}
			}
		}
	}
}

func severalTakesPassTogether(t *testing.T, s store.Limits) {
	for _, keys := range oneKeyAndMany {
		takes := fourTakes(fmt.Sprint(keys), keys)
		takes[1].Cost, takes[2].Cost, takes[3].Limit = 2, 0, 60
		for n := 1; n <= len(takes); n++ {
			batch := takes[:n]
			for i := range batch {
				batch[i].Key = fmt.Sprint(keys[i], " of ", n)
			}
			want := []store.LimitState{left(2, time.Hour), left(1, 40*time.Minute), left(3, 0), left(2, time.Minute)}[:n]
			for i, got := range takeLimits(t, s, batch...) {
				if d := diffLimit(got, want[i]); d != "" {
					t.Errorf("of %d takes, that pass, take %d: %s", n, i, d)
				}
			}
			for i, l := range batch {
				wantLeft(t, s, l, want[i].Remaining, "all passed")
			}
		}
	}
}

func refusalLeavesTheLogAsItWas(t *testing.T, s store.Limits, c *clock) {
	const m = time.Minute
	for i, keys := range oneKeyAndMany {
		takes := fourTakes(fmt.Sprint("log ", i), keys)
		window, full := takes[0], takes[2]
		full.Period = 1000 * time.Hour
		start := time.Duration(i) * day
		for _, at := range []time.Duration{0, 20 * m} {
			c.set(start + at)
			takeLimits(t, s, window)
		}
		takeLimits(t, s, costs(full, 3))
		for _, at := range []time.Duration{30 * m, 40 * m, 50 * m} {
			c.set(start + at)
			takeLimits(t, s, window, full)
			takeLimits(t, s, full, window)
		}
		takeSteps(t, s, c, []limitStep{
			{start + 50*m, costs(window, 0), left(1, 30*m)},
			{start + 60*m, costs(window, 0), left(2, 20*m)},
			{start + 79*m, costs(window, 0), left(2, m)},
			{start + 80*m, costs(window, 0), left(3, 0)},
		})
	}
}
