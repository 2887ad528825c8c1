package limits_test

import (
	"math"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn/internal/limits"
	"github.com/gatehouse-go/authn/store"
)

// window is a take of one of n in a minute.
func window(n int, key string) store.LimitTake {
	return store.LimitTake{Policy: "window", Key: key, Limit: n, Period: time.Minute, Cost: 1}
}

// gcra is a take of one of 60 in a minute, burst at once.
func gcra(burst int, key string) store.LimitTake {
	return store.LimitTake{Policy: "gcra", Key: key, GCRA: true, Limit: 60, Burst: burst, Period: time.Minute, Cost: 1}
}

func take(t testing.TB, table *limits.Table, takes ...store.LimitTake) []store.LimitState {
	t.Helper()
	states := make([]store.LimitState, len(takes))
	if err := table.TakeLimits(t.Context(), takes, states); err != nil {
		t.Fatal(err)
	}
	return states
}

func passes(states []store.LimitState) bool {
	for _, s := range states {
		if s.RetryIn > 0 {
			return false
		}
	}
	return true
}

// R3: a hundred goroutines get exactly what there is, and nobody an error.
func TestRacesTakeExactlyTheLimit(t *testing.T) {
	for name, one := range map[string]store.LimitTake{"window": window(5, "k"), "GCRA": gcra(5, "k")} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(100, nil)
			other := window(64, "other")
			var mu sync.Mutex
			var all sync.WaitGroup
			passed := 0
			for i := range 100 {
				all.Go(func() {
					takes := []store.LimitTake{one, other}
					if i%2 == 0 { // the other way round: nobody waits for a lock for ever
						takes = []store.LimitTake{other, one}
					}
					if passes(take(t, table, takes...)) {
						mu.Lock()
						passed++
						mu.Unlock()
					}
				})
			}
			all.Wait()
			if passed != 5 {
				t.Errorf("%s: %d of 100 passed, not 5", name, passed)
			}
			if left := take(t, table, window(64, "other"))[0].Remaining; left != 64-5-1 {
				t.Errorf("%s: what was refused took from the other: %d remain", name, left)
			}
		})
	}
}

// R1: a take at exactly Period after the oldest passes, as does one of GCRA when
// it says so.
func TestRetryInIsExact(t *testing.T) {
	for name, one := range map[string]store.LimitTake{"window": window(3, "k"), "GCRA": gcra(3, "k")} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(100, nil)
			for i := range 3 {
				if s := take(t, table, one)[0]; s.RetryIn != 0 || s.Remaining != 2-i {
					t.Errorf("%s: take %d: %+v", name, i+1, s)
				}
			}
			wait := take(t, table, one)[0].RetryIn
			time.Sleep(wait - 1)
			if s := take(t, table, one)[0]; s.RetryIn != 1 {
				t.Errorf("%s: a nanosecond early: %+v", name, s)
			}
			time.Sleep(time.Nanosecond)
			if s := take(t, table, one)[0]; s.RetryIn != 0 {
				t.Errorf("%s: in time: %+v", name, s)
			}
		})
	}
}

