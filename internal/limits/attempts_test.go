package limits_test

import (
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// guess is an attempt at an account with 3 in a minute, then locks.
func guess(key, sub string) store.AttemptTake {
	return store.AttemptTake{Policy: "login", Key: key, Sub: sub, Account: true, Tiers: []store.AttemptTier{
		{N: 3, Period: time.Minute, Locks: []time.Duration{10 * time.Second, 5 * time.Minute, time.Hour}},
	}}
}

// failure is one of a client, with the same tiers.
func failure(key string) store.AttemptTake {
	take := guess(key, "")
	take.Policy, take.Account = "client", false
	return take
}

func reserve(t testing.TB, table *limits.Table, takes ...store.AttemptTake) store.AttemptState {
	t.Helper()
	s, err := table.ReserveAttempts(t.Context(), takes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func settle(t testing.TB, table *limits.Table, takes ...store.AttemptTake) {
	t.Helper()
	if err := table.SettleAttempts(t.Context(), takes, true); err != nil {
		t.Fatal(err)
	}
}

func unlock(t testing.TB, table *limits.Table, policy, key string) {
	t.Helper()
	if err := table.UnlockAttempts(t.Context(), policy, key); err != nil {
		t.Fatal(err)
	}
}

var (
	passed = store.AttemptState{}
	first  = store.AttemptState{First: true}
)

func locked(d time.Duration) store.AttemptState { return store.AttemptState{RetryIn: d} }

// R10, R11: what becomes of attempts one after the other.
func TestLocks(t *testing.T) {
	const lock, second = 10 * time.Second, 5 * time.Minute
	type step struct {
		after time.Duration
		want  store.AttemptState
	}
	locks := []step{{0, passed}, {0, passed}, {0, first}, {0, locked(lock)}}
	for name, steps := range map[string][]step{
		"the third begins a lock":         locks,
		"slow ones do not":                {{0, passed}, {30 * time.Second, passed}, {30 * time.Second, passed}, {30 * time.Second, passed}},
		"just in time":                    {{0, passed}, {30 * time.Second, passed}, {30*time.Second - 1, first}},
		"a lock does not grow":            append(locks, step{lock - 1, locked(1)}, step{0, locked(1)}, step{1, first}),
		"then one more locks, for longer": append(locks, step{lock, first}, step{0, locked(second)}),
		"unless they are gone": append(locks, step{time.Minute, passed}, step{0, passed}, step{0, first},
			step{0, locked(second)}),
		"the last lock repeats": append(locks, step{lock, first}, step{second, passed}, step{0, passed}, step{0, first}, step{0, locked(time.Hour)},
			step{time.Hour, passed}, step{0, passed}, step{0, first}, step{0, locked(time.Hour)}),
		"a day less a bit after a lock": append(locks, step{lock + 24*time.Hour - 1, passed}, step{0, passed}, step{0, first},
			step{0, locked(second)}),
		"anew a day after a lock": append(locks, step{lock + 24*time.Hour, passed}, step{0, passed}, step{0, first},
			step{0, locked(lock)}),
	} {
		for _, take := range []store.AttemptTake{guess("bob", "a"), failure("203.0.113.7")} {
			synctest.Test(t, func(t *testing.T) {
				table := limits.New(100, nil)
				for i, step := range steps {
					time.Sleep(step.after)
					if got := reserve(t, table, take); got != step.want {
						t.Fatalf("%s, step %d: got %+v, want %+v", name, i+1, got, step.want)
					}
				}
			})
		}
	}
}

// R10: each tier locks by itself, and the longest lock counts.
func TestTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		take := guess("bob", "")
		take.Tiers = append(take.Tiers, store.AttemptTier{N: 5, Period: time.Hour, Locks: []time.Duration{time.Minute}})
		for i, want := range []store.AttemptState{passed, passed, first, passed, first} {
			if got := reserve(t, table, take); got != want {
				t.Errorf("attempt %d: got %+v, want %+v", i+1, got, want)
			}
			if want.First && i == 2 {
				time.Sleep(time.Minute)
			}
		}
		if got := reserve(t, table, take); got != locked(time.Minute) {
			t.Errorf("locked by the second tier: %+v", got)
		}
	})
}

