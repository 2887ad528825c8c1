package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// usePasswordsAndLimits makes a call of each kind that uses a table.
func usePasswordsAndLimits(ctx context.Context, st *sqlstore.Store, what string) error {
	link := raceLink(what, 1, 0)
	_ = st.DeletePassword(ctx, racePassword(what, 1).Subject)
	err := errors.Join(
		st.RevokeOneTimeOf(ctx, link.Subject),
		st.CreatePassword(ctx, racePassword(what, 1), raceNow),
		st.CreateOneTime(ctx, link, 1, raceNow),
		st.TakeLimits(ctx, []store.LimitTake{aWindow(what, 5), aWindow(what+" 2", 5)}, make([]store.LimitState, 2)),
		st.SettleAttempts(ctx, []store.AttemptTake{anAttempt(what, 5)}, true),
		st.UnlockAttempts(ctx, "password", what),
	)
	_, claim := st.ClaimOneTime(ctx, link.Digest, raceNow)
	_, attempt := st.ReserveAttempts(ctx, []store.AttemptTake{anAttempt(what, 5)})
	return errors.Join(err, claim, attempt)
}

// sayPasswords is sayAll for store.PasswordTable and store.OneTime.
func sayPasswords(t *testing.T, st *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	p, link := racePassword("say", 1), raceLink("say", 1, 0)
	_, byName := st.PasswordByName(ctx, "k7")
	_, bySubject := st.PasswordBySubject(ctx, "k7")
	err := errors.Join(
		byName, bySubject,
		st.CreatePassword(ctx, p, raceNow),
		st.ReplacePasswordHash(ctx, p.Subject, p.Hash, "next", raceNow),
		st.DeletePassword(ctx, p.Subject),
		st.CreateOneTime(ctx, link, 1, raceNow),
		st.CreateOneTime(ctx, raceLink("say", 1, 1), 0, raceNow),
	)
	_, read := st.OneTimeByDigest(ctx, link.Digest, raceNow)
	_, claim := st.ClaimOneTime(ctx, link.Digest, raceNow)
	if err := errors.Join(err, read, claim, st.RevokeOneTimeOf(ctx, link.Subject)); err != nil {
		t.Fatal(err)
	}
}

// D4: what a column would change, cut or not take is refused before the
// database, and what no row can have is not there.
func TestHostilePasswordValues(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx, now := t.Context(), raceNow
		far := time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		conflict := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s: %v, want %v", what, err, store.ErrConflict)
			}
		}
		ann, link := racePassword("ann", 1), raceLink("ann", 1, 0)
		if err := st.CreatePassword(ctx, ann, now); err != nil {
			t.Fatal(err)
		}
		for _, text := range append(hostileTexts, strings.Repeat("x", 1025)) {
			long := len(text) == 300 // a hash and what a link is bound to may be as long
			for field, p := range map[string]store.Password{"Subject": {Subject: text, Name: "x"}, "Name": {Subject: "x", Name: text}, "Hash": {Subject: "x", Name: "x", Hash: text}} {
				if field != "Hash" || !long {
					wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), st.CreatePassword(ctx, p, now))
				}
			}
			_, byName := st.PasswordByName(ctx, text)
			wantAbsent(t, "PasswordByName", byName)
			_, bySubject := st.PasswordBySubject(ctx, text)
			wantAbsent(t, "PasswordBySubject", bySubject)
			conflict("of nobody", st.ReplacePasswordHash(ctx, text, "", "next", now))
			conflict("of no hash", st.ReplacePasswordHash(ctx, ann.Subject, text, "next", now))
			if !long {
				wantRefusedHere(t, "the next hash", st.ReplacePasswordHash(ctx, ann.Subject, ann.Hash, text, now))
			}
			if err := st.DeletePassword(ctx, text); err != nil {
				t.Errorf("deleting nobody: %v", err)
			}
			for field, change := range map[string]func(k *store.OneTimeToken){
				"Purpose": func(k *store.OneTimeToken) { k.Purpose = text },
				"Subject": func(k *store.OneTimeToken) { k.Subject = text },
				"Bound":   func(k *store.OneTimeToken) { k.Bound = text },
			} {
				k := link
				if change(&k); field != "Bound" || !long {
					wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), st.CreateOneTime(ctx, k, 1, now))
				}
			}
			wantRefusedHere(t, "RevokeOneTimeOf", st.RevokeOneTimeOf(ctx, text))
		}
		for field, change := range map[string]func(k *store.OneTimeToken){
			"no Purpose":     func(k *store.OneTimeToken) { k.Purpose = "" },
			"no CreatedAt":   func(k *store.OneTimeToken) { k.CreatedAt = time.Time{} },
			"no ExpiresAt":   func(k *store.OneTimeToken) { k.ExpiresAt = time.Time{} },
			"the year 10000": func(k *store.OneTimeToken) { k.ExpiresAt = far },
		} {
			k := link
			change(&k)
			wantRefusedHere(t, field, st.CreateOneTime(ctx, k, 0, now))
		}
		wantRefusedHere(t, "no subject", st.CreatePassword(ctx, store.Password{Name: "x"}, now))
		wantRefusedHere(t, "no name", st.CreatePassword(ctx, store.Password{Subject: "x"}, now))
		wantRefusedHere(t, "created at no time", st.CreatePassword(ctx, racePassword("x", 1), time.Time{}))
		wantRefusedHere(t, "changed in the year 10000", st.ReplacePasswordHash(ctx, ann.Subject, ann.Hash, "next", far))
		if got, err := st.PasswordBySubject(ctx, ann.Subject); err != nil || got != ann {
			t.Errorf("%+v, %v", got, err)
		}
		wantAbsent(t, "what was refused", func() error { _, err := st.OneTimeByDigest(ctx, link.Digest, now); return err }())
	})
}

