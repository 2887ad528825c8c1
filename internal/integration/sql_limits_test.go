package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// aWindow takes one of a counter that lets limit in an hour pass.
func aWindow(key string, limit int) store.LimitTake {
	return store.LimitTake{Policy: "login", Key: key, Limit: limit, Period: time.Hour, Cost: 1}
}

// aRate takes one of a counter that lets limit in an hour pass, by GCRA, and as
// many at once.
func aRate(key string, limit int) store.LimitTake {
	return store.LimitTake{Policy: "api", Key: key, GCRA: true, Limit: limit, Burst: limit, Period: time.Hour, Cost: 1}
}

// anAttempt is one of a counter that locks for an hour after n.
func anAttempt(key string, n int) store.AttemptTake {
	return store.AttemptTake{
		Policy: "password", Key: key, Sub: "192.0.2.1", Account: true,
		Tiers: []store.AttemptTier{{N: n, Period: time.Hour, Locks: []time.Duration{time.Hour}}},
	}
}

// sayLimits is sayAll for store.Limits: counters that are new and that are
// there, one of them and several.
func sayLimits(t *testing.T, st *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	for _, keys := range [][]string{{"a"}, {"b", "c"}, {"b", "c", "d"}} {
		var takes []store.LimitTake
		var attempts []store.AttemptTake
		for _, key := range keys {
			takes, attempts = append(takes, aWindow(key, 9), aRate(key, 9)), append(attempts, anAttempt(key, 9))
		}
		states := make([]store.LimitState, len(takes))
		for range 2 {
			_, err := st.ReserveAttempts(ctx, attempts)
			if err := errors.Join(err, st.TakeLimits(ctx, takes, states), st.TakeLimits(ctx, takes[:1], states[:1])); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(st.SettleAttempts(ctx, attempts, true), st.UnlockAttempts(ctx, attempts[0].Policy, attempts[0].Key)); err != nil {
			t.Fatal(err)
		}
	}
}

// D9: a refusal is one statement and one round trip, and what passes is two,
// where nobody else takes from the same counters. What is new, and several on
// dialects that cannot compare several rows and write to them in one statement,
// needs a transaction.
func TestLimitsTakeFewTrips(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx := t.Context()
		db, schema, r := b.record(t)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		take := func(takes ...store.LimitTake) func() error {
			return func() error { return st.TakeLimits(ctx, takes, make([]store.LimitState, len(takes))) }
		}
		reserve := func(takes ...store.AttemptTake) func() error {
			return func() error { _, err := st.ReserveAttempts(ctx, takes); return err }
		}
		client, account, both := anAttempt("client", 64), anAttempt("account", 64), anAttempt("both", 64)
		client.Account = false
		several := 2
		if b.dialect != sqlstore.PostgreSQL {
			several = 3
		}
		for _, c := range []struct {
			name string
			call func() error
			want int
		}{
			{"window", take(aWindow("ann", 64)), 2},
			{"GCRA", take(aRate("ann", 1000)), 2},
			{"nothing taken", take(func() store.LimitTake { l := aWindow("ann", 64); l.Cost = 0; return l }()), 1},
			{"refused", take(aWindow("full", 0)), 1},
			{"several", take(aRate("ann", 1000), aRate("all", 1000), aWindow("bob", 64)), several},
			{"several, refused", take(aRate("ann", 1000), aWindow("full", 0)), 1},
			{"attempt", reserve(client), 2},
			{"attempts", reserve(client, account, both), several},
			{"success", func() error { return st.SettleAttempts(ctx, []store.AttemptTake{client}, true) }, 2},
			{"unlock", func() error { return st.UnlockAttempts(ctx, client.Policy, client.Key) }, 1},
		} {
			for range 2 { // makes the rows, and prepares what is for rows that are there
				if err := c.call(); err != nil {
					t.Fatal(err)
				}
			}
			all, turns := r.during(func() {
				if err := c.call(); err != nil {
					t.Fatal(err)
				}
			})
			n := 0
			for _, s := range all {
				if s.isQuery() {
					n++
				}
			}
			t.Logf("%s: %d statements, %d round trips", c.name, n, turns)
			if n != c.want || c.want < 3 && turns > int64(c.want) {
				t.Errorf("%s says %d statements in %d round trips, want %d: %v", c.name, n, turns, c.want, all)
			}
		}
	})
}

// R3: of 150 callers in one process just as many pass as the limit lets, and
// nobody gets an error, whether the counter is new or not.
func TestManyCallersOfOneLimit(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		for round := range 3 {
			for _, l := range []store.LimitTake{aWindow(fmt.Sprint(round), 40), aRate(fmt.Sprint(round), 40)} {
				var passed, first atomic.Int64
				var wg sync.WaitGroup
				for range 150 {
					wg.Go(func() {
						states := make([]store.LimitState, 1)
						if err := st.TakeLimits(t.Context(), []store.LimitTake{l}, states); err != nil {
							t.Error(err)
						} else if states[0].RetryIn == 0 {
							passed.Add(1)
						}
						if states[0].First {
							first.Add(1)
						}
					})
				}
				wg.Wait()
				if passed.Load() != 40 || first.Load() != 1 {
					t.Errorf("GCRA %v: %d of 150 passed and %d were the first, want 40 and 1", l.GCRA, passed.Load(), first.Load())
				}
			}
		}
	})
}

// D4: a counter that somebody damaged is said to be so, and neither passes nor
// is overwritten. One that is deleted has taken nothing.
func TestDamagedCountersAreSaid(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		ctx := t.Context()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		take := func() error {
			return st.TakeLimits(ctx, []store.LimitTake{aWindow("ann", 2)}, make([]store.LimitState, 1))
		}
		reserve := func() error { _, err := st.ReserveAttempts(ctx, []store.AttemptTake{anAttempt("ann", 2)}); return err }
		for n, state := range []string{"61", strings.Repeat("61", 8), strings.Repeat("ff", 24), strings.Repeat("00", 8*100)} {
			if err := errors.Join(take(), reserve()); err != nil {
				t.Fatal(err)
			}
			literal := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: `'\x` + state + `'`, sqlstore.MySQL: "x'" + state + "'", sqlstore.SQLite: "x'" + state + "'"}[b.dialect]
			for _, table := range []string{"limits", "attempts"} {
				if _, err := db.ExecContext(ctx, "UPDATE "+b.table(schema, table)+" SET state = "+literal); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				for what, err := range map[string]error{"take": take(), "attempt": reserve()} {
					if !errors.Is(err, store.ErrDamaged) {
						t.Errorf("state %d: %s: %v, want %v", n, what, err, store.ErrDamaged)
					}
				}
			}
			for _, table := range []string{"limits", "attempts"} {
				if _, err := db.ExecContext(ctx, "DELETE FROM "+b.table(schema, table)); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
