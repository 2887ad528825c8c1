package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// wantSQLOutage wants an error that WriteError answers with 503: none of package
// store's.
func wantSQLOutage(t *testing.T, what string, err error) {
	t.Helper()
	var known *authn.Error
	if err == nil || errors.As(err, &known) {
		t.Errorf("%s: %v, want an outage", what, err)
	}
}

// sqlOutages makes one call of each kind and wants an outage from all.
func sqlOutages(t *testing.T, what string, ctx context.Context, st *sqlstore.Store) {
	t.Helper()
	now := time.Now()
	_, read := st.APIKeyByDigest(ctx, aKey("ann", 1).Digest)
	wantSQLOutage(t, what+": read", read)
	sqlWriteOutages(t, what, ctx, st, now)
	wantSQLOutage(t, what+": Check", st.Check(ctx))
}

func sqlWriteOutages(t *testing.T, what string, ctx context.Context, st *sqlstore.Store, now time.Time) {
	t.Helper()
	wantSQLOutage(t, what+": claim", st.ClaimOnce(ctx, "jti", store.DigestOf("x"), now.Add(time.Hour), now))
	wantSQLOutage(t, what+": create", st.CreateAPIKey(ctx, aKey("ann", 2), store.APIKeyLimits{}, now))
	wantSQLOutage(t, what+": revoke", st.RevokeAPIKeysOf(ctx, "ann", now))
	_, err := st.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "ann-1", N: 1, At: now}})
	wantSQLOutage(t, what+": uses", err)
}

// D4, D8: nobody listens, the password is wrong, the context is over: an
// outage, at once.
func TestUnreachableIsAnOutage(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		sqlOutages(t, "context over", over, st)
		if err := st.Run(over); err != nil {
			t.Errorf("Run when the context is over: %v", err)
		}
		if b.server == nil {
			db := openDB(t, "sqlite3", "file:/nowhere/authn.db")
			sqlOutages(t, "no folder", t.Context(), newStore(t, db, b.dialect, sqlstore.Config{}))
			return
		}
		s := b.server(t)
		wrong := openDB(t, s.Driver, s.WrongDSN())
		sqlOutages(t, "wrong password", t.Context(), newStore(t, wrong, b.dialect, sqlstore.Config{}))
		nobody := openDB(t, s.Driver, sqlAbsent(t, s))
		sqlOutages(t, "server absent", t.Context(), newStore(t, nobody, b.dialect, sqlstore.Config{}))
	})
}

// sqlAbsent is the DSN of a port where nobody listens.
func sqlAbsent(t *testing.T, s *servers.SQLServer) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return strings.Replace(s.DSN(""), fmt.Sprintf("127.0.0.1:%d", s.Port()), l.Addr().String(), 1)
}

// D8: a pool whose only connection is taken is an outage within the timeout,
// and no longer one when it comes back.
func TestExhaustedPoolIsAnOutage(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		db.SetMaxOpenConns(1)
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		const timeout = 50 * time.Millisecond
		for name, call := range map[string]func(ctx context.Context) error{
			"read": func(ctx context.Context) error { _, err := st.APIKeyByDigest(ctx, store.DigestOf("x")); return err },
			"create": func(ctx context.Context) error {
				return st.CreateAPIKey(ctx, aKey("ann", 1), store.APIKeyLimits{}, time.Now())
			},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			start := time.Now()
			err := call(ctx)
			cancel()
			wantSQLOutage(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v does not say that the time was over", name, err)
			}
			if took := time.Since(start); took > 40*timeout {
				t.Errorf("%s took %v", name, took)
			}
		}
		c.Close()
		// With one connection all calls work: none needs a second one.
		now := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := st.CreateAPIKey(ctx, aKey("ann", 1), store.APIKeyLimits{MaxLive: 3}, now); err != nil {
			t.Error(err)
		}
		if _, err := st.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "ann-1", N: 1, At: now}}); err != nil {
			t.Error(err)
		}
		tx := begin(t, db)
		if err := st.ClaimOnce(st.WithTx(ctx, tx), "jti", store.DigestOf("x"), now.Add(time.Hour), now); err != nil {
			t.Error(err)
		}
		if _, err := st.ClaimExpiringAPIKeys(st.WithTx(ctx, tx), time.Hour, store.APIKeyLimits{MaxAge: time.Hour}, 10, now); err != nil {
			t.Error(err)
		}
	})
}

