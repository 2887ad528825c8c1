package integration_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// begin is a transaction of the host's.
func begin(t *testing.T, db *sql.DB) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tx.Rollback() })
	return tx
}

// D4: calls in a host's transaction take effect with it or not at all, and
// InTx says that nothing of it may be cached.
func TestCallsRunInTheHostsTransaction(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx, now := t.Context(), time.Now()
		for _, commit := range []bool{false, true} {
			tx := begin(t, db)
			inTx := st.WithTx(ctx, tx)
			if !store.InTx(inTx) || store.InTx(ctx) {
				t.Error("InTx does not say which context is in the transaction")
			}
			k, next := aKey("ann", 1), aKey("ann", 2)
			purpose := fmt.Sprint("commit ", commit)
			if err := st.CreateAPIKey(inTx, k, store.APIKeyLimits{MaxLive: 1}, now); err != nil {
				t.Fatal(err)
			}
			if err := st.RotateAPIKey(inTx, "ann", k.ID, next, now.Add(time.Hour), now); err != nil {
				t.Fatal(err)
			}
			first, err := st.RecordAPIKeyUses(inTx, []store.APIKeyUse{{ID: next.ID, N: 1, At: now}})
			if err != nil || len(first) != 1 {
				t.Fatal(first, err)
			}
			if err := st.ClaimOnce(inTx, purpose, k.Digest, now.Add(time.Hour), now); err != nil {
				t.Fatal(err)
			}
			if _, err := st.APIKeyByDigest(inTx, next.Digest); err != nil {
				t.Errorf("the transaction does not see its own key: %v", err)
			}
			want, end := store.ErrNotFound, tx.Rollback
			if commit {
				want, end = nil, tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			for _, k := range []store.APIKey{k, next} {
				if _, err := st.APIKeyByDigest(ctx, k.Digest); !errors.Is(err, want) {
					t.Errorf("after commit %v: %s: %v, want %v", commit, k.ID, err, want)
				}
			}
			claim := st.ClaimOnce(ctx, purpose, k.Digest, now.Add(time.Hour), now)
			if commit != errors.Is(claim, store.ErrExists) {
				t.Errorf("after commit %v: claim: %v", commit, claim)
			}
		}
	})
}

// D4: what package store answers inside a host's transaction leaves the
// transaction usable, on PostgreSQL, too, where a failed statement ends it.
func TestRefusalsLeaveTheTransactionUsable(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx, now := t.Context(), time.Now()
		k := aKey("ann", 1)
		if err := st.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now); err != nil {
			t.Fatal(err)
		}
		if err := st.ClaimOnce(ctx, "jti", k.Digest, now.Add(time.Hour), now); err != nil {
			t.Fatal(err)
		}
		tx := begin(t, db)
		inTx := st.WithTx(ctx, tx)
		_, none := st.APIKey(inTx, "ann", "none")
		dup := aKey("ann", 2)
		dup.Digest = k.Digest
		for _, c := range []struct {
			name      string
			got, want error
		}{
			{"create again", st.CreateAPIKey(inTx, k, store.APIKeyLimits{}, now), store.ErrExists},
			{"create over the cap", st.CreateAPIKey(inTx, aKey("ann", 3), store.APIKeyLimits{MaxLive: 1}, now), store.ErrLimit},
			{"claim again", st.ClaimOnce(inTx, "jti", k.Digest, now.Add(time.Hour), now), store.ErrExists},
			{"read none", none, store.ErrNotFound},
			{"rotate none", st.RotateAPIKey(inTx, "ann", "none", aKey("ann", 4), now, now), store.ErrNotFound},
			{"rotate to what exists", st.RotateAPIKey(inTx, "ann", k.ID, dup, now, now), store.ErrExists},
			{"revoke none", st.RevokeAPIKey(inTx, "ann", "none", now), store.ErrNotFound},
			{"create", st.CreateAPIKey(inTx, aKey("ann", 5), store.APIKeyLimits{}, now), nil},
		} {
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
			}
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if _, err := st.APIKey(ctx, "ann", "ann-5"); err != nil {
			t.Error(err)
		}
		// The refused rotation wrote nothing.
		if got, err := st.APIKey(ctx, "ann", k.ID); err != nil || got.ReplacedBy != "" || !got.ExpiresAt.IsZero() {
			t.Errorf("after a refused rotation: %+v, %v", got, err)
		}
	})
}

// D4: a call whose transaction has ended, or is none, fails: it does not run
// outside of it.
func TestEndedTransactionFails(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		now := time.Now()
		tx := begin(t, db)
		if err := tx.Rollback(); err != nil {
			t.Fatal(err)
		}
		for name, tx := range map[string]*sql.Tx{"ended": tx, "nil": nil} {
			ctx := st.WithTx(t.Context(), tx)
			if err := st.CreateAPIKey(ctx, aKey("ann", 1), store.APIKeyLimits{}, now); err == nil {
				t.Errorf("%s: created", name)
			}
			if _, err := st.APIKey(t.Context(), "ann", "ann-1"); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// D4: the cap holds against a host's transaction that looked before others
// wrote, in the strictest isolation, too: it waits or fails.
func TestCapHoldsAgainstAnOldSnapshot(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		levels := []sql.IsolationLevel{sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable}
		if b.dialect == sqlstore.SQLite {
			levels = []sql.IsolationLevel{sql.LevelDefault}
		}
		for _, level := range levels {
			st, db := b.open(t, nil)
			now := time.Now()
			one := store.APIKeyLimits{MaxLive: 1}
			tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
			if err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			inTx := st.WithTx(t.Context(), tx)
			if _, _, err := st.ListAPIKeys(inTx, "ann", store.Page{}); err != nil { // looks
				t.Fatal(err)
			}
			first := make(chan error, 1)
			go func() { first <- st.CreateAPIKey(t.Context(), aKey("ann", 1), one, now) }()
			select {
			case err := <-first:
				first <- err
			case <-time.After(300 * time.Millisecond): // MariaDB's strictest locks what was looked at
			}
			inside := st.CreateAPIKey(inTx, aKey("ann", 2), one, now)
			if inside == nil {
				inside = tx.Commit()
			} else {
				tx.Rollback()
			}
			outside := <-first
			if (outside == nil) == (inside == nil) || outside != nil && !errors.Is(outside, store.ErrLimit) {
				t.Errorf("%v: outside: %v; inside: %v; want one without an error", level, outside, inside)
			}
			t.Logf("%v: outside: %v; inside: %v", level, outside, inside)

			// The other way round: who comes second waits, and loses.
			if tx, err = db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level}); err != nil {
				t.Fatal(err)
			}
			defer tx.Rollback()
			if err := st.CreateAPIKey(st.WithTx(t.Context(), tx), aKey("bob", 1), one, now); err != nil {
				t.Fatal(err)
			}
			second := make(chan error, 1)
			go func() { second <- st.CreateAPIKey(t.Context(), aKey("bob", 2), one, now) }()
			select {
			case err := <-second:
				t.Errorf("%v: the second did not wait: %v", level, err)
				second <- err
			case <-time.After(300 * time.Millisecond):
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			if err := <-second; !errors.Is(err, store.ErrLimit) {
				t.Errorf("%v: the second: %v, want %v", level, err, store.ErrLimit)
			}
		}
	})
}
