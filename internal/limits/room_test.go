package limits_test

import (
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// ofAccount makes take one of an account.
func ofAccount(take store.LimitTake) store.LimitTake {
	take.Account = true
	return take
}

func spend(n int, take store.LimitTake) store.LimitTake {
	take.Cost = n
	return take
}

// within holds the bound, and that what is counted is there.
func within(t *testing.T, table *limits.Table, most int) {
	t.Helper()
	takes, attempts := limits.Len(table)
	countedTakes, countedAttempts := limits.Counted(table)
	if takes != countedTakes || attempts != countedAttempts {
		t.Errorf("counted %v and %v, there are %v and %v", takes, attempts, countedTakes, countedAttempts)
	}
	for _, n := range append(takes[:], attempts[:]...) {
		if n > most {
			t.Errorf("%d counters, over %d", n, most)
		}
	}
}

// R5: a flood of new keys is bounded, and who was refused is still refused.
func TestFloodOfClients(t *testing.T) {
	const most = 5000
	for name, one := range map[string]func(n int, key string) store.LimitTake{"window": window, "GCRA": gcra} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(most, nil)
			take(t, table, spend(5, one(5, "attacker")))
			take(t, table, spend(5, one(5, "another")))
			for i := range flood {
				if s := take(t, table, one(5, strconv.Itoa(i))); !passes(s) {
					t.Fatalf("%s: new key %d: %+v", name, i, s)
				}
				if i%1000 == 0 && passes(take(t, table, one(5, "attacker"))) {
					t.Fatalf("%s: the attacker is back after %d keys", name, i)
				}
			}
			if passes(take(t, table, one(5, "another"))) {
				t.Errorf("%s: what refused was evicted", name)
			}
			within(t, table, most)
			if n := limits.Shared(table); n > 0 {
				t.Errorf("%s: %d shared counters while there is room", name, n)
			}
		})
	}
}

// R5: the least that is spent goes first, and before that what is spent no more.
func TestTheLeastSpentGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(8, nil) // all are looked at
		for i := range 8 {
			take(t, table, spend(1+i%4, window(5, strconv.Itoa(i)))) // 1, 2, 3, 4, 1, 2, 3, 4
		}
		take(t, table, spend(4, window(5, "new")), spend(4, gcra(5, "new")))
		for i := range 8 {
			want := 5 - (1 + i%4)
			if i%4 == 0 {
				continue // these went
			}
			if got := take(t, table, spend(0, window(5, strconv.Itoa(i))))[0].Remaining; got != want {
				t.Errorf("%d of key %d remain, want %d", got, i, want)
			}
		}
		time.Sleep(4 * time.Second) // GCRA's has nothing spent
		take(t, table, window(5, "more"))
		for i := range 8 {
			want := 5 - (1 + i%4)
			if i%4 == 0 {
				want = 5
			}
			if got := take(t, table, spend(0, window(5, strconv.Itoa(i))))[0].Remaining; got != want {
				t.Errorf("%d of key %d remain, want %d", got, i, want)
			}
		}
		within(t, table, 8)
	})
}

// R5: what refuses stays, and what would pass one more may go, as may a client
// whose lock has just ended; an account that was locked within a day may not.
func TestWhatMayGo(t *testing.T) {
	for _, c := range []struct {
		name   string
		spend  func(t *testing.T, table *limits.Table)
		is     func(name string) store.AttemptTake // nil: takes
		shared int                                 // 1: it stays
	}{
		{"GCRA that would pass one more", func(t *testing.T, table *limits.Table) { take(t, table, spend(4, gcra(5, "old"))) }, nil, 0},
		{"GCRA that would not", func(t *testing.T, table *limits.Table) { take(t, table, spend(5, gcra(5, "old"))) }, nil, 1},
		{"a client whose lock has ended", func(t *testing.T, table *limits.Table) {
			for range 3 {
				reserve(t, table, failure("old"))
			}
			time.Sleep(10 * time.Second)
		}, failure, 0},
		{"a client whose lock ends", func(t *testing.T, table *limits.Table) {
			for range 3 {
				reserve(t, table, failure("old"))
			}
			time.Sleep(10*time.Second - 1)
		}, failure, 1},
		{"an account that was locked", func(t *testing.T, table *limits.Table) {
			for range 3 {
				reserve(t, table, guess("old", ""))
			}
			time.Sleep(10*time.Second + 24*time.Hour - 1)
		}, func(name string) store.AttemptTake { return guess(name, "") }, 1},
		{"an account that was locked a day ago", func(t *testing.T, table *limits.Table) {
			for range 3 {
				reserve(t, table, guess("old", ""))
			}
			time.Sleep(10*time.Second + 24*time.Hour)
		}, func(name string) store.AttemptTake { return guess(name, "") }, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(1, nil)
			c.spend(t, table)
			if c.is == nil {
				take(t, table, gcra(5, "new"))
			} else {
				reserve(t, table, c.is("new"))
			}
			if n := limits.Shared(table); n != c.shared {
				t.Errorf("%s: %d shared counters, want %d", c.name, n, c.shared)
			}
			within(t, table, 1)
		})
	}
}