// R7: what is changed takes effect at once: what was counted stands, within what
// the new limit could have counted.
func TestChangedLimits(t *testing.T) {
	all := func(n int, take store.LimitTake) store.LimitTake {
		take.Cost = n
		return take
	}
	minutes := func(n int, take store.LimitTake) store.LimitTake {
		take.Period = time.Duration(n) * time.Minute
		return take
	}
	hour := gcra(10, "k")
	hour.Period, hour.Limit = time.Hour, 10
	for _, row := range []struct {
		name          string
		before, after store.LimitTake
		want          store.LimitState
	}{
		{"window raised", all(3, window(3, "k")), window(5, "k"), store.LimitState{Remaining: 1, ResetIn: time.Minute}},
		{"window lowered", all(5, window(5, "k")), window(3, "k"), store.LimitState{ResetIn: time.Minute, RetryIn: time.Minute, First: true}},
		{"window to 0", all(1, window(5, "k")), window(0, "k"), store.LimitState{RetryIn: time.Minute, First: true}},
		{"GCRA with more burst", all(3, gcra(3, "k")), gcra(5, "k"), store.LimitState{Remaining: 1, ResetIn: 4 * time.Second}},
		{"GCRA with less burst", all(5, gcra(5, "k")), gcra(3, "k"), store.LimitState{ResetIn: 3 * time.Second, RetryIn: time.Second, First: true}},
		{"faster GCRA", all(10, hour), gcra(10, "k"), store.LimitState{ResetIn: 10 * time.Second, RetryIn: time.Second, First: true}},
		{"GCRA of a longer period", all(5, gcra(5, "k")), minutes(60, gcra(5, "k")), store.LimitState{Remaining: 3, ResetIn: time.Minute + 5*time.Second}},
		{"GCRA of a shorter period", all(1, minutes(60, gcra(5, "k"))), gcra(5, "k"), store.LimitState{ResetIn: 5 * time.Second, RetryIn: time.Second, First: true}},
		{"slower GCRA", all(10, gcra(10, "k")), hour, store.LimitState{Remaining: 8, ResetIn: 10*time.Second + 6*time.Minute}},
	} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(100, nil)
			if !passes(take(t, table, row.before)) {
				t.Fatalf("%s: refused before", row.name)
			}
			if got := take(t, table, row.after)[0]; got != row.want {
				t.Errorf("%s:\ngot  %+v\nwant %+v", row.name, got, row.want)
			}
			if row.want.RetryIn == 0 || row.after.Limit == 0 {
				return
			}
			time.Sleep(row.want.RetryIn - 1)
			if got := take(t, table, row.after)[0]; got.RetryIn != 1 {
				t.Errorf("%s, before RetryIn: %+v", row.name, got)
			}
			time.Sleep(time.Nanosecond)
			if got := take(t, table, row.after)[0]; got.RetryIn != 0 {
				t.Errorf("%s, after RetryIn: %+v", row.name, got)
			}
		})
	}
}

// R4: each of several takes says how it stands.
func TestStatesOfSeveral(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		want := []store.LimitState{{Remaining: 4, ResetIn: time.Minute}, {Remaining: 2, ResetIn: time.Second}}
		if got := take(t, table, window(5, "k"), gcra(3, "k")); !slices.Equal(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	})
}

// R1: where Period is no multiple of Limit, GCRA lets pass too late rather than
// too early: never more than Limit after the first within Period.
func TestGCRARoundsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		one := store.LimitTake{Policy: "p", Key: "k", GCRA: true, Limit: 7, Burst: 1, Period: time.Second, Cost: 1}
		take(t, table, one)
		if got := take(t, table, one)[0].RetryIn; got != 142_858*time.Microsecond { // 142 857.14
			t.Errorf("one in %v", got)
		}
	})
}

// R8: what cannot pass is refused for ever, and takes nothing.
func TestWhatNeverPasses(t *testing.T) {
	cost := func(n int, take store.LimitTake) store.LimitTake {
		take.Cost = n
		return take
	}
	none := gcra(1, "k")
	none.Limit = 0
	for name, one := range map[string]store.LimitTake{
		"window of 0": window(0, "k"), "window of 0, costs nothing": cost(0, window(0, "k")),
		"GCRA of 0": none, "GCRA of 0, costs nothing": cost(0, none),
		"window": cost(6, window(5, "k")), "GCRA": cost(6, gcra(5, "k")),
		"most": cost(math.MaxInt, gcra(5, "k")), "most of a window": cost(math.MaxInt, window(5, "k")),
	} {
		table := limits.New(100, nil)
		for i := range 3 {
			got := take(t, table, one)[0]
			if got.RetryIn != one.Period || got.First != (i == 0) || got.ResetIn != 0 {
				t.Errorf("%s, %d: %+v", name, i, got)
			}
		}
		if one.Limit == 0 {
			continue
		}
		if one.Cost = 5; !passes(take(t, table, one)) {
			t.Errorf("%s: what was refused took something", name)
		}
	}
}