// R10: where one counter refuses, none counts.
func TestAttemptsAreAllOrNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		for range 3 {
			reserve(t, table, guess("bob", ""))
		}
		for range 10 {
			if got := reserve(t, table, failure("client"), guess("bob", ""), guess("eve", "")); got != locked(10*time.Second) {
				t.Fatalf("beside a locked one: %+v", got)
			}
		}
		for i, want := range []store.AttemptState{passed, passed, first} {
			if got := reserve(t, table, failure("client"), guess("eve", "")); got != want {
				t.Errorf("attempt %d: got %+v, want %+v", i+1, got, want)
			}
		}
	})
}

// R11: a success clears the account's counter, of its Sub alone, and gives the
// client back one.
func TestSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		bob, other, client := guess("bob", "a"), guess("bob", "b"), failure("client")
		for range 3 {
			reserve(t, table, other)
		}
		for i, want := range []store.AttemptState{passed, passed, first} {
			if got := reserve(t, table, bob, client); got != want {
				t.Errorf("attempt %d: got %+v, want %+v", i+1, got, want)
			}
		}
		settle(t, table, bob, client)
		if got := reserve(t, table, other); got != locked(10*time.Second) {
			t.Errorf("another Sub: %+v", got)
		}
		for i, want := range []store.AttemptState{passed, passed, first, locked(10 * time.Second)} {
			if got := reserve(t, table, bob); got != want {
				t.Errorf("the account's attempt %d: got %+v, want %+v", i+1, got, want)
			}
		}
		for i, want := range []store.AttemptState{first, locked(10 * time.Second)} { // by its first lock again
			if got := reserve(t, table, client); got != want {
				t.Errorf("the client's attempt %d: got %+v, want %+v", i+3, got, want)
			}
		}
		settle(t, table, guess("nobody", ""), failure("nobody"))
		if _, attempts := limits.Len(table); attempts != [2]int{1, 2} { // what was settled made none
			t.Errorf("%v counters", attempts)
		}
		settle(t, table, bob)
		settle(t, table, other)
		within(t, table, 1) // and of what is cleared nothing is left
	})
}

// R11: a client that guesses and succeeds in turn gains nothing by it.
func TestSuccessesDoNotHideFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		client := failure("client")
		for i, want := range []store.AttemptState{passed, passed, first} {
			if i < 2 {
				reserve(t, table, client)
				settle(t, table, client)
			}
			if got := reserve(t, table, client); got != want {
				t.Errorf("guess %d: got %+v, want %+v", i+1, got, want)
			}
		}
	})
}

// R11: of a hundred guesses at once three pass, and one of them is First.
func TestRacesReserveExactlyN(t *testing.T) {
	table := limits.New(100, nil)
	var n, firsts atomic.Int64
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			takes := []store.AttemptTake{guess("bob", ""), guess("bob", "a"), failure("client")}
			if i%2 == 0 {
				takes[0], takes[2] = takes[2], takes[0]
			}
			s := reserve(t, table, takes...)
			if s.RetryIn == 0 {
				n.Add(1)
			}
			if s.First {
				firsts.Add(1)
			}
		})
	}
	all.Wait()
	if n.Load() != 3 || firsts.Load() != 1 {
		t.Errorf("%d passed and %d were First, not 3 and 1", n.Load(), firsts.Load())
	}
}

// R10: DisableAfter is for those in a row, and ends by UnlockAttempts only.
func TestDisableAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		bob := store.AttemptTake{Policy: "login", Key: "bob", Account: true, DisableAfter: 3}
		disabled := store.AttemptState{Disabled: true}
		attempt := func(what string, want store.AttemptState) {
			t.Helper()
			time.Sleep(30 * time.Hour)
			limits.Sweep(table)
			if got := reserve(t, table, bob); got != want {
				t.Errorf("%s: got %+v, want %+v", what, got, want)
			}
		}
		attempt("1", passed)
		attempt("2", passed)
		settle(t, table, bob)
		attempt("1 after a success", passed)
		attempt("2 after a success", passed)
		attempt("3 after a success", first)
		settle(t, table, bob) // it was the right one
		attempt("1", passed)
		attempt("2", passed)
		attempt("3", first)
		attempt("4", disabled)
		attempt("5", disabled)
		unlock(t, table, "login", "bob")
		attempt("after Unlock", passed)
	})
}

