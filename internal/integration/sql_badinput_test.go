package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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
	_, revoked := st.TokenRevoked(ctx, raceToken("ann", 1), now)
	wantSQLOutage(t, what+": token", revoked)
	_, session := st.SessionByRef(ctx, raceSession("ann", 1).Ref, now)
	wantSQLOutage(t, what+": session", session)
	_, password := st.PasswordByName(ctx, "ann")
	wantSQLOutage(t, what+": password", password)
	_, link := st.OneTimeByDigest(ctx, store.DigestOf("x"), now)
	wantSQLOutage(t, what+": one-time token", link)
	_, owed := st.TOTP(ctx, "ann")
	wantSQLOutage(t, what+": TOTP", owed)
	_, client := st.OAuthClient(ctx, "batch")
	wantSQLOutage(t, what+": OAuth client", client)
	_, provider := st.ProviderToken(ctx, "ann", "github")
	wantSQLOutage(t, what+": provider token", provider)
	sqlWriteOutages(t, what, ctx, st, now)
	sqlCodeOutages(t, what, ctx, st, now)
	wantSQLOutage(t, what+": Check", st.Check(ctx))
}

func sqlWriteOutages(t *testing.T, what string, ctx context.Context, st *sqlstore.Store, now time.Time) {
	t.Helper()
	wantSQLOutage(t, what+": claim", st.ClaimOnce(ctx, "jti", store.DigestOf("x"), now.Add(time.Hour), now))
	wantSQLOutage(t, what+": create", st.CreateAPIKey(ctx, aKey("ann", 2), store.APIKeyLimits{}, now))
	wantSQLOutage(t, what+": revoke", st.RevokeAPIKeysOf(ctx, "ann", now))
	_, err := st.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "ann-1", N: 1, At: now}})
	wantSQLOutage(t, what+": uses", err)
	_, err = st.AdvanceFamily(ctx, raceFamily("ann", 1).Ref, raceAdvance(1, 0, 0))
	wantSQLOutage(t, what+": advance", err)
	wantSQLOutage(t, what+": revoke token", st.RevokeToken(ctx, raceToken("ann", 1), now.Add(time.Hour)))
	wantSQLOutage(t, what+": revoke subject", st.RevokeTokensOf(ctx, "ann"))
	wantSQLOutage(t, what+": signing key", st.AddSigningKey(ctx, raceSigningKey("ring", 1, 0), "", time.Time{}))
	session := raceSession("ann", 1)
	wantSQLOutage(t, what+": login", st.CreateSession(ctx, session, store.SessionRef{}, 0, 0, now))
	wantSQLOutage(t, what+": logout", st.DeleteSession(ctx, session.Ref))
	wantSQLOutage(t, what+": rotate", st.RotateSession(ctx, session.Ref, rotationOf(session, "next"), now))
	wantSQLOutage(t, what+": data", st.UpdateSessionData(ctx, session.Ref, 1, nil, now))
	wantSQLOutage(t, what+": touch", st.TouchSession(ctx, session.Ref, now, now))
	wantSQLOutage(t, what+": revoke session", st.RevokeSession(ctx, session.Identity.Subject, session.ID, now))
	wantSQLOutage(t, what+": revoke sessions", st.RevokeSessionsOf(ctx, session.Identity.Subject, ""))
	wantSQLOutage(t, what+": new password", st.CreatePassword(ctx, racePassword("x", 1), now))
	wantSQLOutage(t, what+": change password", st.ReplacePasswordHash(ctx, "ann", "x", "y", now))
	wantSQLOutage(t, what+": delete password", st.DeletePassword(ctx, "ann"))
	wantSQLOutage(t, what+": link", st.CreateOneTime(ctx, raceLink("x", 1, 0), 1, now))
	_, err = st.ClaimOneTime(ctx, store.DigestOf("x"), now)
	wantSQLOutage(t, what+": claim link", err)
	wantSQLOutage(t, what+": revoke links", st.RevokeOneTimeOf(ctx, "ann"))
	wantSQLOutage(t, what+": take", st.TakeLimits(ctx, []store.LimitTake{aWindow("ann", 1)}, make([]store.LimitState, 1)))
	wantSQLOutage(t, what+": take of two", st.TakeLimits(ctx, []store.LimitTake{aWindow("ann", 1), aWindow("bob", 1)}, make([]store.LimitState, 2)))
	_, err = st.ReserveAttempts(ctx, []store.AttemptTake{anAttempt("ann", 1)})
	wantSQLOutage(t, what+": attempt", err)
	wantSQLOutage(t, what+": unlock", st.UnlockAttempts(ctx, "password", "ann"))
}

