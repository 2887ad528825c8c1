package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: what a column would change, cut or not take is refused before the
// database, and what no row can have is not there.
func TestHostileCodeValues(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx, now := t.Context(), raceNow
		later, far := now.Add(time.Hour), time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)
		is := func(what string, err, want error) {
			t.Helper()
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		if err := useCodesAndClients(ctx, st, "ann"); err != nil {
			t.Fatal(err)
		}
		ann := raceOwner("ann", 1)
		for _, text := range hostileTexts {
			_, read := st.TOTP(ctx, text)
			_, _, guess := st.ReserveTOTP(ctx, text, aGuess)
			_, take := st.TakeRecoveryCode(ctx, text, store.DigestOf("code 3"))
			_, token := st.ProviderToken(ctx, text, "github")
			_, ofToken := st.ProviderToken(ctx, ann, text)
			_, client := st.OAuthClient(ctx, text)
			_, _, page := st.ListOAuthClients(ctx, store.Page{Cursor: text})
			for what, err := range map[string]error{
				"TOTP": read, "ReserveTOTP": guess, "TakeRecoveryCode": take, "ProviderToken": token, "ProviderToken of": ofToken,
				"OAuthClient": client, "ListOAuthClients": page,
				"RotateOAuthSecret":  st.RotateOAuthSecret(ctx, text, raceSecret("x"), later, now),
				"DisableOAuthClient": st.DisableOAuthClient(ctx, text, now),
			} {
				wantAbsent(t, what, err)
			}
			is("ConfirmTOTP", st.ConfirmTOTP(ctx, text, raceSealed, 1, nil, now), store.ErrConflict)
			is("AcceptTOTP", st.AcceptTOTP(ctx, text, raceSealed, 1, nil), store.ErrConflict)
			is("ReplaceRecoveryCodes", st.ReplaceRecoveryCodes(ctx, text, raceSealed, nil), store.ErrConflict)
			is("ReplaceProviderToken", st.ReplaceProviderToken(ctx, text, "github", []byte("new"), []byte("x")), store.ErrConflict)
			is("forgetting and deleting nobody", errors.Join(
				st.ForgetTOTPDevices(ctx, text), st.DeleteTOTP(ctx, text, true),
				st.DeleteProviderToken(ctx, text, "x"), st.DeleteProviderToken(ctx, "x", text), st.DeleteProviderTokensOf(ctx, text),
			), nil)
			wantRefusedHere(t, "BeginTOTP", st.BeginTOTP(ctx, text, nil, raceSealed, later))
			wantRefusedHere(t, "PutProviderToken", st.PutProviderToken(ctx, text, "github", []byte("x")))
			wantRefusedHere(t, "PutProviderToken of", st.PutProviderToken(ctx, ann, text, []byte("x")))
			for field, change := range map[string]func(c *store.OAuthClient){
				"ID":          func(c *store.OAuthClient) { c.ID = text },
				"Name":        func(c *store.OAuthClient) { c.Name = text },
				"AuthMethod":  func(c *store.OAuthClient) { c.AuthMethod = text },
				"CertSubject": func(c *store.OAuthClient) { c.CertSubject = text + strings.Repeat("x", 1000) },
				"Scopes":      func(c *store.OAuthClient) { c.Scopes = []string{strings.Repeat(text, 300)} },
				"Audience":    func(c *store.OAuthClient) { c.Audience = []string{"x", strings.Repeat(text, 300)} },
				"Serves":      func(c *store.OAuthClient) { c.Serves = []string{strings.Repeat(text, 300), "x"} },
			} {
				c := raceClient("bob", 1)
				change(&c)
				wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), st.CreateOAuthClient(ctx, c))
				if c.ID, c.Revision = ann, 1; field != "ID" && field != "AuthMethod" {
					wantRefusedHere(t, fmt.Sprintf("%s %.20q, of an update", field, text), st.UpdateOAuthClient(ctx, c))
				}
			}
		}
		for n, sealed := range [][]byte{nil, {}, make([]byte, 256)} {
			wantRefusedHere(t, fmt.Sprint("BeginTOTP of secret ", n), st.BeginTOTP(ctx, "bob", nil, sealed, later))
			if sealed != nil {
				wantRefusedHere(t, fmt.Sprint("reseal ", n), st.AcceptTOTP(ctx, ann, raceSealed, 100, sealed))
			}
		}
		for n, sealed := range [][]byte{nil, {}, make([]byte, 32<<10+1)} {
			wantRefusedHere(t, fmt.Sprint("PutProviderToken ", n), st.PutProviderToken(ctx, ann, "github", sealed))
			wantRefusedHere(t, fmt.Sprint("ReplaceProviderToken ", n), st.ReplaceProviderToken(ctx, ann, "github", []byte("new"), sealed))
		}
		tooMany := make([]store.Digest, store.MaxRecoveryCodes+1)
		wantRefusedHere(t, "17 codes", st.ReplaceRecoveryCodes(ctx, ann, raceSealed, tooMany))
		wantRefusedHere(t, "17 first codes", st.ConfirmTOTP(ctx, ann, raceSealed, 100, tooMany, now))
		wantRefusedHere(t, "until the year 10000", st.BeginTOTP(ctx, "bob", nil, raceSealed, far))
		wantRefusedHere(t, "confirmed in the year 10000", st.ConfirmTOTP(ctx, ann, raceSealed, 100, nil, far))
		wantRefusedHere(t, "disabled in the year 10000", st.DisableOAuthClient(ctx, ann, far))
		wantRefusedHere(t, "a secret of no time", st.RotateOAuthSecret(ctx, ann, store.ClientSecret{}, later, now))
		wantRefusedHere(t, "a grace until the year 10000", st.RotateOAuthSecret(ctx, ann, raceSecret("x"), far, now))
		for field, change := range map[string]func(c *store.OAuthClient){
			"no ID":                 func(c *store.OAuthClient) { c.ID = "" },
			"no CreatedAt":          func(c *store.OAuthClient) { c.CreatedAt = time.Time{} },
			"disabled in year 9999": func(c *store.OAuthClient) { c.DisabledAt = far },
			"three secrets": func(c *store.OAuthClient) {
				c.Secrets = []store.ClientSecret{raceSecret("a"), raceSecret("b"), raceSecret("c")}
			},
			"a secret that ends in the year 10000": func(c *store.OAuthClient) { c.Secrets[0].ExpiresAt = far },
			"a big JWK Set":                        func(c *store.OAuthClient) { c.JWKS = make([]byte, 64<<10+1) },
			"big lists": func(c *store.OAuthClient) {
				half := []string{strings.Repeat("x", 32<<10)}
				c.Scopes, c.Audience, c.Serves = half, half, []string{"x"}
			},
		} {
			c := raceClient("bob", 1)
			change(&c)
			wantRefusedHere(t, field, st.CreateOAuthClient(ctx, c))
		}
		_, bob := st.TOTP(ctx, "bob")
		_, client := st.OAuthClient(ctx, raceOwner("bob", 1))
		wantAbsent(t, "what was refused", errors.Join(bob, client))
		if c, err := st.OAuthClient(ctx, ann); err != nil || c.Revision != 1 || len(c.Secrets) != 1 || !c.DisabledAt.IsZero() {
			t.Errorf("after what was refused: %+v, %v", c, err)
		}
	})
}

