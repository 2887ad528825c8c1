package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: token calls in a host's transaction take effect with it or not at all,
// the revocation that comes with a reuse, too.
func TestTokenCallsRunInTheHostsTransaction(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx, now := t.Context(), time.Now()
		there := raceFamily("there", 1)
		token := raceToken("bob", 1)
		err := st.CreateFamily(ctx, there)
		if err == nil {
			_, err = st.AdvanceFamily(ctx, there.Ref, raceAdvance(1, 0, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, commit := range []bool{false, true} {
			tx := begin(t, db)
			inTx := st.WithTx(ctx, tx)
			f := raceFamily("new", 1)
			if err := st.CreateFamily(inTx, f); err != nil {
				t.Fatal(err)
			}
			if f, err = st.AdvanceFamily(inTx, f.Ref, raceAdvance(1, 0, 0)); err != nil || f.Generation != 2 {
				t.Fatal(f, err)
			}
			if _, err := st.AdvanceFamily(inTx, there.Ref, raceAdvance(1, 0, 0)); !errors.Is(err, store.ErrConflict) {
				t.Fatal(err)
			}
			if err := st.RevokeTokensOf(inTx, token.Subject); err != nil {
				t.Fatal(err)
			}
			if err := st.AddSigningKey(inTx, raceSigningKey("ring", 1, 0), "", time.Time{}); err != nil {
				t.Fatal(err)
			}
			end := tx.Rollback
			if commit {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if _, err := st.Family(ctx, f.Ref); (err == nil) != commit {
				t.Errorf("after commit %v: new family: %v", commit, err)
			}
			if there, err = st.Family(ctx, there.Ref); err != nil || there.RevokedAt.IsZero() == commit {
				t.Errorf("after commit %v: a reused family is revoked at %v, %v", commit, there.RevokedAt, err)
			}
			if reason, err := st.TokenRevoked(ctx, token, now); err != nil || (reason != "") != commit {
				t.Errorf("after commit %v: the subject's token is %q, %v", commit, reason, err)
			}
			if keys, err := st.ListSigningKeys(ctx, now); err != nil || (len(keys) == 1) != commit {
				t.Errorf("after commit %v: %d keys, %v", commit, len(keys), err)
			}
		}
	})
}

// D4: what package store answers inside a host's transaction leaves the
// transaction usable.
func TestTokenRefusalsLeaveTheTransactionUsable(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		f, key := raceFamily("ann", 1), raceSigningKey("ring", 1, 0)
		if err := errors.Join(st.CreateFamily(ctx, f), st.AddSigningKey(ctx, key, "", time.Time{})); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		inTx := st.WithTx(ctx, tx)
		old := raceFamily("ann", 2)
		old.Version = 7
		_, absent := st.Family(inTx, raceFamily("ann", 3).Ref)
		_, later := st.AdvanceFamily(inTx, f.Ref, raceAdvance(5, 0, 0))
		for _, c := range []struct {
			name      string
			got, want error
		}{
			{"create again", st.CreateFamily(inTx, f), store.ErrExists},
			{"create of another version", st.CreateFamily(inTx, old), store.ErrConflict},
			{"read none", absent, store.ErrNotFound},
			{"advance of a later generation", later, store.ErrNotFound},
			{"add with another newest", st.AddSigningKey(inTx, raceSigningKey("ring", 1, 1), "", time.Time{}), store.ErrConflict},
			{"add again", st.AddSigningKey(inTx, key, key.ID, raceNow.Add(time.Hour)), store.ErrExists},
			{"expire none", st.ExpireSigningKey(inTx, "none", raceNow), store.ErrNotFound},
			{"create", st.CreateFamily(inTx, raceFamily("ann", 3)), nil},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := st.Family(ctx, raceFamily("ann", 3).Ref); err != nil {
			t.Error(err)
		}
		// What was refused wrote nothing.
		if keys, err := st.ListSigningKeys(ctx, raceNow); err != nil || len(keys) != 1 || !keys[0].ExpiresAt.IsZero() {
			t.Errorf("the ring is %+v, %v", keys, err)
		}
	})
}

// J24, D4: when RevokeTokensOf has returned, no host's transaction that looked
// before, in the strictest isolation, too, makes a login or a refresh of what it
// ended: it is refused or fails.
func TestRevokedSubjectHoldsAgainstAnOldSnapshot(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		if b.dialect == sqlstore.SQLite {
			levels = []sql.IsolationLevel{sql.LevelDefault}
		}
		for _, level := range levels {
			for what, call := range map[string]func(ctx context.Context, st *sqlstore.Store) error{
				"CreateFamily": func(ctx context.Context, st *sqlstore.Store) error {
					return st.CreateFamily(ctx, raceFamily("ann", 1))
				},
				"AdvanceFamily": func(ctx context.Context, st *sqlstore.Store) error {
					_, err := st.AdvanceFamily(ctx, raceFamily("bob", 1).Ref, raceAdvance(1, 0, 0))
					return err
				},
			} {
				st, db := b.open(t, nil)
				if err := st.CreateFamily(t.Context(), raceFamily("bob", 1)); err != nil {
					t.Fatal(err)
				}
				tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
				if err != nil {
					t.Fatal(err)
				}
				defer tx.Rollback()
				inTx := st.WithTx(t.Context(), tx)
				if _, err := st.Family(inTx, raceFamily("bob", 1).Ref); err != nil { // looks
					t.Fatal(err)
				}
				for _, owner := range []string{"ann", "bob"} {
					if err := st.RevokeTokensOf(t.Context(), raceOwner(owner, 1)); err != nil {
						t.Fatal(err)
					}
				}
				if err := call(inTx, st); err == nil {
					t.Errorf("%v: %s of what was revoked", level, what)
				} else {
					t.Logf("%v: %s: %v", level, what, err)
				}
			}
		}
	})
}

