package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// createSession is a session that is there.
func createSession(t *testing.T, st *sqlstore.Store, what string, n int) store.Session {
	t.Helper()
	s := raceSession(what, n)
	if err := st.CreateSession(t.Context(), s, store.SessionRef{}, 0, 0, s.CreatedAt); err != nil {
		t.Fatal(err)
	}
	return s
}

// rotationOf is to a token of that name, with everything else as it is.
func rotationOf(s store.Session, name string) store.SessionRotation {
	return store.SessionRotation{Token: store.DigestOf(name), Identity: s.Identity, SeenAt: s.SeenAt, IdleUntil: s.IdleUntil, ExpiresAt: s.ExpiresAt}
}

// alive reports whether ref finds a session.
func alive(t *testing.T, st *sqlstore.Store, ref store.SessionRef) bool {
	t.Helper()
	_, err := st.SessionByRef(t.Context(), ref, time.Now())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	return err == nil
}

// D4: session calls in a host's transaction take effect with it or not at all.
func TestSessionCallsRunInTheHostsTransaction(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		basket, old, mine, bobs := raceSession("basket", 1), createSession(t, st, "ann", 1), createSession(t, st, "mine", 1), createSession(t, st, "bob", 1)
		basket.Identity, basket.Ref.Tag = authn.Identity{}, "AAAAAAAA"
		if err := st.CreateSession(ctx, basket, store.SessionRef{}, 0, 0, basket.CreatedAt); err != nil {
			t.Fatal(err)
		}
		now := basket.CreatedAt
		login := raceSession("ann", 1)
		login.ID, login.Ref.Token, login.CreatedAt = "login", store.DigestOf("login"), login.CreatedAt.Add(time.Minute)
		for _, commit := range []bool{false, true} {
			tx := begin(t, db)
			in := st.WithTx(ctx, tx)
			next := rotationOf(mine, fmt.Sprint("next", commit))
			err := errors.Join(
				st.CreateSession(in, login, basket.Ref, 1, 0, now), // and old goes
				st.UpdateSessionData(in, mine.Ref, 1, []byte("2"), now),
				st.RotateSession(in, mine.Ref, next, now),
				st.RevokeSessionsOf(in, bobs.Identity.Subject, ""),
			)
			if err != nil {
				t.Fatal(err)
			}
			end := tx.Rollback
			if commit {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			for what, c := range map[string]struct {
				ref   store.SessionRef
				there bool
			}{
				"the new one":   {login.Ref, commit},
				"the basket":    {basket.Ref, !commit},
				"the oldest":    {old.Ref, !commit},
				"the old token": {mine.Ref, !commit},
				"the new token": {store.SessionRef{Tag: mine.Ref.Tag, Token: next.Token}, commit},
				"bob's":         {bobs.Ref, !commit},
			} {
				if alive(t, st, c.ref) != c.there {
					t.Errorf("after commit %v: %s is there: %v", commit, what, !c.there)
				}
			}
			n := raceSession("bob", 1)
			n.ID, n.Ref.Token = "old proof", store.DigestOf("old proof")
			err = st.CreateSession(ctx, n, store.SessionRef{}, 0, time.Hour, now)
			if commit != errors.Is(err, store.ErrConflict) || !commit && err != nil {
				t.Errorf("after commit %v: a login of an old proof: %v", commit, err)
			}
		}
	})
}

// D4: what package store answers inside a host's transaction leaves the
// transaction usable, and has written nothing.
func TestSessionRefusalsLeaveTheTransactionUsable(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		mine, old := createSession(t, st, "ann", 1), createSession(t, st, "old", 1)
		now := mine.CreatedAt
		if err := st.RevokeSessionsOf(ctx, raceOwner("bob", 1), ""); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		in := st.WithTx(ctx, tx)
		missing := raceSession("nobody", 1)
		_, absent := st.SessionByRef(in, missing.Ref, now)
		_, _, cursor := st.ListSessions(in, mine.Identity.Subject, store.Page{Cursor: "x"}, now)
		for _, c := range []struct {
			name      string
			got, want error
		}{
			{"create again", st.CreateSession(in, mine, old.Ref, 1, 0, now), store.ErrExists},
			{"create of an old proof", st.CreateSession(in, raceSession("bob", 1), old.Ref, 1, time.Hour, now), store.ErrConflict},
			{"read none", absent, store.ErrNotFound},
			{"update none", st.UpdateSessionData(in, missing.Ref, 1, nil, now), store.ErrNotFound},
			{"update of another revision", st.UpdateSessionData(in, mine.Ref, 2, nil, now), store.ErrConflict},
			{"rotate none", st.RotateSession(in, missing.Ref, rotationOf(missing, "x"), now), store.ErrNotFound},
			{"revoke none", st.RevokeSession(in, mine.Identity.Subject, "none", now), store.ErrNotFound},
			{"touch none", st.TouchSession(in, missing.Ref, now, now), nil},
			{"delete none", st.DeleteSession(in, missing.Ref), nil},
			{"list after none", cursor, store.ErrNotFound},
			{"create", st.CreateSession(in, raceSession("new", 1), store.SessionRef{}, 1, 0, now), nil},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		for what, s := range map[string]store.Session{"new": raceSession("new", 1), "kept": mine, "not replaced": old} {
			if !alive(t, st, s.Ref) {
				t.Errorf("%s: it is gone", what)
			}
		}
	})
}