// R11: who was not looked at is not counted towards DisableAfter.
func TestCancelledAttemptsDisableNobody(t *testing.T) {
	table := limits.New(100, nil)
	bob := []store.AttemptTake{{Policy: "login", Key: "bob", Account: true, DisableAfter: 3}}
	for range 10 {
		if got := reserve(t, table, bob...); got != passed {
			t.Fatalf("got %+v", got)
		}
		if err := table.SettleAttempts(t.Context(), bob, false); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []store.AttemptState{passed, passed, first} {
		if got := reserve(t, table, bob...); got != want {
			t.Errorf("attempt %d: got %+v, want %+v", i+1, got, want)
		}
	}
}

// A row of wrong attempts is forgotten after 30 days.
func TestRowIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		reserve(t, table, store.AttemptTake{Policy: "login", Key: "bob", Account: true, DisableAfter: 3})
		for _, c := range []struct {
			after time.Duration
			want  int
		}{{30*24*time.Hour - 1, 1}, {1, 0}} {
			time.Sleep(c.after)
			limits.Sweep(table)
			if _, n := limits.Len(table); n != [2]int{0, c.want} {
				t.Errorf("%v later: %v counters, want %d", c.after, n, c.want)
			}
		}
	})
}

// However many attempts lie within Period, N of them are remembered.
func TestNAttemptsAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		take := store.AttemptTake{Policy: "login", Key: "bob", Tiers: []store.AttemptTier{
			{N: 3, Period: 24 * time.Hour, Locks: []time.Duration{time.Second}},
		}}
		for range 100 {
			reserve(t, table, take)
			time.Sleep(time.Second)
		}
		if n := limits.LongestLog(table); n != 3 {
			t.Errorf("%d attempts are remembered, want 3", n)
		}
	})
}

// R13: Unlock ends all Subs of its key, and nothing else.
func TestUnlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(1000, nil)
		names := [][2]string{{"bob", ""}, {"bob", "a"}, {"bo", "ba"}, {"eve", "bob"}}
		for _, name := range names {
			for range 3 {
				reserve(t, table, guess(name[0], name[1]))
			}
		}
		for range 3 {
			reserve(t, table, failure("bob"))
		}
		unlock(t, table, "login", "bob")
		unlock(t, table, "login", "nobody")
		for _, name := range names {
			if got := reserve(t, table, guess(name[0], name[1])); (got == passed) != (name[0] == "bob") {
				t.Errorf("%q: %+v", name, got)
			}
		}
		if got := reserve(t, table, failure("bob")); got == passed {
			t.Error("another policy was unlocked")
		}
	})
}

// Of more than 64 Subs of a Key the further ones share a counter, until others
// are gone. Unlock ends that one, too.
func TestManySubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(1000, nil)
		for i := range 64 {
			for range 2 {
				if got := reserve(t, table, guess("bob", strconv.Itoa(i))); got != passed {
					t.Errorf("Sub %d: %+v", i, got)
				}
			}
		}
		for i, want := range []store.AttemptState{passed, passed, first, locked(10 * time.Second)} {
			if got := reserve(t, table, guess("bob", "further "+strconv.Itoa(i))); got != want {
				t.Errorf("further Sub %d: got %+v, want %+v", i, got, want)
			}
		}
		if got := reserve(t, table, guess("bob", "63")); got != first {
			t.Errorf("the 64th Sub: %+v", got)
		}
		if got := reserve(t, table, guess("eve", "further")); got != passed {
			t.Errorf("another key: %+v", got)
		}
		time.Sleep(10 * time.Second)
		for range 2 { // the first of them locks again, and did not guess wrong
			if got := reserve(t, table, guess("bob", "further")); got != first {
				t.Errorf("further Sub after the lock: %+v", got)
			}
			settle(t, table, guess("bob", "further"))
		}
		unlock(t, table, "login", "bob")
		for range 2 {
			for i := range 64 {
				reserve(t, table, guess("bob", strconv.Itoa(i)))
			}
		}
		if got := reserve(t, table, guess("bob", "further")); got != passed {
			t.Errorf("further Sub after Unlock: %+v", got)
		}
		time.Sleep(time.Minute) // nothing is left of any
		for i, want := range []store.AttemptState{passed, passed, first} {
			if got := reserve(t, table, guess("bob", "later")); got != want {
				t.Errorf("attempt %d of a later Sub: got %+v, want %+v", i+1, got, want)
			}
			if i < 2 {
				reserve(t, table, guess("bob", "later than that"))
			}
		}
		takes, attempts := limits.Len(table)
		if counted, _ := limits.Counted(table); takes != counted {
			t.Errorf("%v counters of takes, counted %v", counted, takes)
		}
		if _, counted := limits.Counted(table); attempts != counted || counted[1] != 1+2 {
			t.Errorf("%v counters of attempts, counted %v", counted, attempts)
		}
	})
}

