package integration_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: ten instances that start at once on an empty database all come up, each
// with its own pool as on its own machine.
func TestTenInstancesOpenAtOnce(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		for range 5 {
			driver, dsn, schema := b.space(t)
			var stores []*sqlstore.Store
			for range 10 {
				db := openDB(t, driver, dsn)
				if err := db.Ping(); err != nil {
					t.Fatal(err)
				}
				stores = append(stores, newStore(t, db, b.dialect, sqlstore.Config{Schema: schema}))
			}
			errs := make([]error, len(stores))
			start := make(chan struct{})
			var wg sync.WaitGroup
			for i, st := range stores {
				wg.Go(func() {
					<-start
					errs[i] = st.Open(t.Context())
				})
			}
			close(start)
			wg.Wait()
			for i, st := range stores {
				if errs[i] != nil {
					t.Errorf("instance %d: %v", i, errs[i])
				} else if err := st.Check(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
}

// D4: tables of several prefixes do not meet.
func TestPrefixesKeepStoresApart(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		now := time.Now()
		for _, prefix := range []string{"", "shop_", "shop_2_", "_", strings.Repeat("p", 32)} {
			st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, TablePrefix: prefix})
			if err := st.Open(t.Context()); err != nil {
				t.Fatalf("prefix %q: %v", prefix, err)
			}
			if err := st.ClaimOnce(t.Context(), "jti", store.DigestOf("x"), now.Add(time.Hour), now); err != nil {
				t.Errorf("prefix %q: %v", prefix, err)
			}
			if err := st.CreateAPIKey(t.Context(), aKey("ann", 1), store.APIKeyLimits{}, now); err != nil {
				t.Errorf("prefix %q: %v", prefix, err)
			}
			if err := st.CreateFamily(t.Context(), raceFamily("ann", 1)); err != nil {
				t.Errorf("prefix %q: %v", prefix, err)
			}
			if s := raceSession("ann", 1); st.CreateSession(t.Context(), s, store.SessionRef{}, 0, 0, now) != nil || !alive(t, st, s.Ref) {
				t.Errorf("prefix %q: there is no session", prefix)
			}
			if err := st.AddSigningKey(t.Context(), raceSigningKey("ring", 1, 0), "", time.Time{}); err != nil {
				t.Errorf("prefix %q: %v", prefix, err)
			}
			if err := errors.Join(usePasswordsAndLimits(t.Context(), st, "ann"), useCodesAndClients(t.Context(), st, "ann")); err != nil {
				t.Errorf("prefix %q: %v", prefix, err)
			}
		}
	})
}

// D4: a schema whose migration was cut off, or is older, is completed; one that
// is newer is refused.
func TestOpenMigrates(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		open := func() {
			t.Helper()
			if err := st.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := st.Check(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		exec := func(text string) {
			t.Helper()
			text = strings.NewReplacer("{schema}", b.table(schema, "schema"), "{once}", b.table(schema, "once")).Replace(text)
			if _, err := db.ExecContext(t.Context(), text); err != nil {
				t.Fatal(err)
			}
		}
		open()
		if err := st.CreateAPIKey(t.Context(), aKey("ann", 1), store.APIKeyLimits{}, time.Now()); err != nil {
			t.Fatal(err)
		}
		open() // again, with nothing to do

		// A table is gone, and the versions do not say so.
		for _, name := range []string{"once", "api_key_owners", "revoked_tokens", "refresh_families", "token_subjects", "signing_keys", "sessions", "session_subjects", "passwords", "one_time_tokens", "one_time_subjects", "limits", "attempts", "totps", "oauth_clients", "provider_tokens", "schema"} {
			exec("DROP TABLE " + b.table(schema, name))
			if err := st.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "call Store.Open") {
				t.Errorf("Check without %s: %v", name, err)
			}
			open()
			now := time.Now()
			if err := st.ClaimOnce(t.Context(), name, store.DigestOf("x"), now.Add(time.Hour), now); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if err := st.RevokeAPIKeysOf(t.Context(), "bob", now); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if err := st.CreateFamily(t.Context(), raceFamily(name, 1)); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if _, err := st.TokenRevoked(t.Context(), raceToken(name, 1), now); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if err := st.CreateSession(t.Context(), raceSession(name, 1), store.SessionRef{}, 0, 0, now); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if _, err := st.ListSigningKeys(t.Context(), now); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
			if err := errors.Join(usePasswordsAndLimits(t.Context(), st, name), useCodesAndClients(t.Context(), st, name)); err != nil {
				t.Errorf("without %s: %v", name, err)
			}
		}

		exec("DELETE FROM {schema}")
		exec("DROP TABLE {once}")
		if err := st.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "call Store.Open") {
			t.Errorf("Check of an older schema: %v", err)
		}
		open()
		if _, err := st.APIKeyByDigest(t.Context(), aKey("ann", 1).Digest); err != nil {
			t.Errorf("a key is gone after a migration: %v", err)
		}
		now := time.Now()
		if err := st.ClaimOnce(t.Context(), "jti", store.DigestOf("x"), now.Add(time.Hour), now); err != nil {
			t.Error(err)
		}

		exec("INSERT INTO {schema} (version) VALUES (1000)")
		err := st.Open(t.Context())
		if err == nil || !strings.Contains(err.Error(), "version 1000") || !strings.Contains(err.Error(), "newer library") {
			t.Errorf("Open of a newer schema: %v", err)
		}
		// While a newer library is rolled out the older instances serve on.
		if err := st.Check(t.Context()); err != nil {
			t.Errorf("Check of a newer schema: %v", err)
		}
	})
}

