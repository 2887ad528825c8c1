package integration_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: no statement reads a whole table. What is explained is what the driver
// was asked to run, on tables of ten thousand rows.
func TestEachStatementHasItsIndex(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx := t.Context()
		db, schema, r := b.record(t)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		fill(t, db, b.dialect, schema)
		all, _ := r.during(func() { sayAll(t, st, r); sayCodesInTx(t, st, db) })
		seen := make(map[string]bool)
		for _, s := range all {
			if !s.isQuery() || seen[s.text] {
				continue
			}
			seen[s.text] = true
			scans, plan := explain(t, db, b.dialect, s)
			if len(scans) > 0 {
				t.Errorf("reads all of %v:\n%s\n%s", scans, s.text, plan)
			}
		}
		t.Logf("%d statements explained", len(seen))
		if len(seen) < 115 {
			t.Errorf("only %d statements were seen: %v", len(seen), all)
		}
	})
}

// sayAll calls whatever says a statement of its own.
func sayAll(t *testing.T, st *sqlstore.Store, r *sqlRecorder) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	limits := store.APIKeyLimits{MaxLive: 50, MaxAge: 90 * 24 * time.Hour}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for n := range 3 {
		ok(st.CreateAPIKey(ctx, aKey("ann", n), limits, now))
	}
	_, err := st.APIKeyByDigest(ctx, store.DigestOf("ann-0"))
	ok(err)
	_, err = st.APIKey(ctx, "ann", "ann-0")
	ok(err)
	_, next, err := st.ListAPIKeys(ctx, "ann", store.Page{Limit: 1})
	ok(err)
	_, _, err = st.ListAPIKeys(ctx, "ann", store.Page{Limit: 1, Cursor: next})
	ok(err)
	ok(st.RotateAPIKey(ctx, "ann", "ann-1", aKey("ann", 3), now.Add(time.Hour), now))
	ok(st.RevokeAPIKey(ctx, "ann", "ann-0", now))
	ok(st.RevokeAPIKeysOf(ctx, "ann", now))
	var uses []store.APIKeyUse
	for n := range 20 {
		uses = append(uses, store.APIKeyUse{ID: fmt.Sprint("k", n*17), N: 1, At: now, Addr: netip.MustParseAddr("192.0.2.1")})
	}
	_, err = st.RecordAPIKeyUses(ctx, uses)
	ok(err)
	for _, l := range []store.APIKeyLimits{{}, limits} {
		_, err = st.ClaimExpiringAPIKeys(ctx, 24*time.Hour, l, 10, now)
		ok(err)
	}
	ok(st.ClaimOnce(ctx, "jti", store.DigestOf("new"), now.Add(time.Hour), now))
	sayTokens(t, st)
	saySessions(t, st)
	sayPasswords(t, st)
	sayLimits(t, st)
	sayCodes(t, st)
	// Run deletes first and waits then.
	run, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	done := make(chan error)
	go func() { done <- st.Run(run) }()
	for _, table := range []string{"once", "revoked_tokens", "refresh_families", "sessions", "one_time_tokens", "one_time_subjects", "limits", "attempts", "totps"} {
		for !r.heard("DELETE", "authn_"+table) && run.Err() == nil {
			<-time.After(10 * time.Millisecond)
		}
	}
	cancel()
	ok(<-done)
}

