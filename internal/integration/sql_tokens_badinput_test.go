package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: a row that somebody damaged is an error that names it.
func TestDamagedTokenRowsAreErrors(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		ctx := t.Context()
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		damage := []string{
			`identity = '{'`, `identity = ''`, `identity = 'null'`, `identity = '{"subject":"eve","kind":"user"}'`,
			`identity = '{"subject":"x","kind":"root"}'`, `scopes = '[oops'`, `scopes = '{"a":1}'`, `audience = '[1]'`,
		}
		if b.dialect == sqlstore.SQLite {
			damage = append(damage, `expires_at = 'tomorrow'`, `expires_at = ''`)
		}
		for n, set := range damage {
			f := raceFamily("ann", n)
			if err := st.CreateFamily(ctx, f); err != nil {
				t.Fatal(err)
			}
			if _, err := db.ExecContext(ctx, "UPDATE "+b.table(schema, "refresh_families")+" SET "+set+" WHERE id = '"+f.Ref.ID+"'"); err != nil {
				t.Fatal(err)
			}
			_, read := st.Family(ctx, f.Ref)
			_, advance := st.AdvanceFamily(ctx, f.Ref, raceAdvance(1, 0, 0))
			for what, err := range map[string]error{"read": read, "advance": advance} {
				wantSQLOutage(t, set+": "+what, err)
				if err != nil && !strings.Contains(err.Error(), `"`+f.Ref.ID+`"`) {
					t.Errorf("%s: %s: %v does not name the family", set, what, err)
				}
			}
			// It can be revoked all the same.
			if err := st.RevokeFamily(ctx, f.Ref, raceNow); err != nil {
				t.Errorf("%s: revoke: %v", set, err)
			}
		}
		if b.dialect != sqlstore.SQLite {
			return // the types of the columns of signing keys leave nothing to damage
		}
		if err := st.AddSigningKey(ctx, raceSigningKey("ring", 1, 0), "", time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.ExecContext(ctx, "UPDATE "+b.table(schema, "signing_keys")+" SET sign_from = 'soon'"); err != nil {
			t.Fatal(err)
		}
		_, err := st.ListSigningKeys(ctx, raceNow)
		if err == nil || !strings.Contains(err.Error(), `"ring 1 0"`) {
			t.Errorf("list: %v", err)
		}
	})
}