// R9: First is once a Period.
func TestFirstIsOnceAPeriod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := limits.New(100, nil)
		one := window(1, "k")
		one.Cost = 2
		for _, row := range []struct {
			after time.Duration
			want  bool
		}{{0, true}, {0, false}, {time.Minute - 1, false}, {1, true}, {1, false}} {
			time.Sleep(row.after)
			if got := take(t, table, one)[0]; got.First != row.want {
				t.Errorf("%v later: %+v", row.after, got)
			}
		}
		other := gcra(1, "k")
		take(t, table, other)
		time.Sleep(time.Second)
		if got := take(t, table, one, other); got[0].RetryIn == 0 || got[1] != (store.LimitState{Remaining: 1}) {
			t.Errorf("beside what is refused: %+v", got)
		}
		take(t, table, other)
		if got := take(t, table, other)[0]; !got.First {
			t.Errorf("its own first refusal: %+v", got)
		}
	})
}

// Huge periods and bursts overflow nothing.
func TestHugeLimitsDoNotOverflow(t *testing.T) {
	const most = math.MaxInt64
	for name, one := range map[string]store.LimitTake{
		"burst":              {GCRA: true, Limit: 1, Burst: math.MaxInt, Period: time.Hour},
		"burst that wraps":   {GCRA: true, Limit: 1, Burst: 5_124_096, Period: time.Hour}, // 2^64 ns and 25 min
		"burst of most":      {GCRA: true, Limit: 1, Burst: math.MaxInt, Period: most},
		"period":             {GCRA: true, Limit: 1, Burst: 1, Period: most},
		"limit":              {GCRA: true, Limit: min(math.MaxInt, 92_233_720_368_547), Burst: math.MaxInt, Period: most}, // of 100 µs each
		"window":             {Limit: 1, Period: most},
		"many of the window": {Limit: 64, Period: most},
	} {
		synctest.Test(t, func(t *testing.T) {
			table := limits.New(100, nil)
			for i, cost := range []int{1, 0, one.Limit, max(one.Burst, 1), math.MaxInt, 1} {
				one.Cost = cost
				s := take(t, table, one)[0]
				if i == 0 && s.RetryIn > 0 {
					t.Errorf("%s, the first: %+v", name, s)
				}
				if s.Remaining < 0 || s.ResetIn < 0 || s.RetryIn < 0 {
					t.Errorf("%s, a take of %d: %+v", name, cost, s)
				}
				time.Sleep(time.Hour)
			}
			one.Cost = 1
			if one.Burst == 1 || one.Limit == 1 && one.Burst == 0 {
				if passes(take(t, table, one)) {
					t.Errorf("%s: one more passes", name)
				}
			}
		})
	}
}

