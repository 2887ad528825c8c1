package integration_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D9: what the hot calls cost over bare database/sql that does the same on
// the same tables: the median of the ratios of rounds in which the two
// take turns. It is logged, not judged: the machine may be busy.
// TestHotCallsAreOneStatement holds what is certain.
func TestSQLCost(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx, now := t.Context(), time.Now()
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		k := aKey("ann", 1)
		if err := st.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now); err != nil {
			t.Fatal(err)
		}
		f := raceFamily("cost", 1)
		token := raceToken("cost", 1)
		token.Family = f.Ref.ID
		if err := st.CreateFamily(ctx, f); err != nil {
			t.Fatal(err)
		}
		session := createSession(t, st, "cost", 1)
		bare := newBareSQL(t, db, b, schema)
		n := 0 // of claims, each a new one
		rate, full := []store.LimitTake{aRate("cost", 10_000_000)}, []store.LimitTake{aWindow("full", 0)}
		for _, op := range []struct {
			name       string
			ours, bare func() error
		}{
			{
				"APIKeyByDigest",
				func() error { _, err := st.APIKeyByDigest(ctx, k.Digest); return err },
				func() error { _, err := bare.read(ctx, k.Digest); return err },
			},
			{
				"SessionByRef",
				func() error { _, err := st.SessionByRef(ctx, session.Ref, now); return err },
				func() error { _, err := bare.session(ctx, session.Ref); return err },
			},
			{
				"TokenRevoked",
				func() error { _, err := st.TokenRevoked(ctx, token, now); return err },
				func() error { return bare.revoked(ctx, token, now) },
			},
			{
				"ClaimOnce",
				func() error {
					n++
					return st.ClaimOnce(ctx, "cost", store.DigestOf(fmt.Sprint(n)), now.Add(time.Hour), now)
				},
				func() error {
					n++
					return bare.claim(ctx, store.DigestOf(fmt.Sprint(n)), now.Add(time.Hour))
				},
			},
			{
				"TakeLimits, GCRA",
				func() error { return st.TakeLimits(ctx, rate, make([]store.LimitState, 1)) },
				func() error { return bare.count(ctx) },
			},
			{
				"TakeLimits, refused",
				func() error { return st.TakeLimits(ctx, full, make([]store.LimitState, 1)) },
				func() error { _, err := bare.read(ctx, k.Digest); return err },
			},
		} {
			b.cost(t, op.name, op.ours, op.bare)
		}
	})
}

// cost logs what ours costs over bare.
func (b sqlBackend) cost(t *testing.T, name string, ours, bare func() error) {
	t.Helper()
	const rounds, calls = 31, 100
	run := func(f func() error) time.Duration {
		start := time.Now()
		for range calls {
			if err := f(); err != nil {
				t.Fatal(err)
			}
		}
		return time.Since(start)
	}
	var ratios []float64
	var mine, theirs []time.Duration
	for round := range rounds + 1 {
		var x, y time.Duration
		if round%2 == 0 {
			x, y = run(ours), run(bare)
		} else {
			y, x = run(bare), run(ours)
		}
		if round > 0 { // the first one warms up
			ratios, mine, theirs = append(ratios, float64(x)/float64(y)), append(mine, x/calls), append(theirs, y/calls)
		}
	}
	t.Logf("%s %-14s %8v, bare %8v, ratio %.3f", b.name, name, median(mine), median(theirs), median(ratios))
}

// bareSQL is what a host would write for its own table: statements that are
// prepared once, and no more.
type bareSQL struct {
	b                                         sqlBackend
	byDigest, bySession, token, once, counter *sql.Stmt
}