// D4: what a column would change, cut or not take is refused before the
// database, and what no row can have is not there.
func TestHostileTokenValues(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, _ := b.open(t, nil)
		ctx, now := t.Context(), time.Now()
		good := raceFamily("ann", 1)
		for _, text := range hostileTexts {
			long := len(text) == 300
			for field, change := range map[string]func(f *store.RefreshFamily){
				"Ref.ID":   func(f *store.RefreshFamily) { f.Ref.ID = text },
				"ClientID": func(f *store.RefreshFamily) { f.ClientID = text },
				"Confirm":  func(f *store.RefreshFamily) { f.Confirm = text },
				"KeyID":    func(f *store.RefreshFamily) { f.KeyID = text },
				"Subject": func(f *store.RefreshFamily) {
					f.Subject, f.Identity.Subject, f.Ref.Tag = text, text, store.TagOf(text)
				},
			} {
				f := good
				change(&f)
				wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), st.CreateFamily(ctx, f))
			}
			for field, change := range map[string]func(f *store.RefreshFamily){
				"Scopes":     func(f *store.RefreshFamily) { f.Scopes = []string{text} },
				"Audience":   func(f *store.RefreshFamily) { f.Audience = []string{"a", text} },
				"Roles":      func(f *store.RefreshFamily) { f.Identity.Roles = []string{text} },
				"Factors":    func(f *store.RefreshFamily) { f.Identity.Factors = []authn.Factor{{Name: text, At: now}} },
				"Attributes": func(f *store.RefreshFamily) { f.Identity.Attributes = map[string]string{text: "x"} },
				"a value":    func(f *store.RefreshFamily) { f.Identity.Attributes = map[string]string{"x": text} },
			} {
				f := good
				f.Identity = *good.Identity.Clone()
				change(&f)
				if !long { // there they may be as long
					wantRefusedHere(t, fmt.Sprintf("%s %.20q", field, text), st.CreateFamily(ctx, f))
				}
			}
			token := store.TokenRef{Issuer: text, ID: text, Subject: text, Version: 1}
			_, err := st.TokenRevoked(ctx, token, now)
			wantRefusedHere(t, "TokenRevoked", err)
			wantRefusedHere(t, "RevokeToken", st.RevokeToken(ctx, token, now))
			_, err = st.TokenVersion(ctx, text, 0)
			wantRefusedHere(t, "TokenVersion", err)
			wantRefusedHere(t, "RevokeTokensOf", st.RevokeTokensOf(ctx, text))
			// Issuer and ID may be anything, and no family is called so.
			token.Subject = "ann"
			if err := st.RevokeToken(ctx, token, now.Add(time.Hour)); err != nil {
				t.Error(err)
			}
			if reason, err := st.TokenRevoked(ctx, token, now); reason != store.TokenRevokedByID || err != nil {
				t.Errorf("%q, %v", reason, err)
			}
			token.ID, token.Family = "another", text
			if reason, err := st.TokenRevoked(ctx, token, now); reason != store.TokenRevokedByFamily || err != nil {
				t.Errorf("%q, %v", reason, err)
			}
			for _, ref := range []store.FamilyRef{{Tag: good.Ref.Tag, ID: text}, {Tag: text, ID: good.Ref.ID}} {
				_, err := st.Family(ctx, ref)
				wantAbsent(t, "Family", err)
				_, err = st.AdvanceFamily(ctx, ref, raceAdvance(1, 0, 0))
				wantAbsent(t, "AdvanceFamily", err)
				wantAbsent(t, "RevokeFamily", st.RevokeFamily(ctx, ref, now))
			}
			a := raceAdvance(1, 0, 0)
			a.ClientID = text
			_, err = st.AdvanceFamily(ctx, good.Ref, a)
			wantAbsent(t, "AdvanceFamily by another client", err)
			a = raceAdvance(1, 0, 0)
			a.KeyID = text
			_, err = st.AdvanceFamily(ctx, good.Ref, a)
			wantRefusedHere(t, "AdvanceFamily with a key", err)
			wantAbsent(t, "ExpireSigningKey", st.ExpireSigningKey(ctx, text, now))
			for _, k := range []store.SigningKey{{ID: text, Algorithm: "ES256"}, {ID: "k", Algorithm: text}} {
				k.CreatedAt, k.SignFrom = now, now
				wantRefusedHere(t, "AddSigningKey", st.AddSigningKey(ctx, k, "", now))
			}
		}
		for field, change := range map[string]func(f *store.RefreshFamily){
			"no ID":               func(f *store.RefreshFamily) { f.Ref.ID = "" },
			"another's tag":       func(f *store.RefreshFamily) { f.Ref.Tag = store.TagOf("bob") },
			"another's identity":  func(f *store.RefreshFamily) { f.Identity.Subject = "bob" },
			"an invalid kind":     func(f *store.RefreshFamily) { f.Identity.Kind = 99 },
			"version 0":           func(f *store.RefreshFamily) { f.Version = 0 },
			"generation 0":        func(f *store.RefreshFamily) { f.Generation = 0 },
			"idle after the end":  func(f *store.RefreshFamily) { f.IdleUntil = f.ExpiresAt.Add(1) },
			"no RotatedAt":        func(f *store.RefreshFamily) { f.RotatedAt = time.Time{} },
			"no IdleUntil":        func(f *store.RefreshFamily) { f.IdleUntil = time.Time{} },
			"the year 10000":      func(f *store.RefreshFamily) { f.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
			"RevokedAt in 999":    func(f *store.RefreshFamily) { f.RevokedAt = time.Date(999, 1, 1, 0, 0, 0, 0, time.UTC) },
			"a factor in 10000":   func(f *store.RefreshFamily) { f.Identity.Factors = []authn.Factor{{At: time.Unix(1<<40, 0)}} },
			"an identity of 16 M": func(f *store.RefreshFamily) { f.Identity.Issuer = strings.Repeat("<", 3<<20) },
		} {
			f := good
			change(&f)
			wantRefusedHere(t, field, st.CreateFamily(ctx, f))
		}
		if _, err := st.Family(ctx, good.Ref); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("something was written: %v", err)
		}
		key := raceSigningKey("ring", 1, 0)
		for what, change := range map[string]func(k *store.SigningKey){
			"no ID":           func(k *store.SigningKey) { k.ID = "" },
			"no CreatedAt":    func(k *store.SigningKey) { k.CreatedAt = time.Time{} },
			"no SignFrom":     func(k *store.SigningKey) { k.SignFrom = time.Time{} },
			"the year 10000":  func(k *store.SigningKey) { k.ExpiresAt = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
			"a long Public":   func(k *store.SigningKey) { k.Public = make([]byte, 16<<10+1) },
			"a long Sealed":   func(k *store.SigningKey) { k.Sealed = make([]byte, 16<<10+1) },
			"SignUntil in 99": func(k *store.SigningKey) { k.SignUntil = time.Date(99, 1, 1, 0, 0, 0, 0, time.UTC) },
		} {
			k := key
			change(&k)
			wantRefusedHere(t, what, st.AddSigningKey(ctx, k, "", now))
		}
		wantRefusedHere(t, "no end of the newest", st.AddSigningKey(ctx, key, "k", time.Time{}))
		wantRefusedHere(t, "until nothing", st.RevokeToken(ctx, raceToken("ann", 1), time.Time{}))
		wantRefusedHere(t, "revoke at no time", st.RevokeFamily(ctx, good.Ref, time.Time{}))
		wantRefusedHere(t, "expire at no time", st.ExpireSigningKey(ctx, key.ID, time.Time{}))
		_, err := st.AdvanceFamily(ctx, good.Ref, raceAdvance(0, 0, 0))
		wantRefusedHere(t, "generation 0", err)
		key.Public, key.Sealed = make([]byte, 16<<10), nil
		if err := st.AddSigningKey(ctx, key, "", time.Time{}); err != nil {
			t.Error(err)
		}
	})
}
