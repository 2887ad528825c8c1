//go:build !race

// The race detector would watch a hundred thousand sessions for nothing.

package integration_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

const manySessions = 100_000

// S9: RevokeSessionsOf ends a hundred thousand sessions of one subject by one
// call, and no instance that shares the store finds one afterwards.
func TestManySessionsEndAtOnce(t *testing.T) {
	first := raceSession("many", 0)
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		var stores [2]*sqlstore.Store
		for i := range stores {
			stores[i] = newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
			if err := stores[i].Open(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if err := stores[0].CreateSession(t.Context(), first, store.SessionRef{}, 0, 0, first.CreatedAt); err != nil {
			t.Fatal(err)
		}
		digest := map[sqlstore.Dialect]string{
			sqlstore.PostgreSQL: "decode(lpad(to_hex(n), 64, '0'), 'hex'), 'n' || n",
			sqlstore.MySQL:      "UNHEX(LPAD(HEX(n), 64, '0')), CONCAT('n', n)",
			sqlstore.SQLite:     "unhex(printf('%064x', n)), 'n' || n",
		}[b.dialect]
		const rest = "tag, subject, identity, pending, data, revision, remember, user_agent, addr, created_at, seen_at, idle_until, expires_at"
		sessions := b.table(schema, "sessions")
		copies := fmt.Sprintf(`WITH d (d) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
				UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9),
			numbers (n) AS (SELECT 1 + i.d + 10*j.d + 100*k.d + 1000*l.d + 10000*m.d FROM d i, d j, d k, d l, d m)
			SELECT %s, %s FROM numbers CROSS JOIN %s`, digest, rest, sessions)
		if _, err := openDB(t, driver, dsn).ExecContext(t.Context(), "INSERT INTO "+sessions+" (digest, id, "+rest+") "+copies); err != nil {
			t.Fatal(err)
		}
		endAll(t, stores[0], stores[1], first)
	})
	for name, open := range redisBackends {
		t.Run(name, func(t *testing.T) {
			var stores [2]*redisstore.Store
			for i := range stores {
				stores[i] = openRedis(t, open(t), redisstore.Config{KeyPrefix: "many sessions:"})
			}
			onAll(t, func(n int) error {
				s := first
				s.Ref, s.ID = manyRef(first, n), fmt.Sprint("n", n)
				return stores[0].CreateSession(t.Context(), s, store.SessionRef{}, 0, 0, s.CreatedAt)
			})
			endAll(t, stores[0], stores[1], first)
		})
	}
}

// manyRef is of the n-th copy of s.
func manyRef(s store.Session, n int) store.SessionRef {
	ref := store.SessionRef{Tag: s.Ref.Tag}
	binary.BigEndian.PutUint64(ref.Token[len(ref.Token)-8:], uint64(n))
	return ref
}

// onAll calls f for each session, several at a time.
func onAll(t *testing.T, f func(n int) error) {
	t.Helper()
	var next atomic.Int64
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for n := next.Add(1); n <= manySessions && !t.Failed(); n = next.Add(1) {
				if err := f(int(n)); err != nil {
					t.Errorf("session %d: %v", n, err)
				}
			}
		})
	}
	all.Wait()
}

// endAll revokes by one instance and looks by another.
func endAll(t *testing.T, ends, looks store.Sessions, first store.Session) {
	t.Helper()
	live := func(n int) error {
		_, err := looks.SessionByRef(t.Context(), manyRef(first, n), time.Now())
		return err
	}
	if err := errors.Join(live(1), live(manySessions)); err != nil {
		t.Fatal("before: ", err)
	}
	began := time.Now()
	if err := ends.RevokeSessionsOf(t.Context(), first.Identity.Subject, ""); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d sessions ended in %s", manySessions, time.Since(began).Round(time.Millisecond))
	onAll(t, func(n int) error {
		if err := live(n); !errors.Is(err, store.ErrNotFound) {
			return fmt.Errorf("found after the revocation: %w", err)
		}
		return nil
	})
}