// R5: half-spent accounts stay, whoever else comes; clients are none of their
// business.
func TestFloodOfAccounts(t *testing.T) {
	const most, kept = 5000, 500
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(most, nil)
		for i := range kept {
			take(t, table, ofAccount(spend(3, window(6, "kept "+strconv.Itoa(i)))), ofAccount(spend(3, gcra(6, "kept "+strconv.Itoa(i)))))
		}
		for i := range most {
			take(t, table, spend(5, window(5, strconv.Itoa(i)))) // clients are full
		}
		for i := range flood {
			if s := take(t, table, ofAccount(window(5, strconv.Itoa(i)))); !passes(s) {
				t.Fatalf("new account %d: %+v", i, s)
			}
		}
		for i := range kept {
			for _, s := range take(t, table, ofAccount(spend(0, window(6, "kept "+strconv.Itoa(i)))), ofAccount(spend(0, gcra(6, "kept "+strconv.Itoa(i))))) {
				if s.Remaining != 3 {
					t.Fatalf("account %d: %+v", i, s)
				}
			}
		}
		within(t, table, most)
	})
}

// R5: where nothing can go, the new keys of a policy share one counter.
func TestOverflow(t *testing.T) {
	const most = 100
	for name, kind := range map[string]func(store.LimitTake) store.LimitTake{
		"clients": func(take store.LimitTake) store.LimitTake { return take }, "accounts": ofAccount,
	} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(most, nil)
			for i := range most {
				take(t, table, kind(spend(5, window(5, strconv.Itoa(i)))))
			}
			passed := 0
			for i := range 100 {
				if passes(take(t, table, kind(window(5, "new "+strconv.Itoa(i))))) {
					passed++
				}
			}
			if passed != 5 {
				t.Errorf("%s: %d of the new ones passed, want 5", name, passed)
			}
			other := window(5, "new")
			other.Policy = "another"
			if s := take(t, table, kind(other)); !passes(s) {
				t.Errorf("%s, another policy: %+v", name, s)
			}
			within(t, table, most)
			if n := limits.Shared(table); n != 2 {
				t.Errorf("%s: %d shared counters, want 2", name, n)
			}
			time.Sleep(time.Minute)
			for i := range most {
				if s := take(t, table, kind(window(5, "new "+strconv.Itoa(i)))); s[0].Remaining != 4 {
					t.Errorf("%s: with room again, key %d: %+v", name, i, s)
				}
			}
		})
	}
}

// R5: so many policies have a shared counter of their own, and keep it; all
// further ones share one.
func TestSharedCountersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(1, nil)
		take(t, table, spend(5, window(5, "full")))
		of := func(i int) store.LimitTake {
			one := window(5, "new")
			one.Policy = strconv.Itoa(i)
			return one
		}
		for i := range 1030 {
			want := min(4, 4+1024-i) // of 5, which the last six share
			if s := take(t, table, of(i))[0]; s.Remaining != max(want, 0) || (s.RetryIn > 0) != (want < 0) {
				t.Errorf("policy %d: %+v, want %d", i, s, want)
			}
		}
		if n := limits.Shared(table); n != 1024+1 {
			t.Errorf("%d shared counters", n)
		}
		if s := take(t, table, of(0))[0]; s.Remaining != 3 {
			t.Errorf("the first policy: %+v", s)
		}
	})
}

// R2, R5: all-or-none holds for what has no room, too: two new keys of a policy
// in a call share a counter, and what does not fit into it takes nothing.
func TestOverflowIsAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(1, nil)
		take(t, table, spend(5, window(5, "full")))
		two := []store.LimitTake{spend(2, window(5, "a")), spend(2, window(5, "b"))}
		if s := take(t, table, two...); !passes(s) {
			t.Errorf("4 of 5: %+v", s)
		}
		account := ofAccount(window(5, "account"))
		for range 3 {
			if s := take(t, table, append(two, account)...); passes(s) || s[0].Remaining != 1 || s[2].Remaining != 5 {
				t.Errorf("8 of 5: %+v", s)
			}
		}
		two[0].Cost, two[1].Cost = 0, 1
		if s := take(t, table, append(two, account)...); !passes(s) || s[2].Remaining != 4 {
			t.Errorf("5 of 5: %+v", s)
		}
	})
}

