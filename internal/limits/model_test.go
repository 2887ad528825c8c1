package limits_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// arrive lets takes arrive at random times, some in bursts and some after a
// pause, and on whole periods. Time stands still but for what it adds.
func arrive(t *testing.T, period time.Duration, each func(table *limits.Table, now time.Duration, rnd *rand.Rand)) {
	synctest.Test(t, func(t *testing.T) {
		var now time.Duration
		table := limits.New(10, func() time.Duration { return now })
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		rnd := rand.New(rand.NewPCG(seed, 0))
		for range arrivals {
			switch rnd.IntN(8) {
			case 0:
				now += time.Duration(rnd.Int64N(int64(2 * period)))
			case 1:
				now += period
			case 2, 3, 4:
				now += time.Duration(rnd.Int64N(int64(period / 8)))
			}
			each(table, now, rnd)
			if t.Failed() {
				return
			}
		}
	})
}

// R1: a window holds never more than n, and refuses only where one more would
// be too many: all that was let through is in a list.
func TestWindowIsExact(t *testing.T) {
	const n, period = 5, time.Minute
	var admitted []time.Duration
	arrive(t, period, func(table *limits.Table, now time.Duration, rnd *rand.Rand) {
		one := window(n, "k")
		one.Cost = rnd.IntN(8) / 2 // mostly few
		admitted = slices.DeleteFunc(admitted, func(at time.Duration) bool { return at <= now-period })
		fits := len(admitted)+one.Cost <= n
		if fits {
			for range one.Cost {
				admitted = append(admitted, now)
			}
		}
		want := store.LimitState{Remaining: n - len(admitted)}
		if len(admitted) > 0 {
			want.ResetIn = admitted[len(admitted)-1] + period - now
		}
		if !fits {
			want.RetryIn = admitted[len(admitted)+one.Cost-n-1] + period - now
		}
		got := take(t, table, one)[0]
		got.First = false
		if got != want {
			t.Errorf("at %v a take of %d beside %v:\ngot  %+v\nwant %+v", now, one.Cost, admitted, got, want)
		}
	})
}

// R1: GCRA lets never more than burst + rate*t through in any t, and refuses
// only where one more would be too many in some t.
func TestGCRAIsExact(t *testing.T) {
	const burst, every = 5, time.Second
	// The i-th is let through at t(i). From i to j are j-i+1, which must be at most
	// burst + (t(j)-t(i))/every: debt(j)-debt(i) at most (burst-1)*every, where
	// debt(i) is i*every - t(i).
	i, least := 0, time.Duration(1<<62)
	arrive(t, burst*every, func(table *limits.Table, now time.Duration, rnd *rand.Rand) {
		one := gcra(burst, "k")
		one.Cost = rnd.IntN(8) / 2
		fits := true
		newLeast := least
		for n := range one.Cost {
			debt := time.Duration(i+n)*every - now
			newLeast = min(newLeast, debt)
			fits = fits && debt-newLeast <= (burst-1)*every
		}
		got := take(t, table, one)[0]
		if got.RetryIn > 0 == fits {
			t.Errorf("at %v a take of %d: %+v", now, one.Cost, got)
		}
		if fits {
			i, least = i+one.Cost, newLeast
		}
		more := 0 // would fit
		for debt := time.Duration(i)*every - now; debt-min(least, time.Duration(i)*every-now) <= (burst-1)*every && more <= burst; debt += every {
			more++
		}
		if got.Remaining != more {
			t.Errorf("at %v after a take of %d: %d remain, want %d", now, one.Cost, got.Remaining, more)
		}
	})
}