// sqlCodeOutages is sqlWriteOutages for store.TOTPs, store.OAuthClients and
// store.ProviderTokens.
func sqlCodeOutages(t *testing.T, what string, ctx context.Context, st *sqlstore.Store, now time.Time) {
	t.Helper()
	ann := raceOwner("ann", 1) // where there is a database, she is enrolled
	wantSQLOutage(t, what+": begin", st.BeginTOTP(ctx, "bob", nil, raceSealed, now))
	wantSQLOutage(t, what+": confirm", st.ConfirmTOTP(ctx, ann, raceSealed, 9, nil, now))
	_, _, err := st.ReserveTOTP(ctx, ann, aGuess)
	wantSQLOutage(t, what+": guess", err)
	wantSQLOutage(t, what+": accept", st.AcceptTOTP(ctx, ann, raceSealed, 9, nil))
	_, err = st.TakeRecoveryCode(ctx, ann, store.DigestOf("code 0"))
	wantSQLOutage(t, what+": recovery code", err)
	wantSQLOutage(t, what+": new recovery codes", st.ReplaceRecoveryCodes(ctx, ann, raceSealed, nil))
	wantSQLOutage(t, what+": forget devices", st.ForgetTOTPDevices(ctx, ann))
	wantSQLOutage(t, what+": delete TOTP", st.DeleteTOTP(ctx, ann, true))
	wantSQLOutage(t, what+": new client", st.CreateOAuthClient(ctx, raceClient("bob", 1)))
	wantSQLOutage(t, what+": update client", st.UpdateOAuthClient(ctx, raceClient("ann", 1)))
	wantSQLOutage(t, what+": rotate secret", st.RotateOAuthSecret(ctx, ann, raceSecret("x"), now, now))
	wantSQLOutage(t, what+": disable client", st.DisableOAuthClient(ctx, ann, now))
	wantSQLOutage(t, what+": put token", st.PutProviderToken(ctx, ann, "github", raceSealed))
	wantSQLOutage(t, what+": replace token", st.ReplaceProviderToken(ctx, ann, "github", []byte("old"), raceSealed))
	wantSQLOutage(t, what+": delete token", st.DeleteProviderToken(ctx, ann, "github"))
	wantSQLOutage(t, what+": delete tokens", st.DeleteProviderTokensOf(ctx, ann))
}

// wantRefusedHere wants an error of a value that no column takes, and that the
// database was not asked.
func wantRefusedHere(t *testing.T, what string, err error) {
	t.Helper()
	var known *authn.Error
	if err == nil || errors.As(err, &known) || strings.Contains(err.Error(), "SQLSTATE") || strings.Contains(err.Error(), "Error 1") {
		t.Errorf("%s was not refused here: %v", what, err)
	}
}

// wantAbsent wants that what no row can have is not there.
func wantAbsent(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrNotFound) {
		t.Errorf("%s: %v, want %v", what, err, store.ErrNotFound)
	}
}

// hostileTexts are what columns would change, cut or not take.
var hostileTexts = []string{"a\x00b", "\xff", "\xed\xa0\x80", strings.Repeat("x", 300)}

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
			err := call(ctx)
			cancel()
			wantSQLOutage(t, name, err)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v does not say that the time was over", name, err)
			}
		}
		c.Close()
		// With one connection all calls work: none needs a second one.
		now := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
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
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		f := raceFamily("ann", 1)
		if err := st.CreateFamily(ctx, f); err != nil {
			t.Error(err)
		}
		for _, want := range []error{nil, store.ErrConflict} {
			if _, err := st.AdvanceFamily(ctx, f.Ref, raceAdvance(1, 0, 0)); !errors.Is(err, want) {
				t.Errorf("advance: %v, want %v", err, want)
			}
		}
		if err := st.AddSigningKey(ctx, raceSigningKey("ring", 1, 0), "", time.Time{}); err != nil {
			t.Error(err)
		}
		s := raceSession("ann", 1)
		if err := errors.Join(st.CreateSession(ctx, s, store.SessionRef{}, 1, 0, now), st.UpdateSessionData(ctx, s.Ref, 1, nil, now), st.DeleteSession(ctx, s.Ref)); err != nil {
			t.Error(err)
		}
		if err := st.UpdateSessionData(ctx, s.Ref, 1, nil, now); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("update: %v, want %v", err, store.ErrNotFound)
		}
		if err := errors.Join(usePasswordsAndLimits(ctx, st, "one connection"), useCodesAndClients(ctx, st, "one connection")); err != nil {
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
		err := errors.Join(st.Open(t.Context()), st.CreateAPIKey(t.Context(), aKey("ann", 1), store.APIKeyLimits{}, now),
			enrolStep(t.Context(), st, raceOwner("ann", 1)), st.CreateOAuthClient(t.Context(), raceClient("ann", 1)))
		if err != nil {
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
		sqlCodeOutages(t, "read-only", t.Context(), fixed, now)
		if err := fixed.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "read-only") {
			t.Errorf("Check: %v", err)
		}
	})
}