// S9, D4: when RevokeSessionsOf has returned, no host's transaction that looked
// before, in the strictest isolation, too, makes a session of what it ended; and
// one that looked before a login and revokes then ends it or fails.
func TestRevokedSessionsHoldAgainstAnOldSnapshot(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		switch b.dialect {
		case sqlstore.MySQL:
			levels = levels[:2] // in the third what was looked at is locked: it cannot be revoked before the end
		case sqlstore.SQLite:
			levels = []sql.IsolationLevel{sql.LevelDefault}
		}
		for _, level := range levels {
			for what, call := range map[string]func(in context.Context, st *sqlstore.Store, s store.Session) error{
				"CreateSession": func(in context.Context, st *sqlstore.Store, s store.Session) error {
					s.Ref.Token, s.ID = store.DigestOf("login"), "login"
					return st.CreateSession(in, s, store.SessionRef{}, 0, time.Hour, s.CreatedAt)
				},
				"RotateSession": func(in context.Context, st *sqlstore.Store, s store.Session) error {
					return st.RotateSession(in, s.Ref, rotationOf(s, "next"), s.CreatedAt)
				},
				"UpdateSessionData": func(in context.Context, st *sqlstore.Store, s store.Session) error {
					return st.UpdateSessionData(in, s.Ref, 1, nil, s.CreatedAt)
				},
			} {
				st, db := b.open(t, nil)
				s := createSession(t, st, "ann", 1)
				tx, in := lookBefore(t, st, db, level, s)
				if err := st.RevokeSessionsOf(t.Context(), s.Identity.Subject, ""); err != nil {
					t.Fatal(err)
				}
				if err := call(in, st, s); err == nil {
					t.Errorf("%v: %s of what was revoked", level, what)
				} else {
					t.Logf("%v: %s: %v", level, what, err)
				}
				tx.Rollback()
			}
			for what, call := range map[string]func(in context.Context, st *sqlstore.Store, s store.Session) error{
				"RevokeSessionsOf": func(in context.Context, st *sqlstore.Store, s store.Session) error {
					return st.RevokeSessionsOf(in, s.Identity.Subject, "")
				},
				"RevokeSession": func(in context.Context, st *sqlstore.Store, s store.Session) error {
					return st.RevokeSession(in, s.Identity.Subject, s.ID, s.CreatedAt)
				},
			} {
				st, db := b.open(t, nil)
				old := createSession(t, st, "ann", 1)
				tx, in := lookBefore(t, st, db, level, old)
				late := raceSession("ann", 1)
				late.ID, late.Ref.Token = "late", store.DigestOf("late")
				if err := st.CreateSession(t.Context(), late, store.SessionRef{}, 0, 0, late.CreatedAt); err != nil {
					t.Fatal(err)
				}
				err := call(in, st, late)
				if err == nil {
					err = tx.Commit()
				}
				t.Logf("%v: %s: %v", level, what, err)
				if tx.Rollback(); err == nil && alive(t, st, late.Ref) {
					t.Errorf("%v: %s left a session that it did not see before", level, what)
				}
			}
		}
	})
}

// lookBefore is a host's transaction that has read s.
func lookBefore(t *testing.T, st *sqlstore.Store, db *sql.DB, level sql.IsolationLevel, s store.Session) (*sql.Tx, context.Context) {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	in := st.WithTx(t.Context(), tx)
	if _, err := st.SessionByRef(in, s.Ref, s.CreatedAt); err != nil {
		t.Fatal(err)
	}
	return tx, in
}