// D4: a DBA sees when a hash was changed.
func TestPasswordsSayWhenTheyChanged(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		p := racePassword("ann", 1)
		later := raceNow.Add(time.Hour)
		err := errors.Join(st.Open(t.Context()), st.CreatePassword(t.Context(), p, raceNow), st.ReplacePasswordHash(t.Context(), p.Subject, p.Hash, p.Hash, later))
		if err != nil {
			t.Fatal(err)
		}
		var n int
		at := func(at time.Time) string { return "'" + at.Format("2006-01-02 15:04:05.000000") + "'" }
		if b.dialect == sqlstore.PostgreSQL {
			at = func(at time.Time) string { return "'" + at.Format(time.RFC3339Nano) + "'" }
		}
		row := db.QueryRow("SELECT COUNT(*) FROM " + b.table(schema, "passwords") + " WHERE created_at = " + at(raceNow) + " AND changed_at = " + at(later))
		if err := row.Scan(&n); err != nil || n != 1 {
			t.Errorf("%d rows, %v", n, err)
		}
	})
}

// D4: calls for passwords, links and limits in a host's transaction take effect
// with it or not at all, and what they refuse leaves it usable.
func TestPasswordCallsRunInTheHostsTransaction(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		ann, link := racePassword("ann", 1), raceLink("ann", 1, 0)
		full, locked := aWindow("full", 1), anAttempt("locked", 1)
		state := make([]store.LimitState, 1)
		_, err := st.ReserveAttempts(ctx, []store.AttemptTake{locked})
		if err := errors.Join(err, st.CreatePassword(ctx, ann, raceNow), st.CreateOneTime(ctx, link, 1, raceNow), st.TakeLimits(ctx, []store.LimitTake{full}, state)); err != nil {
			t.Fatal(err)
		}
		for _, commit := range []bool{false, true} {
			tx := begin(t, db)
			in := st.WithTx(ctx, tx)
			bob, next := racePassword("bob", 1), raceLink("bob", 1, 0)
			states := make([]store.LimitState, 2)
			_, read := st.PasswordByName(in, "nobody")
			for _, c := range []struct {
				name      string
				got, want error
			}{
				{"create again", st.CreatePassword(in, ann, raceNow), store.ErrExists},
				{"replace another", st.ReplacePasswordHash(in, ann.Subject, "another", "x", raceNow), store.ErrConflict},
				{"read nobody", read, store.ErrNotFound},
				{"link over the cap", st.CreateOneTime(in, raceLink("ann", 1, 1), 1, raceNow), store.ErrLimit},
				{"link again", st.CreateOneTime(in, link, 0, raceNow), store.ErrExists},
				{"take from a full one", st.TakeLimits(in, []store.LimitTake{full, aWindow("free", 1)}, states), nil},
				{"create", st.CreatePassword(in, bob, raceNow), nil},
				{"replace", st.ReplacePasswordHash(in, bob.Subject, bob.Hash, "next", raceNow), nil},
				{"link", st.CreateOneTime(in, next, 1, raceNow), nil},
				{"take", st.TakeLimits(in, []store.LimitTake{aWindow("free", 1), aWindow("free 2", 1)}, make([]store.LimitState, 2)), nil},
			} {
				if !errors.Is(c.got, c.want) {
					t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
				}
			}
			attempt, err := st.ReserveAttempts(in, []store.AttemptTake{locked, anAttempt("free", 2)})
			if err != nil || attempt.RetryIn == 0 || states[0].RetryIn == 0 {
				t.Errorf("refused: %+v, %+v, %v", attempt, states, err)
			}
			_, claim := st.ClaimOneTime(in, link.Digest, raceNow)
			if err := errors.Join(claim, st.UnlockAttempts(in, locked.Policy, locked.Key)); err != nil {
				t.Error(err)
			}
			end := tx.Rollback
			if commit {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			_, password := st.PasswordBySubject(ctx, bob.Subject)
			_, made := st.OneTimeByDigest(ctx, next.Digest, raceNow)
			_, claimed := st.OneTimeByDigest(ctx, link.Digest, raceNow)
			free := aWindow("free", 1)
			free.Cost = 0
			if err := st.TakeLimits(ctx, []store.LimitTake{free}, state); err != nil {
				t.Fatal(err)
			}
			for what, happened := range map[string]bool{"password": password == nil, "link": made == nil, "claim": claimed != nil, "take": state[0].Remaining == 0} {
				if happened != commit {
					t.Errorf("after commit %v: %s: %v", commit, what, happened)
				}
			}
		}
		if attempt, err := st.ReserveAttempts(ctx, []store.AttemptTake{locked}); err != nil || attempt.RetryIn != 0 {
			t.Errorf("after it was unlocked: %+v, %v", attempt, err)
		}
	})
}