// D4: a row that somebody damaged is said to be so, and neither passes nor is
// overwritten.
func TestDamagedCodeRowsAreSaid(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		ctx := t.Context()
		if err := errors.Join(st.Open(ctx), enrolStep(ctx, st, "ann"), st.CreateOAuthClient(ctx, raceClient("ann", 1))); err != nil {
			t.Fatal(err)
		}
		short := map[sqlstore.Dialect]string{sqlstore.PostgreSQL: `'\x0102'`, sqlstore.MySQL: "x'0102'", sqlstore.SQLite: "x'0102'"}[b.dialect]
		for _, text := range []string{
			"UPDATE " + b.table(schema, "totps") + " SET recovery = " + short,
			"UPDATE " + b.table(schema, "oauth_clients") + " SET secrets = '[{\"digest\":\"00\"}]'",
		} {
			if _, err := db.ExecContext(ctx, text); err != nil {
				t.Fatal(err)
			}
		}
		id := raceOwner("ann", 1)
		_, read := st.TOTP(ctx, "ann")
		_, _, guess := st.ReserveTOTP(ctx, "ann", aGuess)
		_, take := st.TakeRecoveryCode(ctx, "ann", store.DigestOf("code 3"))
		_, client := st.OAuthClient(ctx, id)
		_, _, list := st.ListOAuthClients(ctx, store.Page{})
		for what, err := range map[string]error{
			"TOTP": read, "ReserveTOTP": guess, "TakeRecoveryCode": take, "OAuthClient": client, "ListOAuthClients": list,
			"RotateOAuthSecret": st.RotateOAuthSecret(ctx, id, raceSecret("x"), raceNow.Add(time.Hour), raceNow),
		} {
			if !errors.Is(err, store.ErrDamaged) {
				t.Errorf("%s: %v, want %v", what, err, store.ErrDamaged)
			}
		}
	})
}