// table is the name of a table in SQL.
func (b sqlBackend) table(schema, name string) string {
	q := `"`
	if b.dialect == sqlstore.MySQL {
		q = "`"
	}
	name = q + "authn_" + name + q
	if schema != "" {
		name = q + schema + q + "." + name
	}
	return name
}

// D4: without its tables each call says what to do.
func TestMissingTableNamesOpen(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
		now := time.Now()
		_, read := st.APIKeyByDigest(t.Context(), store.DigestOf("x"))
		_, use := st.RecordAPIKeyUses(t.Context(), []store.APIKeyUse{{ID: "a", N: 1, At: now}})
		_, revoked := st.TokenRevoked(t.Context(), raceToken("ann", 1), now)
		_, advance := st.AdvanceFamily(t.Context(), raceFamily("ann", 1).Ref, raceAdvance(1, 0, 0))
		_, ring := st.ListSigningKeys(t.Context(), now)
		session := raceSession("ann", 1)
		_, verify := st.SessionByRef(t.Context(), session.Ref, now)
		_, login := st.PasswordByName(t.Context(), "ann")
		_, claim := st.ClaimOneTime(t.Context(), store.DigestOf("x"), now)
		_, reserve := st.ReserveAttempts(t.Context(), []store.AttemptTake{anAttempt("ann", 1)})
		_, owed := st.TOTP(t.Context(), "ann")
		_, _, guess := st.ReserveTOTP(t.Context(), "ann", aGuess)
		_, client := st.OAuthClient(t.Context(), "batch")
		_, token := st.ProviderToken(t.Context(), "ann", "github")
		for name, err := range map[string]error{
			"TOTP":             owed,
			"ReserveTOTP":      guess,
			"BeginTOTP":        st.BeginTOTP(t.Context(), "ann", nil, raceSealed, now),
			"OAuthClient":      client,
			"ProviderToken":    token,
			"APIKeyByDigest":   read,
			"RecordAPIKeyUses": use,
			"ClaimOnce":        st.ClaimOnce(t.Context(), "jti", store.DigestOf("x"), now.Add(time.Hour), now),
			"CreateAPIKey":     st.CreateAPIKey(t.Context(), aKey("ann", 1), store.APIKeyLimits{}, now),
			"TokenRevoked":     revoked,
			"AdvanceFamily":    advance,
			"CreateFamily":     st.CreateFamily(t.Context(), raceFamily("ann", 1)),
			"ListSigningKeys":  ring,
			"SessionByRef":     verify,
			"CreateSession":    st.CreateSession(t.Context(), session, store.SessionRef{}, 0, 0, now),
			"TouchSession":     st.TouchSession(t.Context(), session.Ref, now, now),
			"RevokeSessionsOf": st.RevokeSessionsOf(t.Context(), "ann", ""),
			"PasswordByName":   login,
			"CreatePassword":   st.CreatePassword(t.Context(), racePassword("x", 1), now),
			"CreateOneTime":    st.CreateOneTime(t.Context(), raceLink("x", 1, 0), 1, now),
			"ClaimOneTime":     claim,
			"TakeLimits":       st.TakeLimits(t.Context(), []store.LimitTake{aWindow("ann", 1)}, make([]store.LimitState, 1)),
			"ReserveAttempts":  reserve,
			"UnlockAttempts":   st.UnlockAttempts(t.Context(), "password", "ann"),
			"Check":            st.Check(t.Context()),
			"Run":              st.Run(t.Context()),
		} {
			if err == nil || !strings.Contains(err.Error(), "call Store.Open") || !strings.Contains(err.Error(), "authn_") {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// D4: a schema that does not exist is said so, and not made.
func TestMissingSchemaIsSaid(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, _ := b.space(t)
		st := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: "nowhere"})
		if err := st.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "Config.Schema") {
			t.Errorf("Open: %v", err)
		}
	})
}