// D8: a replica, or a database set to read-only, refuses writes and says so in
// Check; reads go on.
func TestReadOnlyIsAnOutage(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		now := time.Now()
		if err := errors.Join(st.Open(t.Context()), st.CreateAPIKey(t.Context(), aKey("ann", 1), store.APIKeyLimits{}, now)); err != nil {
			t.Fatal(err)
		}
		switch b.dialect {
		case sqlstore.PostgreSQL:
			db = openDB(t, driver, dsn+"default_transaction_read_only=on")
		case sqlstore.SQLite:
			db = openDB(t, driver, dsn+"&_query_only=1")
		case sqlstore.MySQL:
			db = openDB(t, driver, dsn+"tx_read_only=1")
		}
		fixed := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if _, err := fixed.APIKeyByDigest(t.Context(), aKey("ann", 1).Digest); err != nil {
			t.Error(err)
		}
		sqlWriteOutages(t, "read-only", t.Context(), fixed, now)
		if err := fixed.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("Check: %v", err)
		}
	})
}

// D8: a server that is killed under load is an outage, and the clients recover
// by themselves when it is back. What was acknowledged is there.
func TestKilledServerComesBack(t *testing.T) {
	for _, b := range sqlBackends {
		if b.server == nil {
			continue // no server to kill
		}
		t.Run(b.name, func(t *testing.T) {
			own := map[string]func(testing.TB) *servers.SQLServer{"PostgreSQL": servers.OwnPostgreSQL, "MariaDB": servers.OwnMariaDB}[b.name]
			s := own(t)
			db := openDB(t, s.Driver, s.DSN(""))
			st := newStore(t, db, b.dialect, sqlstore.Config{})
			if err := st.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			now := time.Now()
			for n := range 2 {
				var done []int // acknowledged
				failed := make(chan struct{})
				end := make(chan struct{})
				go func() {
					defer close(end)
					for i := n * 1000; ; i++ {
						ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
						err := st.CreateAPIKey(ctx, aKey("ann", i), store.APIKeyLimits{}, now)
						cancel()
						if err != nil {
							wantSQLOutage(t, "killed", err)
							close(failed)
							return
						}
						if done = append(done, i); len(done) == 20 {
							go s.Kill()
						}
					}
				}()
				<-failed
				<-end
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				sqlOutages(t, "dead", ctx, st)
				cancel()
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				// The pool may hold connections of the dead server: a few calls may
				// still fail, but no one has to do anything.
				wait, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				for st.Check(wait) != nil && wait.Err() == nil {
				}
				if err := st.Check(wait); err != nil {
					t.Errorf("after the restart: %v", err)
				}
				cancel()
				for _, i := range done {
					if _, err := st.APIKey(t.Context(), "ann", aKey("ann", i).ID); err != nil {
						t.Errorf("key %d was acknowledged: %v", i, err)
					}
				}
				if err := st.ClaimOnce(t.Context(), "jti", store.DigestOf(fmt.Sprint(n)), now.Add(time.Hour), now); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// D8: on a full disk SQLite's writes are an outage, and nothing is half done.
func TestFullDiskIsAnOutage(t *testing.T) {
	b := sqlBackends[2]
	st, db := b.open(t, nil)
	db.SetMaxOpenConns(1)
	now := time.Now()
	k := aKey("ann", 1)
	if err := st.CreateAPIKey(t.Context(), k, store.APIKeyLimits{}, now); err != nil {
		t.Fatal(err)
	}
	limit := func(pages int) {
		t.Helper()
		if _, err := db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
			t.Fatal(err)
		}
	}
	limit(1) // SQLite takes the number of pages that there are
	big := aKey("ann", 2)
	big.Metadata = map[string]string{"x": strings.Repeat("x", 1<<20)}
	wantSQLOutage(t, "create", st.CreateAPIKey(t.Context(), big, store.APIKeyLimits{}, now))
	wantSQLOutage(t, "rotate", st.RotateAPIKey(t.Context(), "ann", k.ID, big, now.Add(time.Hour), now))
	if got, err := st.APIKey(t.Context(), "ann", k.ID); err != nil || got.ReplacedBy != "" {
		t.Errorf("after a rotation that failed: %+v, %v", got, err)
	}
	limit(1 << 30)
	if err := st.RotateAPIKey(t.Context(), "ann", k.ID, big, now.Add(time.Hour), now); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// D4: values are kept as they are or refused, and are never SQL.
func TestHostileValues(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx, now := t.Context(), time.Now()
		n := 0
		roundTrip := func(text string) (store.APIKey, error) {
			n++
			k := aKey("owner", n)
			k.Name, k.Owner, k.ID = text, text+fmt.Sprint(n), text+fmt.Sprint(n)
			k.Digest = store.DigestOf(k.ID)
			k.Scopes, k.Metadata = []string{text, "b"}, map[string]string{text: text}
			if err := st.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now); err != nil {
				return k, err
			}
			got, err := st.APIKey(ctx, k.Owner, k.ID)
			if err == nil && (got.Name != text || got.Owner != k.Owner || got.Scopes[0] != text || got.Metadata[text] != text) {
				t.Errorf("%q came back as %+v", text, got)
			}
			return k, err
		}
		for _, text := range []string{
			"emoji 🗝️👩🏽‍💻", "'; DROP TABLE authn_api_keys; --", `\'; DROP TABLE x; -- "`, "`x`", "$1 ? :a {once}", "%_\\", "\r\n\t\x01\x7f", "é", "e\u0301", "  both  ", "<&>\u2028",
		} {
			if _, err := roundTrip(text); err != nil {
				t.Errorf("%q: %v", text, err)
			}
		}
		for _, text := range []string{"a\x00b", "\x00", "\xff", "a\xc3", "\xed\xa0\x80", strings.Repeat("x", 300)} {
			k, err := roundTrip(text)
			if err == nil || strings.Contains(err.Error(), "SQLSTATE") || strings.Contains(err.Error(), "Error 1") {
				t.Errorf("%.20q was not refused here: %v", text, err)
			}
			// What no row can have is not found.
			if _, err := st.APIKey(ctx, k.Owner, k.ID); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%.20q: %v", text, err)
			}
			if first, err := st.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: k.ID, N: 1, At: now}}); err != nil || first != nil {
				t.Errorf("%.20q: %v, %v", text, first, err)
			}
			if err := st.ClaimOnce(ctx, text, k.Digest, now.Add(time.Hour), now); err == nil {
				t.Errorf("%.20q is a purpose", text)
			}
		}
		big := aKey("big", 1)
		big.Metadata = map[string]string{"x": strings.Repeat("é", 1<<19)}
		if err := st.CreateAPIKey(ctx, big, store.APIKeyLimits{}, now); err != nil {
			t.Fatal(err)
		}
		if got, err := st.APIKeyByDigest(ctx, big.Digest); err != nil || got.Metadata["x"] != big.Metadata["x"] {
			t.Errorf("a megabyte came back as %d bytes, %v", len(got.Metadata["x"]), err)
		}
		for _, end := range []time.Time{time.Unix(1<<40, 0), {}} {
			if err := st.ClaimOnce(ctx, "jti", big.Digest, end, now); err == nil || errors.Is(err, store.ErrExists) {
				t.Errorf("until %v: %v", end, err)
			}
		}
	})
}

// D4: a connection of MySQL that does not speak utf8mb4 is refused.
func TestOtherCharsetIsRefused(t *testing.T) {
	b := sqlBackends[1]
	driver, dsn, schema := b.space(t)
	db := openDB(t, driver, dsn+"charset=utf8mb3")
	st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
	if err := st.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "utf8mb4") {
		t.Errorf("Open: %v", err)
	}
}