// D8: a file of SQLite that may only be read serves reads, and Check says that
// nothing can be written.
func TestReadOnlyFileFailsCheck(t *testing.T) {
	file := "file:" + filepath.Join(t.TempDir(), "authn.db")
	st := newStore(t, openDB(t, "sqlite3", file+"?"+sqliteOptions), sqlstore.SQLite, sqlstore.Config{})
	if err := st.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := st.Check(t.Context()); err != nil {
		t.Error(err)
	}
	fixed := newStore(t, openDB(t, "sqlite3", file+"?mode=ro"), sqlstore.SQLite, sqlstore.Config{})
	if err := fixed.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be written to") {
		t.Errorf("Check of mode=ro: %v", err)
	}
	// That another writes shows that it can be written to.
	busy, err := openDB(t, "sqlite3", file+"?_txlock=immediate").Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Rollback()
	quick := newStore(t, openDB(t, "sqlite3", file+"?_busy_timeout=10"), sqlstore.SQLite, sqlstore.Config{})
	if err := quick.Check(t.Context()); err != nil {
		t.Errorf("Check while another writes: %v", err)
	}
}

// D4: a row that somebody damaged does not take the warnings of the others with
// it; alone it is an error, once.
func TestDamagedRowKeepsTheOthersWarnings(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		ctx, now := t.Context(), time.Now()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		for n := range 4 {
			k := aKey("ann", n)
			if k.ExpiresAt = now.Add(time.Minute); n == 3 {
				k.ExpiresAt = now.Add(time.Hour)
			}
			if err := st.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []string{"ann-1", "ann-3"} {
			if _, err := db.ExecContext(ctx, "UPDATE "+b.table(schema, "api_keys")+" SET scopes = '[oops' WHERE id = '"+id+"'"); err != nil {
				t.Fatal(err)
			}
		}
		keys, err := st.ClaimExpiringAPIKeys(ctx, 2*time.Minute, store.APIKeyLimits{}, 10, now)
		if err != nil || len(keys) != 2 || keys[0].ID == "ann-1" || keys[1].ID == "ann-1" {
			t.Errorf("%d keys of two good ones: %v", len(keys), err)
		}
		if keys, err = st.ClaimExpiringAPIKeys(ctx, 2*time.Hour, store.APIKeyLimits{MaxAge: 100 * time.Hour}, 10, now); err == nil || !strings.Contains(err.Error(), "ann-3") {
			t.Errorf("%d keys of a damaged one: %v", len(keys), err)
		}
		if keys, err = st.ClaimExpiringAPIKeys(ctx, 2*time.Hour, store.APIKeyLimits{}, 10, now); err != nil || len(keys) != 0 {
			t.Errorf("%d keys the second time: %v", len(keys), err)
		}
		if _, _, err := st.ListAPIKeys(ctx, "ann", store.Page{}); err == nil {
			t.Error("a list without the damaged key is no error")
		}
	})
}

// D4: a use without its time, which is against the contract, counts, and costs
// neither the time before nor the other uses of the batch.
func TestUseWithoutATimeCounts(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
		addr := netip.MustParseAddr("192.0.2.1")
		for n := range 2 {
			if err := st.CreateAPIKey(ctx, aKey("ann", n), store.APIKeyLimits{}, now); err != nil {
				t.Fatal(err)
			}
		}
		for n, uses := range [][]store.APIKeyUse{
			{{ID: "ann-0", N: 1}, {ID: "ann-1", N: 1, At: now, Addr: addr}},
			{{ID: "ann-0", N: 1, At: now, Addr: addr}, {ID: "ann-1", N: 1, Addr: netip.MustParseAddr("192.0.2.2")}},
		} {
			if _, err := st.RecordAPIKeyUses(ctx, uses); err != nil {
				t.Fatal(err)
			}
			if k, err := st.APIKey(ctx, "ann", "ann-0"); n == 0 && (err != nil || !k.LastUsedAt.IsZero() || k.LastAddr.IsValid()) {
				t.Errorf("used at no time: %+v, %v", k, err)
			}
		}
		for n := range 2 {
			k, err := st.APIKey(ctx, "ann", aKey("ann", n).ID)
			if err != nil || k.Uses != 2 || !k.LastUsedAt.Equal(now) || k.LastAddr != addr {
				t.Errorf("%+v, %v", k, err)
			}
		}
	})
}

