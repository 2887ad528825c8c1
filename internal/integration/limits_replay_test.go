package integration_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// R1, R3: 20 000 requests at random times, from several goroutines, against
// each server. What the server's clock saw lies between the begin and the end of
// a call, so that each decision can be checked without it: no window holds more
// than n calls that lie in it as a whole, and where one was refused there were n
// that may have been let through in the window before.
func TestLimitsReplay(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		s, _ := b.open(t, nil)
		replay(t, s)
	})
	for name, open := range redisBackends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t)
			replay(t, openRedis(t, c, redisstore.Config{}))
		})
	}
}

const (
	replayCalls   = 20_000
	replayCallers = 8
	replayKeys    = 3
	replayWindow  = 40 * time.Millisecond
	replayLimit   = 5
)

// decision is one call's.
type decision struct {
	begin, end time.Duration // of the test's clock
	passed     bool
}

func replay(t *testing.T, st store.Limits) {
	t.Helper()
	var mu sync.Mutex
	windows, rates := make([][]decision, replayKeys), make([][]decision, replayKeys)
	start := time.Now()
	var all sync.WaitGroup
	for caller := range replayCallers {
		random := rand.New(rand.NewPCG(1, uint64(caller)))
		all.Go(func() {
			for range replayCalls / replayCallers {
				key := random.IntN(replayKeys)
				take := store.LimitTake{Policy: "window", Key: fmt.Sprint(key), Limit: replayLimit, Period: replayWindow, Cost: 1}
				of := windows
				if random.IntN(2) == 0 {
					take.Policy, take.GCRA, take.Burst, of = "gcra", true, 2*replayLimit, rates
				}
				var state [1]store.LimitState
				d := decision{begin: time.Since(start)}
				if err := st.TakeLimits(t.Context(), []store.LimitTake{take}, state[:]); err != nil {
					t.Errorf("take: %v", err)
					return
				}
				d.end, d.passed = time.Since(start), state[0].RetryIn == 0
				mu.Lock()
				of[key] = append(of[key], d)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	passed, most := 0, 0
	for key := range replayKeys {
		through := passedOf(windows[key])
		most = max(most, mostWithin(through, replayWindow))
		for _, d := range windows[key] {
			if !d.passed && maybeWithin(through, d.begin-replayWindow, d.end) < replayLimit {
				t.Errorf("key %d was refused at %s while its window held fewer than %d", key, d.end, replayLimit)
			}
		}
		passed += len(through)
		// In any time t at most burst + rate*t, to the microsecond.
		rate := passedOf(rates[key])
		slices.SortFunc(rate, func(a, b decision) int { return cmp.Compare(a.end, b.end) }) // callers note them late
		for i, first := range rate {
			for _, last := range rate[i:] {
				span := last.end - first.begin
				if n := within(rate, first.begin, last.end); float64(n) > 2*replayLimit+1+float64(span)/float64(replayWindow)*replayLimit {
					t.Fatalf("key %d: %d passed in %s", key, n, span)
				}
				if span > 10*replayWindow {
					break
				}
			}
		}
		passed += len(rate)
	}
	if most > replayLimit {
		t.Errorf("a window held %d, the limit is %d", most, replayLimit)
	}
	if passed == 0 || passed == replayCalls {
		t.Errorf("%d of %d passed: nothing was shown", passed, replayCalls)
	}
	t.Logf("%d of %d passed in %s; the fullest window held %d of %d", passed, replayCalls, time.Since(start).Round(time.Millisecond), most, replayLimit)
}

func passedOf(ds []decision) (passed []decision) {
	for _, d := range ds {
		if d.passed {
			passed = append(passed, d)
		}
	}
	return passed
}

// within counts the calls that lie between from and to as a whole.
func within(ds []decision, from, to time.Duration) (n int) {
	for _, d := range ds {
		if d.begin >= from && d.end <= to {
			n++
		}
	}
	return n
}

// maybeWithin counts those of which a part does.
func maybeWithin(ds []decision, from, to time.Duration) (n int) {
	for _, d := range ds {
		if d.end >= from && d.begin <= to {
			n++
		}
	}
	return n
}

// mostWithin is how many calls any window held for certain.
func mostWithin(ds []decision, window time.Duration) (most int) {
	for _, d := range ds {
		most = max(most, within(ds, d.begin, d.begin+window-time.Microsecond))
	}
	return most
}