// R2, R5: what would fit into a shared counter alone, and does not beside
// another of the call, takes nothing; those with room do not count for that.
func TestSharedInOneCall(t *testing.T) {
	for name, one := range map[string]func(n int, key string) store.LimitTake{"window": window, "GCRA": gcra} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(1, nil)
			take(t, table, spend(5, one(5, "full")))
			take(t, table, spend(2, one(5, "x")))
			account := ofAccount(spend(5, one(5, "account")))
			if s := take(t, table, account, spend(2, one(5, "a")), spend(2, one(5, "b"))); passes(s) || s[2].Remaining != 3 {
				t.Errorf("%s, 6 of 5: %+v", name, s)
			}
			if s := take(t, table, account, spend(1, one(5, "a")), spend(2, one(5, "b"))); !passes(s) || s[2].Remaining != 0 {
				t.Errorf("%s, 5 of 5: %+v", name, s)
			}
		})
	}
}

// What a call itself counts by never makes room for it.
func TestRoomIsNotMadeOfTheCallsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 {
			table := limits.New(2, nil)
			take(t, table, gcra(5, "a"), gcra(5, "b"))
			time.Sleep(time.Hour)
			take(t, table, gcra(5, "a"), gcra(5, "new"))
			if left := take(t, table, spend(0, gcra(5, "a")), spend(0, gcra(5, "new"))); left[0].Remaining != 4 || left[1].Remaining != 4 {
				t.Fatalf("what was taken is lost: %+v", left)
			}
			attempts := limits.New(2, nil)
			reserve(t, attempts, guess("a", ""))
			reserve(t, attempts, guess("b", ""))
			time.Sleep(time.Hour)
			reserve(t, attempts, guess("a", ""), guess("new", ""))
			reserve(t, attempts, guess("a", ""), guess("new", ""))
			if s := reserve(t, attempts, guess("a", "")); s != first {
				t.Fatalf("attempts are lost: %+v", s)
			}
			if s := reserve(t, attempts, guess("new", "")); s != first {
				t.Fatalf("attempts are lost: %+v", s)
			}
		}
	})
}

// What is refused makes nobody leave.
func TestRefusedTakesNeedNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(2, nil)
		take(t, table, gcra(5, "a"), spend(5, gcra(5, "full")))
		for i := range 100 {
			take(t, table, gcra(5, "full"), gcra(5, strconv.Itoa(i)))
			take(t, table, spend(0, gcra(5, strconv.Itoa(i))))
		}
		if left := take(t, table, spend(0, gcra(5, "a")))[0].Remaining; left != 4 {
			t.Errorf("%d remain, want 4", left)
		}
	})
}

// R5: in a flood of accounts no lock is lost, no account that is disabled, and
// none with half its guesses.
func TestFloodOfAttempts(t *testing.T) {
	const most, kept = 10_000, 300
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(most, nil)
		lock := func(i int) store.AttemptTake { return guess("locked "+strconv.Itoa(i), "a") }
		half := func(i int) store.AttemptTake { return guess("half "+strconv.Itoa(i), "") }
		disable := func(i int) store.AttemptTake {
			return store.AttemptTake{Policy: "login", Key: "disabled " + strconv.Itoa(i), Account: true, DisableAfter: 2}
		}
		for i := range kept {
			reserve(t, table, half(i))
			for range 2 {
				reserve(t, table, disable(i))
				reserve(t, table, half(i))
			}
			for range 3 {
				reserve(t, table, lock(i))
			}
		}
		time.Sleep(9 * time.Second)
		for i := range flood / 4 {
			if s := reserve(t, table, guess(strconv.Itoa(i), ""), failure(strconv.Itoa(i))); s != passed {
				t.Fatalf("new account %d: %+v", i, s)
			}
		}
		within(t, table, most)
		for i := range kept {
			if s := reserve(t, table, lock(i)); s != locked(time.Second) {
				t.Fatalf("lock %d: %+v", i, s)
			}
			if s := reserve(t, table, disable(i)); !s.Disabled {
				t.Fatalf("disabled %d: %+v", i, s)
			}
		}
		time.Sleep(time.Second)
		for i := range kept {
			if s := reserve(t, table, lock(i)); s != first {
				t.Fatalf("a lock that was: %+v", s)
			}
		}
	})
}

// R5: attempts at accounts without room share a counter; a success gives back
// its own, and Unlock of another leaves it.
func TestOverflowOfAttempts(t *testing.T) {
	const most = 10
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(most, nil)
		for i := range most {
			for range 3 {
				reserve(t, table, guess(strconv.Itoa(i), ""))
			}
		}
		for i := range 20 { // those who know their password
			if s := reserve(t, table, guess("new "+strconv.Itoa(i), "")); s != passed {
				t.Errorf("new account %d: %+v", i, s)
			}
			settle(t, table, guess("new "+strconv.Itoa(i), ""))
		}
		for i, want := range []store.AttemptState{passed, passed, first, locked(10 * time.Second)} {
			if got := reserve(t, table, guess("guessed "+strconv.Itoa(i), "")); got != want {
				t.Errorf("guess %d: got %+v, want %+v", i+1, got, want)
			}
		}
		unlock(t, table, "login", "guessed 0")
		if got := reserve(t, table, guess("guessed 0", "")); got.RetryIn == 0 {
			t.Errorf("after Unlock of one of them: %+v", got)
		}
		unlock(t, table, "login", "0") // now there is room
		if got := reserve(t, table, guess("guessed 0", "")); got != passed {
			t.Errorf("with room again: %+v", got)
		}
		within(t, table, most)
	})
}