// R8: bad takes are errors, and take nothing from any counter.
func TestBadTakesAreErrors(t *testing.T) {
	edit := func(take store.LimitTake, f func(*store.LimitTake)) store.LimitTake {
		f(&take)
		return take
	}
	table := limits.New(100, nil)
	for name, bad := range map[string]store.LimitTake{
		"Limit under 0":         window(-1, "bad"),
		"Limit over MaxWindow":  window(store.MaxWindow+1, "bad"),
		"Burst of a window":     edit(window(1, "bad"), func(take *store.LimitTake) { take.Burst = 1 }),
		"no Burst":              gcra(0, "bad"),
		"Burst under 0":         gcra(-1, "bad"),
		"GCRA's Limit under 0":  edit(gcra(1, "bad"), func(take *store.LimitTake) { take.Limit = -1 }),
		"Cost under 0":          edit(gcra(1, "bad"), func(take *store.LimitTake) { take.Cost = -1 }),
		"no Period":             edit(gcra(1, "bad"), func(take *store.LimitTake) { take.Period = 0 }),
		"Period under 0":        edit(window(1, "bad"), func(take *store.LimitTake) { take.Period = -time.Hour }),
		"Period under 1 ms":     edit(window(1, "bad"), func(take *store.LimitTake) { take.Period = time.Millisecond - 1 }),
		"one in under 100 µs":   edit(gcra(1, "bad"), func(take *store.LimitTake) { take.Limit = 600_001 }),
		"one in nearly nothing": edit(gcra(1, "bad"), func(take *store.LimitTake) { take.Limit = math.MaxInt }),
		"a window's as GCRA":    edit(window(5, "bad"), func(take *store.LimitTake) { take.GCRA = true }),
		"GCRA's as a window":    edit(gcra(5, "bad"), func(take *store.LimitTake) { take.GCRA = false }),
		"the same counter":      window(5, "good"),
	} {
		take(t, table, gcra(5, "known"))
		states := make([]store.LimitState, 2)
		if err := table.TakeLimits(t.Context(), []store.LimitTake{window(5, "good"), bad}, states); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := table.TakeLimits(t.Context(), []store.LimitTake{bad}, states[:1]); (err == nil) != (name == "the same counter") {
			t.Errorf("%s, alone: %v", name, err)
		}
	}
	for _, n := range []int{0, 2} {
		if err := table.TakeLimits(t.Context(), []store.LimitTake{window(5, "good")}, make([]store.LimitState, n)); err == nil {
			t.Errorf("%d states of one take: no error", n)
		}
	}
	if left := take(t, table, window(5, "good"))[0].Remaining; left != 3 { // one was taken alone
		t.Errorf("bad takes took: %d remain", left)
	}
	if !passes(take(t, table, edit(gcra(1, "k"), func(take *store.LimitTake) { take.Limit = 600_000 }))) {
		t.Error("one in 100 µs is refused")
	}
	if !passes(take(t, table, edit(window(1, "k"), func(take *store.LimitTake) { take.Period = time.Millisecond }))) {
		t.Error("one in 1 ms is refused")
	}
}

// What is remembered of policies is bounded, whatever quotas their keys have,
// and names nobody.
func TestPlansAreBounded(t *testing.T) {
	table := limits.New(100, nil)
	for i := range 100 {
		take(t, table, window(1+i%64, "k"), gcra(1+i, "k"))
	}
	if got := limits.Planned(table); !slices.Equal(got, []string{"window", "gcra"}) {
		t.Errorf("of two policies: %q", got)
	}
	for i := range 100 {
		one := window(5, "k")
		one.Policy = strconv.Itoa(i)
		take(t, table, one)
	}
	if got := limits.Planned(table); len(got) != 16 {
		t.Errorf("of many policies: %q", got)
	}
}

// R8: names that are the same when they are joined are not the same.
func TestNamesDoNotCollide(t *testing.T) {
	table := limits.New(100, nil)
	for _, name := range [][2]string{{"a", "b:c"}, {"a:b", "c"}, {"a", "b"}, {"ab", ""}, {"", "ab"}, {"b", "a"}, {"a", "a"}, {"b", "b"}, {"", ""}} {
		one := window(1, name[1])
		if one.Policy = name[0]; !passes(take(t, table, one)) {
			t.Errorf("%q is counted with another", name)
		}
	}
}

// R14: what a request usually takes allocates nothing.
func TestTakesDoNotAllocate(t *testing.T) {
	for n := 1; n <= 4; n++ {
		table := limits.New(100, nil)
		takes := []store.LimitTake{gcra(5, "a"), window(64, "b"), window(5, "c"), gcra(1000, "d")}[:n]
		states := make([]store.LimitState, n)
		for range 10 {
			if err := table.TakeLimits(t.Context(), takes, states); err != nil {
				t.Fatal(err)
			}
		}
		ctx := t.Context()
		if allocs := testing.AllocsPerRun(100, func() { _ = table.TakeLimits(ctx, takes, states) }); allocs > 0 {
			t.Errorf("%d takes: %v allocations", n, allocs)
		}
	}
	table := limits.New(100, nil)
	takes, states := make([]store.LimitTake, 9), make([]store.LimitState, 9)
	for i := range takes {
		takes[i] = window(5, string(rune('a'+i)))
	}
	if err := table.TakeLimits(t.Context(), takes, states); err != nil || states[8].Remaining != 4 {
		t.Errorf("nine takes: %v, %+v", err, states)
	}
}