// D4, R3: caps and limits hold against a host's transaction that looked before
// others took the last one, in the strictest isolation, too: it is refused or
// fails.
func TestLimitsHoldAgainstAnOldSnapshot(t *testing.T) {
	calls := map[string]func(ctx context.Context, st *sqlstore.Store, caller int) error{
		"CreateOneTime": func(ctx context.Context, st *sqlstore.Store, caller int) error {
			return st.CreateOneTime(ctx, raceLink("snapshot", 1, caller), 1, raceNow)
		},
		"TakeLimits": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			states := make([]store.LimitState, 1)
			err := st.TakeLimits(ctx, []store.LimitTake{aWindow("snapshot", 1)}, states)
			if err == nil && states[0].RetryIn > 0 {
				err = store.ErrLimit
			}
			return err
		},
		"ReserveAttempts": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			state, err := st.ReserveAttempts(ctx, []store.AttemptTake{anAttempt("snapshot", 1)})
			if err == nil && state.RetryIn > 0 {
				err = store.ErrLimit
			}
			return err
		},
	}
	holdsAgainstAnOldSnapshot(t, nil, calls)
}

// holdsAgainstAnOldSnapshot makes each call twice: by a host's transaction that
// looked before, after the other was made. One of the two must fail.
func holdsAgainstAnOldSnapshot(t *testing.T, prepare func(ctx context.Context, st *sqlstore.Store) error, calls map[string]func(ctx context.Context, st *sqlstore.Store, caller int) error) {
	t.Helper()
	onSQL(t, func(t *testing.T, b sqlBackend) {
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		if b.dialect == sqlstore.SQLite {
			levels = []sql.IsolationLevel{sql.LevelDefault}
		}
		for _, level := range levels {
			for name, call := range calls {
				st, db := b.open(t, nil)
				if prepare != nil {
					if err := prepare(t.Context(), st); err != nil {
						t.Fatal(err)
					}
				}
				tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
				if err != nil {
					t.Fatal(err)
				}
				in := st.WithTx(t.Context(), tx)
				if _, err := st.PasswordByName(in, "nobody"); !errors.Is(err, store.ErrNotFound) { // looks
					t.Fatal(err)
				}
				if err := call(t.Context(), st, 1); err != nil {
					t.Fatal(err)
				}
				inside := call(in, st, 2)
				if inside == nil {
					inside = tx.Commit()
				}
				tx.Rollback()
				if inside == nil {
					t.Errorf("%v: %s: both passed", level, name)
				}
				t.Logf("%v: %s: %v", level, name, inside)
			}
		}
	})
}