// D8: Run ends with an error when the role may not delete, since that does not
// pass by itself.
func TestRunSaysThatARightIsMissing(t *testing.T) {
	for _, b := range sqlBackends[:2] {
		t.Run(b.name, func(t *testing.T) {
			driver, dsn, schema := b.space(t)
			st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
			if err := st.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			s := b.server(t)
			role := strings.ToLower(schema) + "_reader"
			make := []string{"CREATE USER " + role + " PASSWORD 'x'", `GRANT USAGE ON SCHEMA "` + schema + `" TO ` + role, `GRANT SELECT ON ALL TABLES IN SCHEMA "` + schema + `" TO ` + role}
			drop := []string{"DROP OWNED BY " + role, "DROP USER " + role}
			if b.dialect == sqlstore.MySQL {
				make, drop = []string{"CREATE USER " + role + "@'127.0.0.1' IDENTIFIED BY 'x'", "GRANT SELECT ON " + schema + ".* TO " + role + "@'127.0.0.1'", "GRANT USAGE ON authn.* TO " + role + "@'127.0.0.1'"}, []string{"DROP USER " + role + "@'127.0.0.1'"}
				dsn = strings.Replace(dsn, "/authn?", "/"+schema+"?", 1)
			}
			if err := s.Exec(make...); err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := s.Exec(drop...); err != nil {
					t.Error(err)
				}
			}()
			reader := openDB(t, driver, strings.Replace(dsn, "authn:not-a-secret@", role+":x@", 1))
			defer reader.Close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err := newStore(t, reader, b.dialect, sqlstore.Config{Schema: schema}).Run(ctx)
			if err == nil || !strings.Contains(err.Error(), "lacks a right") {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

// D4: a MariaDB that would refuse what a transaction writes is refused by Open
// and Check, with what to do.
func TestStatementBinlogIsRefused(t *testing.T) {
	b := sqlBackends[1]
	driver, dsn, schema := b.space(t)
	st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
	if err := st.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	st = newStore(t, openDB(t, driver, dsn+"binlog_format=STATEMENT"), b.dialect, sqlstore.Config{Schema: schema})
	for name, err := range map[string]error{"Open": st.Open(t.Context()), "Check": st.Check(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "ROW or MIXED") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The premise: it is what the server does.
	if err := st.RevokeAPIKeysOf(t.Context(), "ann", time.Now()); err == nil || !strings.Contains(err.Error(), "1665") {
		t.Errorf("revoke: %v", err)
	}
}

// D8: a server that is killed under load is an outage, and the clients recover
// by themselves when it is back. What was acknowledged holds: keys, claims and
// revocations.
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
				load := sqlLoad{st: st, from: n * 1_000_000, now: now}
				load.untilKilled(t, s)
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				sqlOutages(t, "dead", ctx, st)
				cancel()
				if err := s.Start(); err != nil {
					t.Fatal(err)
				}
				// The pool may hold connections of the dead server: a few calls may
				// still fail, but no one has to do anything.
				wait, cancel := context.WithTimeout(t.Context(), patience)
				for st.Check(wait) != nil && wait.Err() == nil {
				}
				if err := st.Check(wait); err != nil {
					t.Errorf("after the restart: %v", err)
				}
				cancel()
				load.holds(t)
				if err := st.ClaimOnce(t.Context(), "after", store.DigestOf(fmt.Sprint(n)), now.Add(time.Hour), now); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// sqlLoad writes, and remembers what was acknowledged.
type sqlLoad struct {
	st                        *sqlstore.Store
	from                      int
	now                       time.Time
	created, claimed, revoked []int
	ended, advanced           []int // subjects, generations
}

// untilKilled writes from five sides until each has met the outage, and kills
// s amid.
func (l *sqlLoad) untilKilled(t *testing.T, s *servers.SQLServer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for n := range 200 { // to be revoked
		if err := l.st.CreateAPIKey(ctx, aKey("bob", l.from+n), store.APIKeyLimits{}, l.now); err != nil {
			t.Fatal(err)
		}
	}
	f := l.family()
	if err := l.st.CreateFamily(ctx, f); err != nil {
		t.Fatal(err)
	}
	var all atomic.Int64
	var killed atomic.Bool
	var wg sync.WaitGroup
	side := func(name string, done *[]int, call func(n int) error) {
		wg.Go(func() {
			for n := l.from; ; n++ {
				over := killed.Load() || ctx.Err() != nil
				if err := call(n); err != nil {
					wantSQLOutage(t, name, err)
					if over {
						return
					}
					continue // a connection of the time before
				}
				*done = append(*done, n)
				if all.Add(1) == 150 {
					go func() {
						s.Kill()
						killed.Store(true)
					}()
				}
			}
		})
	}
	side("create", &l.created, func(n int) error {
		return l.st.CreateAPIKey(ctx, aKey("ann", n), store.APIKeyLimits{}, l.now)
	})
	side("claim", &l.claimed, func(n int) error {
		return l.st.ClaimOnce(ctx, "killed", store.DigestOf(fmt.Sprint(n)), l.now.Add(time.Hour), l.now)
	})
	side("revoke", &l.revoked, func(n int) error {
		return l.st.RevokeAPIKey(ctx, "bob", aKey("bob", l.from+(n-l.from)%200).ID, l.now)
	})
	side("end", &l.ended, func(n int) error {
		return l.st.RevokeTokensOf(ctx, raceOwner("ended", n))
	})
	generation := int64(1)
	side("advance", &l.advanced, func(int) error {
		// Who did not get the answer asks again, with the same token.
		got, err := l.st.AdvanceFamily(ctx, f.Ref, raceAdvance(generation, 0, time.Hour))
		if err == nil && got.Generation != generation+1 {
			t.Errorf("the token of generation %d was answered %d", generation, got.Generation)
		}
		if err == nil {
			generation++
		}
		return err
	})
	wg.Wait()
}

// family is the one that is advanced.
func (l *sqlLoad) family() store.RefreshFamily { return raceFamily("load", l.from) }

// holds wants all that was acknowledged.
func (l *sqlLoad) holds(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	t.Logf("acknowledged: %d keys, %d claims, %d revocations, %d ends, %d refreshes", len(l.created), len(l.claimed), len(l.revoked), len(l.ended), len(l.advanced))
	for _, n := range l.created {
		if _, err := l.st.APIKey(ctx, "ann", aKey("ann", n).ID); err != nil {
			t.Errorf("key %d was acknowledged: %v", n, err)
		}
	}
	for _, n := range l.claimed {
		if err := l.st.ClaimOnce(ctx, "killed", store.DigestOf(fmt.Sprint(n)), l.now.Add(time.Hour), l.now); !errors.Is(err, store.ErrExists) {
			t.Errorf("claim %d was acknowledged, and the second one answers %v", n, err)
		}
	}
	for _, n := range l.revoked {
		k, err := l.st.APIKey(ctx, "bob", aKey("bob", l.from+(n-l.from)%200).ID)
		if err != nil || k.RevokedAt.IsZero() {
			t.Errorf("revocation %d was acknowledged: %v, %v", n, k.RevokedAt, err)
		}
	}
	for _, n := range l.ended {
		// It took effect once: the next one makes version 3.
		token := raceToken("ended", n)
		token.Version = 2
		if reason, err := l.st.TokenRevoked(ctx, token, l.now); reason != "" || err != nil {
			t.Errorf("the end of subject %d was acknowledged, and a token of version 2 is %q, %v", n, reason, err)
		}
	}
	f, err := l.st.Family(ctx, l.family().Ref)
	if err != nil {
		t.Fatal(err)
	}
	// The last use may have taken effect without an answer.
	if extra := f.Generation - 1 - int64(len(l.advanced)); extra < 0 || extra > 1 || !f.RevokedAt.IsZero() {
		t.Errorf("%d uses were acknowledged, and the family is at generation %d, revoked at %v", len(l.advanced), f.Generation, f.RevokedAt)
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
		if err := st.ClaimOnce(ctx, "", big.Digest, now.Add(time.Hour), now); err == nil || !strings.Contains(err.Error(), "purpose") {
			t.Errorf("no purpose: %v", err)
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
