//go:build !race

package integration_test

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// rss is how many bytes of this process are in memory.
func rss(t *testing.T) int64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	_, now, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseInt(strings.Fields(now)[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}

// R5: while 10 million keys come that nobody has seen before, nineteen of
// twenty of clients and the rest of attempts at accounts, memory stays bounded; who was
// refused is, what is half spent stays so, and no lock is lost.
func TestFloodOfTenMillionKeys(t *testing.T) {
	servers.Case(t, "memstore")
	const flood, kept, turns, mostMiB = 10_000_000, 100, 20, 256
	st := memstore.New(memstore.Config{})
	take := func(take store.LimitTake) store.LimitState {
		states := make([]store.LimitState, 1)
		if err := st.TakeLimits(t.Context(), []store.LimitTake{take}, states); err != nil {
			t.Error(err)
		}
		return states[0]
	}
	reserve := func(takes ...store.AttemptTake) store.AttemptState {
		state, err := st.ReserveAttempts(t.Context(), takes)
		if err != nil {
			t.Error(err)
		}
		return state
	}
	window := func(key string, cost int) store.LimitTake {
		return store.LimitTake{Policy: "ip", Key: key, Limit: 5, Period: time.Hour, Cost: cost}
	}
	gcra := func(key string, cost int) store.LimitTake {
		return store.LimitTake{Policy: "api", Key: key, GCRA: true, Limit: 10, Burst: 10, Period: 10 * time.Hour, Cost: cost}
	}
	tiers := []store.AttemptTier{{N: 5, Period: time.Hour, Locks: []time.Duration{time.Hour}}}
	account := func(key string) store.AttemptTake {
		return store.AttemptTake{Policy: "account", Key: key, Account: true, Tiers: tiers}
	}
	client := func(key string) store.AttemptTake {
		return store.AttemptTake{Policy: "client", Key: key, Tiers: tiers}
	}
	half := func(key string, cost int) store.LimitTake {
		l := gcra(key, cost)
		l.Account = true
		return l
	}
	for i := range kept {
		n := strconv.Itoa(i)
		take(window("attacker "+n, 5))
		take(gcra("attacker "+n, 10))
		take(half("half spent "+n, 6))
		for range 5 {
			reserve(account("locked "+n), client("locked "+n))
		}
	}
	survived := func(after int) {
		for i := range kept {
			n := strconv.Itoa(i)
			if take(window("attacker "+n, 1)).RetryIn == 0 || take(gcra("attacker "+n, 1)).RetryIn == 0 {
				t.Fatalf("after %d keys attacker %d is let in again", after, i)
			}
			if s := take(half("half spent "+n, 0)); s.Remaining != 4 {
				t.Fatalf("after %d keys %d of 10 remain of account %d, want 4", after, s.Remaining, i)
			}
			if reserve(account("locked "+n)).RetryIn == 0 || reserve(client("locked "+n)).RetryIn == 0 {
				t.Fatalf("after %d keys lock %d is gone", after, i)
			}
		}
	}
	survived(0)
	debug.FreeOSMemory()
	before, most, began := rss(t), int64(0), time.Now()
	for turn := range turns {
		var all sync.WaitGroup
		for worker := range runtime.GOMAXPROCS(0) {
			all.Go(func() {
				takes, states := make([]store.LimitTake, 1), make([]store.LimitState, 1)
				for i := flood/turns*turn + worker; i < flood/turns*(turn+1); i += runtime.GOMAXPROCS(0) {
					key := strconv.Itoa(i)
					if i%20 == 0 {
						reserve(account(key), client(key))
						continue
					}
					takes[0] = gcra(key, 1)
					if err := st.TakeLimits(t.Context(), takes, states); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		most = max(most, rss(t)-before)
		survived(flood / turns * (turn + 1))
	}
	t.Logf("%d keys in %.1f s: RSS %.1f MiB before, at most %.1f MiB more", flood, time.Since(began).Seconds(), float64(before)/(1<<20), float64(most)/(1<<20))
	if most > mostMiB<<20 {
		t.Errorf("RSS grew by %d MiB, want at most %d", most>>20, mostMiB)
	}
}