// sayTokens is sayAll for store.Tokens and store.SigningKeys.
func sayTokens(t *testing.T, st *sqlstore.Store) {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	want := func(want, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	f := raceFamily("say", 1)
	token := raceToken("say", 1)
	token.Family = f.Ref.ID
	want(nil, st.CreateFamily(ctx, f))
	_, err := st.Family(ctx, f.Ref)
	want(nil, err)
	_, err = st.TokenRevoked(ctx, token, now)
	want(nil, err)
	want(nil, st.RevokeToken(ctx, token, now.Add(time.Hour)))
	for _, a := range []struct {
		grace time.Duration
		want  error
	}{{0, nil}, {time.Hour, nil}, {0, store.ErrConflict}} {
		_, err = st.AdvanceFamily(ctx, f.Ref, raceAdvance(1, 0, a.grace))
		want(a.want, err)
	}
	want(nil, st.RevokeFamily(ctx, f.Ref, now))
	want(nil, st.RevokeTokensOf(ctx, f.Subject))
	_, err = st.TokenVersion(ctx, "ann", time.Hour)
	want(nil, err)

	first, next := raceSigningKey("say", 1, 1), raceSigningKey("say", 2, 1)
	first.CreatedAt, next.CreatedAt = now, now
	want(nil, st.AddSigningKey(ctx, first, "", time.Time{}))
	want(store.ErrExists, st.AddSigningKey(ctx, first, first.ID, now.Add(time.Hour)))
	want(nil, st.AddSigningKey(ctx, next, first.ID, now.Add(time.Hour)))
	keys, err := st.ListSigningKeys(ctx, now)
	want(nil, err)
	if len(keys) != 2 {
		t.Fatalf("%d keys", len(keys))
	}
	want(nil, st.ExpireSigningKey(ctx, next.ID, now))
}

// saySessions is sayAll for store.Sessions.
func saySessions(t *testing.T, st *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	s, old, second := raceSession("say", 1), raceSession("say", 1), raceSession("say", 1)
	now := s.CreatedAt
	old.ID, old.Ref.Token, old.CreatedAt = "old", store.DigestOf("say old"), now.Add(-time.Hour)
	second.ID, second.Ref.Token, second.CreatedAt = "second", store.DigestOf("say second"), now.Add(time.Minute)
	_, err := st.SessionByRef(ctx, s.Ref, now)
	if !errors.Is(err, store.ErrNotFound) {
		t.Fatal(err)
	}
	err = errors.Join(
		st.CreateSession(ctx, old, store.SessionRef{}, 0, 0, now),
		st.CreateSession(ctx, s, store.SessionRef{}, 0, 0, now),
		st.CreateSession(ctx, second, s.Ref, 1, 0, now),
		st.TouchSession(ctx, second.Ref, now.Add(time.Hour), now),
		st.UpdateSessionData(ctx, second.Ref, 1, nil, now),
		st.RotateSession(ctx, second.Ref, rotationOf(second, "say third"), now),
		st.CreateSession(ctx, s, store.SessionRef{}, 0, 0, now),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := st.UpdateSessionData(ctx, s.Ref, 7, nil, now); !errors.Is(err, store.ErrConflict) {
		t.Fatal(err)
	}
	ss, next, err := st.ListSessions(ctx, s.Identity.Subject, store.Page{Limit: 1}, now)
	if err != nil || len(ss) != 1 || next == "" {
		t.Fatal(ss, next, err)
	}
	_, _, err = st.ListSessions(ctx, s.Identity.Subject, store.Page{Limit: 1, Cursor: next}, now)
	err = errors.Join(err, st.RevokeSession(ctx, s.Identity.Subject, s.ID, now), st.DeleteSession(ctx, s.Ref), st.RevokeSessionsOf(ctx, s.Identity.Subject, "x"))
	if err != nil {
		t.Fatal(err)
	}
}

// heard reports whether a statement that contains both words was said.
func (r *sqlRecorder) heard(a, b string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(r.all, func(s said) bool {
		return s.isQuery() && strings.Contains(s.text, a) && strings.Contains(s.text, b)
	})
}

// fill makes ten thousand keys of a thousand owners, a few of which expire
// soon, and as many rows of the other tables, a few of which ended long ago; all
// signing keys have.
func fill(t *testing.T, db *sql.DB, d sqlstore.Dialect, schema string) {
	t.Helper()
	var series, digest, at, analyze string
	q := `"`
	switch d {
	case sqlstore.PostgreSQL:
		series, analyze = "generate_series(1, 10000) AS s(n)", "ANALYZE %s"
		digest, at = "sha256(n::text::bytea)", "now() - interval '1 day' * (%s)"
	case sqlstore.MySQL:
		q = "`"
		series, analyze = "(SELECT CAST(seq AS SIGNED) AS n FROM seq_1_to_10000) AS s", "ANALYZE TABLE %s"
		digest, at = "UNHEX(SHA2(n, 256))", "UTC_TIMESTAMP(6) - INTERVAL (%s) DAY"
	case sqlstore.SQLite:
		series, analyze = "(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 10000) SELECT n FROM s) AS s", "ANALYZE %s"
		digest, at = "randomblob(32)", "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', (-(%s)) || ' days')"
	}
	table := func(name string) string {
		if schema == "" {
			return q + "authn_" + name + q
		}
		return q + schema + q + "." + q + "authn_" + name + q
	}
	days := func(n string) string { return fmt.Sprintf(at, n) }
	id, owner := "CONCAT('k', n)", "CONCAT('o', n % 1000)"
	for _, text := range []string{
		"INSERT INTO " + table("api_keys") + " (id, owner, name, prefix, last_four, digest, scopes, metadata, created_at, expires_at, replaced_by, last_addr, uses) SELECT " +
			id + ", " + owner + ", 'n', 'p', 'l', " + digest + ", '[]', '{}', " + days("n % 80") + ", " + days("0.5 - n % 1000") + ", '', '', 0 FROM " + series,
		"INSERT INTO " + table("api_key_owners") + " (owner, changes) SELECT " + owner + ", 1 FROM " + series + " WHERE n <= 1000",
		"INSERT INTO " + table("once") + " (purpose, digest, ends_at) SELECT 'jti', " + digest + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("revoked_tokens") + " (digest, subject, expires_at) SELECT " + digest + ", " + owner + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("refresh_families") + " (id, tag, subject, client_id, identity, scopes, audience, confirm, version, generation, key_id, rotated_at, idle_until, expires_at) SELECT " +
			id + ", 't', " + owner + ", 'c', '{}', '[]', '[]', '', 1, 1, 'k', " + days("30") + ", " + days("n % 1000 - 995") + ", " + days("n % 1000 - 1000") + " FROM " + series,
		"INSERT INTO " + table("token_subjects") + " (subject, version) SELECT " + id + ", 1 FROM " + series,
		"INSERT INTO " + table("sessions") + " (digest, tag, id, subject, identity, pending, data, revision, remember, user_agent, addr, created_at, seen_at, idle_until, expires_at) SELECT " +
			digest + ", 't', " + id + ", " + owner + ", '{}', 1 = 0, " + digest + ", 1, 1 = 0, '', '', " + days("30") + ", " + days("20") + ", " + days("n % 1000 - 995") + ", " + days("n % 1000 - 1000") + " FROM " + series,
		"INSERT INTO " + table("session_subjects") + " (subject) SELECT " + id + " FROM " + series,
		"INSERT INTO " + table("passwords") + " (subject, name, hash, changes, created_at, changed_at) SELECT " + id + ", " + id + ", 'h', 0, " + days("30") + ", " + days("30") + " FROM " + series,
		"INSERT INTO " + table("one_time_tokens") + " (digest, purpose, subject, bound, created_at, expires_at) SELECT " + digest + ", 'reset', " + owner + ", '', " + days("30") + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("one_time_subjects") + " (subject, ends_at) SELECT " + id + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("limits") + " (id, state, ends_at) SELECT " + digest + ", " + digest + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("attempts") + " (id, state, ends_at) SELECT " + digest + ", " + digest + ", " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("totps") + " (subject, changes, secret, unconfirmed, step, recovery, device_epoch, code_row, code_recent, backup_row, backup_recent, ends_at) SELECT " +
			id + ", 1, " + digest + ", " + digest + ", 1, " + digest + ", 1, 0, 0, 0, 0, " + days("n % 1000 - 995") + " FROM " + series,
		"INSERT INTO " + table("oauth_clients") + " (id, name, auth_method, secrets, jwks, cert_subject, scopes, audience, serves, created_at, revision) SELECT " +
			id + ", 'n', 'none', '[]', " + digest + ", '', '[]', '[]', '[]', " + days("30") + ", 1 FROM " + series,
		"INSERT INTO " + table("provider_tokens") + " (subject, provider, sealed, changes) SELECT " + owner + ", " + id + ", " + digest + ", 0 FROM " + series,
		"INSERT INTO " + table("signing_keys") + " (id, position, algorithm, public_key, sealed_key, created_at, sign_from, expires_at) SELECT " +
			id + ", n, 'a', " + digest + ", " + digest + ", " + days("10000 - n") + ", " + days("10000 - n") + ", " + days("10000 - n") + " FROM " + series,
	} {
		if _, err := db.ExecContext(t.Context(), text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	for _, name := range []string{"api_keys", "api_key_owners", "once", "revoked_tokens", "refresh_families", "token_subjects", "signing_keys", "sessions", "session_subjects", "passwords", "one_time_tokens", "one_time_subjects", "limits", "attempts", "totps", "oauth_clients", "provider_tokens"} {
		if _, err := db.ExecContext(t.Context(), fmt.Sprintf(analyze, table(name))); err != nil {
			t.Fatal(err)
		}
	}
}

// explain is the tables of the schema that s reads from end to end, and the
// plan.
func explain(t *testing.T, db *sql.DB, d sqlstore.Dialect, s said) (scans []string, plan string) {
	t.Helper()
	verb := map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "EXPLAIN (FORMAT JSON) ",
		sqlstore.MySQL:      "EXPLAIN ",
		sqlstore.SQLite:     "EXPLAIN QUERY PLAN ",
	}[d]
	rows, err := db.QueryContext(t.Context(), verb+s.text, s.args...)
	if err != nil {
		t.Fatalf("%s%s: %v", verb, s.text, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		to := make([]any, len(columns))
		for i := range values {
			to[i] = &values[i]
		}
		if err := rows.Scan(to...); err != nil {
			t.Fatal(err)
		}
		row := make(map[string]string)
		for i, c := range columns {
			row[c] = values[i].String
			plan += values[i].String + "\t"
		}
		plan += "\n"
		switch d {
		case sqlstore.PostgreSQL:
			var p any
			if err := json.Unmarshal([]byte(values[0].String), &p); err != nil {
				t.Fatal(err)
			}
			scans = append(scans, seqScans(p)...)
		case sqlstore.MySQL:
			// An INSERT says ALL of what it writes to; index is the whole of one.
			if row["select_type"] != "INSERT" && (row["type"] == "ALL" || row["type"] == "index") {
				scans = append(scans, row["table"])
			}
		case sqlstore.SQLite:
			if rest, ok := strings.CutPrefix(row["detail"], "SCAN "); ok && !strings.HasPrefix(rest, "json_each") && !strings.HasSuffix(rest, "CONSTANT ROW") && !strings.HasSuffix(rest, "VALUES CLAUSE") {
				scans = append(scans, rest)
			}
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return scans, plan
}

// seqScans finds in a plan in JSON what reads a table, or an index, from end
// to end.
func seqScans(p any) (tables []string) {
	switch p := p.(type) {
	case []any:
		for _, x := range p {
			tables = append(tables, seqScans(x)...)
		}
	case map[string]any:
		switch p["Node Type"] {
		case "Seq Scan":
			tables = append(tables, fmt.Sprint(p["Relation Name"]))
		case "Index Scan", "Index Only Scan", "Bitmap Index Scan":
			if p["Index Cond"] == nil {
				tables = append(tables, fmt.Sprint(p["Index Name"]))
			}
		}
		for _, x := range p {
			tables = append(tables, seqScans(x)...)
		}
	}
	return tables
}