func newBareSQL(t *testing.T, db *sql.DB, b sqlBackend, schema string) bareSQL {
	t.Helper()
	columns := "id, owner, name, prefix, last_four, digest, scopes, metadata, created_at, expires_at, revoked_at, replaced_by, last_used_at, last_addr, uses"
	p := []any{"?", "?", "?", "?", "?"}
	upsert := "ON CONFLICT (purpose, digest) DO UPDATE SET ends_at = %s WHERE c.ends_at <= %s"
	count, as := "ON CONFLICT (owner) DO UPDATE SET changes = c.changes + 1", "AS c "
	switch b.dialect {
	case sqlstore.PostgreSQL:
		p = []any{"$1", "$2", "$3", "$4", "$5"}
	case sqlstore.MySQL:
		upsert, as = "ON DUPLICATE KEY UPDATE ends_at = IF(ends_at <= %s, %s, ends_at)", ""
		count = "ON DUPLICATE KEY UPDATE changes = changes + 1"
	}
	prepare := func(format string, args ...any) *sql.Stmt {
		t.Helper()
		s, err := db.PrepareContext(t.Context(), fmt.Sprintf(format, args...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	return bareSQL{
		b,
		prepare("SELECT "+columns+" FROM "+b.table(schema, "api_keys")+" WHERE digest = %s", p[0]),
		prepare("SELECT digest, tag, id, subject, identity, data, revision, remember, user_agent, addr, created_at, seen_at, idle_until, expires_at FROM "+
			b.table(schema, "sessions")+" WHERE digest = %s", p[0]),
		prepare("SELECT (SELECT COUNT(*) FROM "+b.table(schema, "revoked_tokens")+" WHERE digest = %s AND expires_at > %s), "+
			"(SELECT COUNT(*) FROM "+b.table(schema, "refresh_families")+" WHERE id = %s AND subject = %s AND revoked_at IS NULL), "+
			"(SELECT version FROM "+b.table(schema, "token_subjects")+" WHERE subject = %s)", p...),
		prepare("INSERT INTO "+b.table(schema, "once")+" "+as+"(purpose, digest, ends_at) VALUES (%s, %s, %s) "+upsert, p...),
		prepare("INSERT INTO "+b.table(schema, "api_key_owners")+" "+as+"(owner, changes) VALUES (%s, 1) "+count, p[0]),
	}
}

// count is a limiter of one statement, which knows no time.
func (b bareSQL) count(ctx context.Context) error {
	_, err := b.counter.ExecContext(ctx, "cost")
	return err
}

func (b bareSQL) revoked(ctx context.Context, ref store.TokenRef, now time.Time) error {
	digest := ref.Digest()
	var at any = now
	if b.b.dialect != sqlstore.PostgreSQL {
		at = now.UTC().Format("2006-01-02 15:04:05.000000")
	}
	var byID, families int
	var version int64
	err := b.token.QueryRowContext(ctx, digest[:], at, ref.Family, ref.Subject, ref.Subject).Scan(&byID, &families, &version)
	if err == nil && (byID != 0 || families != 1 || version != ref.Version) {
		err = fmt.Errorf("%d, %d, %d", byID, families, version)
	}
	return err
}

func (b bareSQL) read(ctx context.Context, d store.Digest) (k store.APIKey, err error) {
	var digest []byte
	var scopes, metadata, addr string
	var created, expires, revoked, used any
	err = b.byDigest.QueryRowContext(ctx, d[:]).Scan(&k.ID, &k.Owner, &k.Name, &k.Prefix, &k.LastFour, &digest, &scopes, &metadata,
		&created, &expires, &revoked, &k.ReplacedBy, &used, &addr, &k.Uses)
	if err == nil {
		err = json.Unmarshal([]byte(scopes), &k.Scopes)
	}
	if err == nil {
		err = json.Unmarshal([]byte(metadata), &k.Metadata)
	}
	switch at := created.(type) {
	case time.Time:
		k.CreatedAt = at
	case string:
		k.CreatedAt, err = time.Parse("2006-01-02 15:04:05.000000", at)
	case []byte:
		k.CreatedAt, err = time.Parse("2006-01-02 15:04:05.000000", string(at))
	}
	return k, err
}

func (b bareSQL) session(ctx context.Context, ref store.SessionRef) (s store.Session, err error) {
	var digest []byte
	var subject, identity, addr string
	var times [4]any
	err = b.bySession.QueryRowContext(ctx, ref.Token[:]).Scan(&digest, &s.Ref.Tag, &s.ID, &subject, &identity, &s.Data, &s.Revision, &s.Remember, &s.UserAgent, &addr,
		&times[0], &times[1], &times[2], &times[3])
	if err == nil {
		err = json.Unmarshal([]byte(identity), &s.Identity)
	}
	for i, to := range []*time.Time{&s.CreatedAt, &s.SeenAt, &s.IdleUntil, &s.ExpiresAt} {
		if err != nil {
			break
		}
		switch at := times[i].(type) {
		case time.Time:
			*to = at
		case string:
			*to, err = time.Parse("2006-01-02 15:04:05.000000", at)
		case []byte:
			*to, err = time.Parse("2006-01-02 15:04:05.000000", string(at))
		}
	}
	if err == nil && !s.Live(time.Now()) {
		err = store.ErrNotFound
	}
	return s, err
}

func (b bareSQL) claim(ctx context.Context, d store.Digest, until time.Time) error {
	var at, now any = until, time.Now()
	if b.b.dialect != sqlstore.PostgreSQL {
		at, now = until.UTC().Format("2006-01-02 15:04:05.000000"), time.Now().UTC().Format("2006-01-02 15:04:05.000000")
	}
	args := []any{"bare", d[:], at, at, now}
	if b.b.dialect == sqlstore.MySQL {
		args = []any{"bare", d[:], at, now, at}
	}
	res, err := b.once.ExecContext(ctx, args...)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("claimed %d: %w", n, err)
	}
	return nil
}