// S9, D4: RevokeSessionsOf and RevokeSession wait for a login and a rotation
// that have begun, in a host's transaction, too: when they return, what those
// made is dead.
func TestRevokingWaitsForSessionsInFlight(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		for what, revoke := range map[string]func(ctx context.Context, st *sqlstore.Store, s store.Session) error{
			"RevokeSessionsOf": func(ctx context.Context, st *sqlstore.Store, s store.Session) error {
				return st.RevokeSessionsOf(ctx, s.Identity.Subject, "")
			},
			"RevokeSession": func(ctx context.Context, st *sqlstore.Store, s store.Session) error {
				return st.RevokeSession(ctx, s.Identity.Subject, s.ID, s.CreatedAt)
			},
		} {
			st, db := b.open(t, nil)
			ctx := t.Context()
			old := createSession(t, st, "ann", 1)
			login := raceSession("bob", 1)
			for name, c := range map[string]struct {
				s    store.Session
				ref  store.SessionRef // after it
				call func(in context.Context) error
			}{
				"rotation": {old, store.SessionRef{Tag: old.Ref.Tag, Token: store.DigestOf("next")}, func(in context.Context) error {
					return st.RotateSession(in, old.Ref, rotationOf(old, "next"), old.CreatedAt)
				}},
				"login": {login, login.Ref, func(in context.Context) error {
					return st.CreateSession(in, login, store.SessionRef{}, 0, 0, login.CreatedAt)
				}},
			} {
				tx := begin(t, db)
				if err := c.call(st.WithTx(ctx, tx)); err != nil {
					t.Fatal(err)
				}
				done := make(chan error, 1)
				go func() { done <- revoke(ctx, st, c.s) }()
				select {
				case err := <-done:
					t.Errorf("%s did not wait for a %s: %v", what, name, err)
					done <- err
				case <-time.After(300 * time.Millisecond):
				}
				if err := tx.Commit(); err != nil {
					t.Fatal(err)
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				if alive(t, st, c.ref) {
					t.Errorf("%s: the %s that it waited for lives", what, name)
				}
			}
		}
	})
}

// S9, D4: a revocation that waits for a row which the host's transaction then
// moves to another token does not miss it. The two may deadlock: then one of
// them has not taken effect.
func TestRevokingMissesNoRotation(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		for what, revoke := range map[string]func(ctx context.Context, st *sqlstore.Store, s store.Session) error{
			"RevokeSessionsOf": func(ctx context.Context, st *sqlstore.Store, s store.Session) error {
				return st.RevokeSessionsOf(ctx, s.Identity.Subject, "")
			},
			"RevokeSession": func(ctx context.Context, st *sqlstore.Store, s store.Session) error {
				return st.RevokeSession(ctx, s.Identity.Subject, s.ID, s.CreatedAt)
			},
		} {
			st, db := b.open(t, nil)
			ctx := t.Context()
			s := createSession(t, st, "ann", 1)
			tx := begin(t, db)
			in := st.WithTx(ctx, tx)
			if err := st.UpdateSessionData(in, s.Ref, 1, []byte("{}"), s.CreatedAt); err != nil { // locks the row
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- revoke(ctx, st, s) }()
			<-time.After(300 * time.Millisecond)
			next := rotationOf(s, "")
			next.Token = store.Digest{31: 1} // before all others
			rotated := st.RotateSession(in, s.Ref, next, s.CreatedAt)
			if rotated == nil {
				rotated = tx.Commit()
			}
			tx.Rollback()
			revoked := <-done
			t.Logf("%s: %v, RotateSession: %v", what, revoked, rotated)
			if revoked != nil {
				t.Errorf("%s: %v", what, revoked)
			}
			for _, ref := range []store.SessionRef{s.Ref, {Tag: s.Ref.Tag, Token: next.Token}} {
				if alive(t, st, ref) {
					t.Errorf("%s has returned %v, and the session lives", what, revoked)
				}
			}
		}
	})
}

// S9: a login that waits in the store, for a connection or for another's lock,
// while everything is revoked, is as old as when it was called.
func TestWaitingMakesNoProofYounger(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		s := raceSession("ann", 1)
		if err := st.RevokeSessionsOf(ctx, s.Identity.Subject, ""); err != nil { // makes the row
			t.Fatal(err)
		}
		for n, age := range []time.Duration{math.MinInt64, 0, time.Microsecond, math.MaxInt64, math.MinInt64, 0, time.Microsecond, math.MaxInt64} {
			if n == 4 { // from here on there is one connection to wait for
				db.SetMaxOpenConns(1)
			}
			tx := begin(t, db)
			if err := st.RevokeSessionsOf(st.WithTx(ctx, tx), s.Identity.Subject, ""); err != nil {
				t.Fatal(err)
			}
			begins, done := make(chan struct{}), make(chan error, 1)
			go func() {
				close(begins)
				done <- st.CreateSession(ctx, s, store.SessionRef{}, 0, age, s.CreatedAt)
			}()
			<-begins
			<-time.After(100 * time.Millisecond)
			// And once more, as late as can be.
			err := st.RevokeSessionsOf(st.WithTx(ctx, tx), s.Identity.Subject, "")
			if err = errors.Join(err, tx.Commit()); err != nil {
				t.Fatal(err)
			}
			if err := <-done; !errors.Is(err, store.ErrConflict) {
				t.Errorf("proven %v ago: %v, want %v", age, err, store.ErrConflict)
			}
		}
		if err := st.CreateSession(ctx, s, store.SessionRef{}, 0, 0, s.CreatedAt); err != nil {
			t.Errorf("proven after it: %v", err)
		}
	})
}

