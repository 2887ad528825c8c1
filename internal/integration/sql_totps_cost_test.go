package integration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D9: as TestSQLCost, for codes and for the read of each token request.
func TestSQLCodesCost(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx := t.Context()
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := errors.Join(st.Open(ctx), enrolStep(ctx, st, "ann"), enrolStep(ctx, st, "bob"), useCodesAndClients(ctx, st, "cost")); err != nil {
			t.Fatal(err)
		}
		endless := aGuess
		endless.Free = 1 << 30
		p := []any{"?", "?", "?"}
		if b.dialect == sqlstore.PostgreSQL {
			p = []any{"$1", "$2", "$3"}
		}
		totps := b.table(schema, "totps")
		read := "SELECT secret, unconfirmed, enrolled_at, begins_until, step, recovery, device_epoch, code_row, code_recent, code_recent_at, code_wait_until," +
			" backup_row, backup_recent, backup_recent_at, backup_wait_until FROM " + totps + " WHERE subject = %s"
		get, err := db.PrepareContext(ctx, fmt.Sprintf(read, p[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer get.Close()
		add, err := db.PrepareContext(ctx, fmt.Sprintf("UPDATE "+totps+" SET code_row = code_row + 1, code_recent = code_recent + 1 WHERE subject = %s", p[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer add.Close()
		move, err := db.PrepareContext(ctx, fmt.Sprintf("UPDATE "+totps+" SET step = step + 1, code_row = 0 WHERE subject = %s AND secret = %s AND step < %s", p...))
		if err != nil {
			t.Fatal(err)
		}
		defer move.Close()
		client, err := db.PrepareContext(ctx, fmt.Sprintf("SELECT id, name, auth_method, secrets, jwks, cert_subject, scopes, audience, serves, created_at, disabled_at, revision FROM "+
			b.table(schema, "oauth_clients")+" WHERE id = %s", p[0]))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		bareRead := func() error {
			var columns [15]any
			to := make([]any, len(columns))
			for i := range columns {
				to[i] = &columns[i]
			}
			return get.QueryRowContext(ctx, "bob").Scan(to...)
		}
		bareClient := func() error {
			var c store.OAuthClient
			var secrets, scopes, audience, serves []byte
			var created, disabled any
			err := client.QueryRowContext(ctx, raceOwner("cost", 1)).Scan(&c.ID, &c.Name, &c.AuthMethod, &secrets, &c.JWKS, &c.CertSubject, &scopes, &audience, &serves, &created, &disabled, &c.Revision)
			var list []map[string]string
			return errors.Join(err, json.Unmarshal(secrets, &list), json.Unmarshal(scopes, &c.Scopes))
		}
		step := int64(1)
		b.cost(t, "TOTP", func() error { _, err := st.TOTP(ctx, "ann"); return err }, bareRead)
		b.cost(t, "ReserveTOTP", func() error { _, _, err := st.ReserveTOTP(ctx, "ann", endless); return err }, func() error {
			_, err := add.ExecContext(ctx, "bob")
			return errors.Join(err, bareRead())
		})
		b.cost(t, "AcceptTOTP", func() error { step++; return st.AcceptTOTP(ctx, "ann", raceSealed, step, nil) }, func() error {
			_, err := move.ExecContext(ctx, "bob", raceSealed, 1<<40)
			return err
		})
		b.cost(t, "OAuthClient", func() error { _, err := st.OAuthClient(ctx, raceOwner("cost", 1)); return err }, bareClient)
	})
}