// Changed tiers take effect at once.
func TestChangedTiers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		take := guess("bob", "")
		take.Tiers[0].Locks = []time.Duration{time.Hour}
		for range 3 {
			reserve(t, table, take)
		}
		take.Tiers[0].Locks = []time.Duration{time.Minute}
		if got := reserve(t, table, take); got != locked(time.Minute) {
			t.Errorf("with a shorter lock: %+v", got)
		}
		time.Sleep(time.Minute - 1)
		if got := reserve(t, table, take); got != locked(1) {
			t.Errorf("before its end: %+v", got)
		}
		time.Sleep(time.Nanosecond)
		if got := reserve(t, table, take); got.RetryIn != 0 {
			t.Errorf("after its end: %+v", got)
		}
		take.Tiers = nil
		if got := reserve(t, table, take); got != passed {
			t.Errorf("without tiers: %+v", got)
		}
		take.Tiers = guess("", "").Tiers
		take.Tiers[0].N = 64
		unlock(t, table, take.Policy, take.Key)
		for range 10 {
			reserve(t, table, take)
		}
		take.Tiers[0].N = 5
		if got := reserve(t, table, take); got != first {
			t.Errorf("with a lower N: %+v", got)
		}
	})
}

// Bad attempts are errors, and count nothing.
func TestBadAttemptsAreErrors(t *testing.T) {
	table := limits.New(100, nil)
	edit := func(f func(*store.AttemptTake)) store.AttemptTake {
		take := guess("bad", "")
		f(&take)
		return take
	}
	for name, bad := range map[string]store.AttemptTake{
		"N of 0":                    edit(func(take *store.AttemptTake) { take.Tiers[0].N = 0 }),
		"N over MaxWindow":          edit(func(take *store.AttemptTake) { take.Tiers[0].N = store.MaxWindow + 1 }),
		"no Period":                 edit(func(take *store.AttemptTake) { take.Tiers[0].Period = 0 }),
		"Period under 1 ms":         edit(func(take *store.AttemptTake) { take.Tiers[0].Period = time.Millisecond - 1 }),
		"no Locks":                  edit(func(take *store.AttemptTake) { take.Tiers[0].Locks = nil }),
		"a lock of 0":               edit(func(take *store.AttemptTake) { take.Tiers[0].Locks[1] = 0 }),
		"a lock under 0":            edit(func(take *store.AttemptTake) { take.Tiers[0].Locks[2] = -time.Hour }),
		"too many tiers":            edit(func(take *store.AttemptTake) { take.Tiers = make([]store.AttemptTier, store.MaxTiers+1) }),
		"DisableAfter under 0":      edit(func(take *store.AttemptTake) { take.DisableAfter = -1 }),
		"the same counter":          guess("good", ""),
		"the second tier is nought": edit(func(take *store.AttemptTake) { take.Tiers = append(take.Tiers, store.AttemptTier{}) }),
	} {
		takes := []store.AttemptTake{guess("good", ""), bad}
		if _, err := table.ReserveAttempts(t.Context(), takes); err == nil {
			t.Errorf("Reserve, %s: no error", name)
		}
		if err := table.SettleAttempts(t.Context(), takes, true); err == nil {
			t.Errorf("Settle, %s: no error", name)
		}
	}
	if _, attempts := limits.Len(table); attempts != [2]int{} {
		t.Errorf("bad attempts made counters: %v", attempts)
	}
	least := guess("eve", "")
	for range store.MaxTiers {
		least.Tiers = append(least.Tiers, store.AttemptTier{N: 1, Period: time.Millisecond, Locks: []time.Duration{time.Millisecond}})
	}
	least.Tiers = least.Tiers[1:]
	if got := reserve(t, table, least); got != first {
		t.Errorf("as little and as many as may be: %+v", got)
	}
	most := guess("bob", "")
	most.Tiers[0].Locks = []time.Duration{1<<63 - 1}
	most.Tiers[0].Period = 1<<63 - 1
	for range 3 {
		reserve(t, table, most)
	}
	if got := reserve(t, table, most); got.RetryIn <= 0 {
		t.Errorf("an endless lock: %+v", got)
	}
}