// D4: calls on one subject's sessions wait for each other and never deadlock.
// Those of a host's transaction are not tried again, so that a deadlock would
// show.
func TestSessionCallsDoNotDeadlock(t *testing.T) {
	for _, b := range sqlBackends[:2] { // SQLite has one writer
		t.Run(b.name, func(t *testing.T) {
			st, db := b.open(t, nil)
			first := createSession(t, st, "ann", 1)
			subject, now := first.Identity.Subject, first.CreatedAt
			var tokens atomic.Int64
			var last atomic.Pointer[store.Session] // that was created or rotated
			last.Store(&first)
			calls := []func(ctx context.Context) error{
				func(ctx context.Context) error {
					n, old := first, *last.Load()
					number := tokens.Add(1)
					n.ID, n.Ref.Token = fmt.Sprint(number), store.DigestOf(fmt.Sprint(number))
					n.CreatedAt = now.Add(time.Duration(number) * time.Second)
					err := st.CreateSession(ctx, n, old.Ref, 5, 0, now)
					last.Store(&n)
					return err
				},
				func(ctx context.Context) error {
					n := *last.Load()
					next := rotationOf(n, fmt.Sprint(tokens.Add(1)))
					next.Max = 3
					err := st.RotateSession(ctx, n.Ref, next, now)
					n.Ref.Token = next.Token
					last.CompareAndSwap(last.Load(), &n)
					return err
				},
				func(ctx context.Context) error {
					return st.TouchSession(ctx, last.Load().Ref, now.Add(time.Duration(tokens.Add(1))*time.Minute), now)
				},
				func(ctx context.Context) error {
					return st.UpdateSessionData(ctx, last.Load().Ref, 1, []byte("{}"), now)
				},
				func(ctx context.Context) error { return st.DeleteSession(ctx, last.Load().Ref) },
				func(ctx context.Context) error { return st.RevokeSession(ctx, subject, last.Load().ID, now) },
				func(ctx context.Context) error { return st.RevokeSessionsOf(ctx, subject, last.Load().ID) },
			}
			var wg sync.WaitGroup
			for i := range 14 {
				wg.Go(func() {
					for range 60 {
						tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
						if err != nil {
							t.Error(err)
							return
						}
						err = calls[i%len(calls)](st.WithTx(t.Context(), tx))
						var known *authn.Error
						if err != nil && !errors.As(err, &known) {
							t.Errorf("call %d: %v", i%len(calls), err)
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

// S12, D4: Run deletes sessions that ended over a day ago, by either end, and
// neither live ones nor what is known of subjects.
func TestRunDeletesOldSessions(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		var ahead time.Duration
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, ClockOffset: func() time.Duration { return ahead }})
		ctx := t.Context()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		createSession(t, st, "idle", 1) // for an hour
		live := raceSession("live", 1)
		live.IdleUntil = live.CreatedAt.Add(2 * time.Hour)
		nobodys := raceSession("nobody", 1)
		nobodys.Identity = authn.Identity{}
		for _, s := range []store.Session{live, nobodys} {
			if err := st.CreateSession(ctx, s, store.SessionRef{}, 0, 0, s.CreatedAt); err != nil {
				t.Fatal(err)
			}
		}
		if err := st.RevokeSessionsOf(ctx, "bob", ""); err != nil {
			t.Fatal(err)
		}
		ahead = 25*time.Hour + 30*time.Minute
		sweepOnce(t, st, db, b, schema, "sessions")
		for name, n := range map[string]int{"sessions": 1, "session_subjects": 3} {
			var rows int
			if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+b.table(schema, name)).Scan(&rows); err != nil || rows != n {
				t.Errorf("%d rows of %s, want %d; %v", rows, name, n, err)
			}
		}
		if _, err := st.SessionByRef(ctx, live.Ref, live.CreatedAt); err != nil {
			t.Error(err)
		}
	})
}