// Sweep deletes what is not spent, and nothing else.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(1000, nil)
		all := func() {
			take(t, table, window(5, "a"), ofAccount(window(5, "b")), gcra(60, "a"), ofAccount(spend(2, gcra(60, "b"))))
			reserve(t, table, guess("a", ""), guess("a", "b"), failure("a"))
		}
		all()
		limits.Sweep(table)
		takes, attempts := limits.Len(table)
		if takes != [2]int{2, 2} || attempts != [2]int{1, 2} {
			t.Errorf("%v and %v counters", takes, attempts)
		}
		time.Sleep(time.Second)
		limits.Sweep(table)
		if takes, _ := limits.Len(table); takes != [2]int{1, 2} {
			t.Errorf("a second later: %v counters of takes", takes)
		}
		time.Sleep(time.Minute)
		limits.Sweep(table)
		takes, attempts = limits.Len(table)
		if takes != [2]int{} || attempts != [2]int{} {
			t.Errorf("a minute later: %v and %v counters", takes, attempts)
		}
		within(t, table, 0)
	})
}

// R5: the bound holds when many come at once.
func TestRacesStayWithinTheBound(t *testing.T) {
	const most = 500
	table := limits.New(most, nil)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10_000 {
				key := func() string { return strconv.Itoa(rand.IntN(5000)) }
				switch a, b := key(), key(); rand.IntN(8) {
				case 0:
					settle(t, table, guess(a, b))
				case 1:
					unlock(t, table, "login", a)
				case 2, 3:
					reserve(t, table, guess(a, "own"), guess(a, b), failure(b))
				default:
					take(t, table, gcra(3, a), window(3, b), ofAccount(window(2, b)))
				}
				if rand.IntN(1000) == 0 {
					limits.Sweep(table)
				}
			}
		})
	}
	all.Wait()
	within(t, table, most)
}

// R14: a counter of GCRA takes at most 80 bytes, of a full table.
func TestBytesPerKey(t *testing.T) {
	const n = 100_000
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	table := limits.New(n, nil)
	takes, states := make([]store.LimitTake, 1), make([]store.LimitState, 1)
	for i := range n {
		takes[0] = gcra(5, strconv.Itoa(i))
		if err := table.TakeLimits(t.Context(), takes, states); err != nil {
			t.Fatal(err)
		}
	}
	bytes := float64(heap()-before) / n
	t.Logf("%.1f bytes per key", bytes)
	if bytes > 80 {
		t.Errorf("%.1f bytes per key, over 80", bytes)
	}
	if got, _ := limits.Len(table); got[0] != n {
		t.Errorf("%d keys, want %d", got[0], n)
	}
}

// R5, R10: what many share is never disabled, since no Unlock would end it; and
// a row is forgotten in time, or names that nobody has would fill the table.
func TestRowsWithoutRoom(t *testing.T) {
	const most = 10
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(most, nil)
		with := func(key string) store.AttemptTake {
			take := guess(key, "")
			take.DisableAfter = 100
			return take
		}
		for i := range most {
			for range 60 { // over half
				reserve(t, table, with("nobody "+strconv.Itoa(i)))
				time.Sleep(time.Hour)
			}
		}
		through := 0
		for i := range 300 {
			s := reserve(t, table, with("user "+strconv.Itoa(i)))
			if s.Disabled {
				t.Fatalf("%d wrong attempts at several accounts disabled another one", through)
			}
			if s.RetryIn == 0 {
				through++
			}
			time.Sleep(s.RetryIn)
		}
		if n := limits.Shared(table); n != 1 || through <= 100 {
			t.Fatalf("%d shared counters, %d attempts", n, through)
		}
		time.Sleep(30 * 24 * time.Hour)
		for range 100 {
			reserve(t, table, with("disabled"))
			time.Sleep(time.Hour)
		}
		time.Sleep(366 * 24 * time.Hour)
		limits.Sweep(table)
		if _, n := limits.Len(table); n != [2]int{0, 1} {
			t.Errorf("a year later there are %v counters, want that of who is disabled", n)
		}
		if s := reserve(t, table, with("disabled")); !s.Disabled {
			t.Errorf("got %+v, want disabled", s)
		}
	})
}