// J24, D4: RevokeTokensOf waits for a login and a refresh that have begun, in a
// host's transaction, too: when it returns, nothing that they made lives.
func TestRevokingWaitsForWhatIsInFlight(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		old, login := raceFamily("ann", 1), raceFamily("ann", 1)
		login.Ref.ID = "login"
		if err := st.CreateFamily(ctx, old); err != nil {
			t.Fatal(err)
		}
		for n, call := range []func(ctx context.Context) error{
			func(ctx context.Context) error {
				_, err := st.AdvanceFamily(ctx, old.Ref, raceAdvance(1, 0, 0))
				return err
			},
			func(ctx context.Context) error {
				login.Version = 2
				return st.CreateFamily(ctx, login)
			},
		} {
			tx := begin(t, db)
			if err := call(st.WithTx(ctx, tx)); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- st.RevokeTokensOf(ctx, old.Subject) }()
			select {
			case err := <-done:
				t.Errorf("call %d: RevokeTokensOf did not wait: %v", n, err)
				done <- err
			case <-time.After(300 * time.Millisecond):
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		for _, f := range []store.RefreshFamily{old, login} {
			for generation := int64(1); generation <= 2; generation++ {
				if _, err := st.AdvanceFamily(ctx, f.Ref, raceAdvance(generation, 0, time.Hour)); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("%s, generation %d: %v", f.Ref.ID, generation, err)
				}
			}
		}
	})
}

// D4: calls on one subject and its families wait for each other and never
// deadlock. Those of a host's transaction are not tried again, so that a
// deadlock would show.
func TestTokenCallsDoNotDeadlock(t *testing.T) {
	for _, b := range sqlBackends[:2] { // SQLite has one writer
		t.Run(b.name, func(t *testing.T) {
			st, db := b.open(t, nil)
			families := []store.RefreshFamily{raceFamily("ann", 1), raceFamily("ann", 1)}
			families[1].Ref.ID = "second"
			for _, f := range families {
				if err := st.CreateFamily(t.Context(), f); err != nil {
					t.Fatal(err)
				}
			}
			calls := []func(ctx context.Context, n int) error{
				func(ctx context.Context, n int) error {
					_, err := st.AdvanceFamily(ctx, families[n%2].Ref, raceAdvance(int64(n/20)+1, 0, time.Hour))
					return err
				},
				func(ctx context.Context, n int) error {
					f := families[0]
					if n%3 > 0 { // else it is there
						f.Ref.ID = fmt.Sprint("new ", n)
					}
					return st.CreateFamily(ctx, f)
				},
				func(ctx context.Context, n int) error {
					return st.RevokeFamily(ctx, families[n%2].Ref, raceNow)
				},
				func(ctx context.Context, n int) error { return st.RevokeTokensOf(ctx, families[0].Subject) },
			}
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					for n := range 60 {
						call := calls[i%2]
						if n > 40 { // and now those that end the others
							call = calls[i%4]
						}
						tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
						if err != nil {
							t.Error(err)
							return
						}
						err = call(st.WithTx(t.Context(), tx), n)
						var known *authn.Error
						if err != nil && !errors.As(err, &known) {
							t.Errorf("call %d: %v", i%4, err)
						}
						if err := tx.Commit(); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// D4: Run deletes what ended over a day ago, all of it at once however much
// there is, and never a subject's version.
func TestRunDeletesOldTokens(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		var ahead time.Duration
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, ClockOffset: func() time.Duration { return ahead }})
		ctx, now := t.Context(), time.Now()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		for n := range 1100 {
			if err := st.RevokeToken(st.WithTx(ctx, tx), raceToken("old", n), now.Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		idle, live := raceFamily("idle", 1), raceFamily("live", 1)
		live.IdleUntil = now.Add(2 * time.Hour)
		err := errors.Join(st.RevokeToken(ctx, raceToken("young", 1), now.Add(2*time.Hour)),
			st.CreateFamily(ctx, idle), st.CreateFamily(ctx, live), st.RevokeTokensOf(ctx, "bob"))
		if err != nil {
			t.Fatal(err)
		}
		ahead = 25*time.Hour + 30*time.Minute
		sweepOnce(t, st, db, b, schema, "refresh_families")
		want := map[string]int{"revoked_tokens": 1, "refresh_families": 1, "token_subjects": 3}
		for name, n := range want {
			var rows int
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+b.table(schema, name)).Scan(&rows); err != nil || rows != n {
				t.Errorf("%d rows of %s, want %d; %v", rows, name, n, err)
			}
		}
		if _, err := st.Family(ctx, live.Ref); err != nil {
			t.Error(err)
		}
		ahead = 0
		if v, err := st.TokenVersion(ctx, "bob", 0); err != nil || v != 2 {
			t.Errorf("version %d, %v", v, err)
		}
	})
}

// sweepOnce runs the first round of Run until it has left one row of a table,
// after those that come before it.
func sweepOnce(t *testing.T, st *sqlstore.Store, db *sql.DB, b sqlBackend, schema, table string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- st.Run(ctx) }()
	for rows := 2; rows > 1 && ctx.Err() == nil; {
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+b.table(schema, table)).Scan(&rows); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
