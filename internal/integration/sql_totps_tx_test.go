package integration_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// D4: calls for codes, service accounts and providers' tokens in a host's
// transaction take effect with it or not at all, and what they refuse leaves it
// usable.
func TestCodeCallsRunInTheHostsTransaction(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		st, db := b.open(t, nil)
		ctx := t.Context()
		if err := useCodesAndClients(ctx, st, "ann"); err != nil {
			t.Fatal(err)
		}
		ann := raceOwner("ann", 1)
		full := aGuess
		full.MaxRow = 1
		other, later := []byte("other"), raceNow.Add(time.Hour)
		for _, commit := range []bool{false, true} {
			tx := begin(t, db)
			in := st.WithTx(ctx, tx)
			bob := raceClient("bob", 1)
			reserve := func(subject string, p store.GuessPolicy) error {
				_, _, err := st.ReserveTOTP(in, subject, p)
				return err
			}
			take := func(code string) error { _, err := st.TakeRecoveryCode(in, ann, store.DigestOf(code)); return err }
			_, read := st.TOTP(in, "nobody")
			_, client := st.OAuthClient(in, "nobody")
			_, token := st.ProviderToken(in, "nobody", "github")
			for _, c := range []struct {
				name      string
				got, want error
			}{
				{"read nobody", read, store.ErrNotFound},
				{"read no client", client, store.ErrNotFound},
				{"read no token", token, store.ErrNotFound},
				{"begin in place of none", st.BeginTOTP(in, ann, nil, other, later), store.ErrConflict},
				{"begin in place of another", st.BeginTOTP(in, ann, other, other, later), store.ErrConflict},
				{"confirm another", st.ConfirmTOTP(in, ann, other, 9, nil, raceNow), store.ErrConflict},
				{"a code again", st.AcceptTOTP(in, ann, raceSealed, 2, nil), store.ErrConflict},
				{"a recovery code again", take("code 3"), store.ErrNotFound},
				{"replace codes of another", st.ReplaceRecoveryCodes(in, ann, other, nil), store.ErrConflict},
				{"guess at nobody", reserve("nobody", aGuess), store.ErrNotFound},
				{"client again", st.CreateOAuthClient(in, raceClient("ann", 1)), store.ErrExists},
				{"token of another", st.ReplaceProviderToken(in, ann, "github", other, other), store.ErrConflict},
				{"begin", st.BeginTOTP(in, "bob", nil, raceSealed, later), nil},
				{"begin again", st.BeginTOTP(in, "bob", nil, other, later), nil},
				{"confirm", st.ConfirmTOTP(in, "bob", other, 1, nil, raceNow), nil},
				{"guess", reserve(ann, aGuess), nil},
				{"guess too often", reserve(ann, full), store.ErrLimit},
				{"accept", st.AcceptTOTP(in, ann, raceSealed, 3, nil), nil},
				{"new recovery codes", st.ReplaceRecoveryCodes(in, ann, raceSealed, []store.Digest{store.DigestOf("x")}), nil},
				{"recovery code", take("x"), nil},
				{"client", st.CreateOAuthClient(in, bob), nil},
				{"update", st.UpdateOAuthClient(in, bob), nil},
				{"update again", st.UpdateOAuthClient(in, bob), store.ErrConflict},
				{"rotate", st.RotateOAuthSecret(in, bob.ID, raceSecret("new"), later, raceNow), nil},
				{"rotate again", st.RotateOAuthSecret(in, bob.ID, raceSecret("newer"), later, raceNow), store.ErrLimit},
				{"disable", st.DisableOAuthClient(in, bob.ID, raceNow), nil},
				{"rotate a disabled one", st.RotateOAuthSecret(in, bob.ID, raceSecret("newest"), time.Time{}, raceNow), store.ErrConflict},
				{"token", st.ReplaceProviderToken(in, ann, "github", []byte("new"), other), nil},
			} {
				if !errors.Is(c.got, c.want) {
					t.Errorf("%s: %v, want %v", c.name, c.got, c.want)
				}
			}
			end := tx.Rollback
			if commit {
				end = tx.Commit
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			kept, err := st.TOTP(ctx, ann)
			sealed, sealedErr := st.ProviderToken(ctx, ann, "github")
			if err := errors.Join(err, sealedErr); err != nil {
				t.Fatal(err)
			}
			_, enrolled := st.TOTP(ctx, "bob")
			_, made := st.OAuthClient(ctx, bob.ID)
			for what, happened := range map[string]bool{
				"enrolment": enrolled == nil, "code": kept.Step == 3, "client": made == nil, "token": string(sealed) == "other",
			} {
				if happened != commit {
					t.Errorf("after commit %v: %s: %v", commit, what, happened)
				}
			}
		}
	})
}

// D4: a code, a recovery code, a rotation and a token are taken once, also where
// a host's transaction looked before others took them, in the strictest
// isolation, too: it is refused or fails.
func TestCodesHoldAgainstAnOldSnapshot(t *testing.T) {
	full := aGuess
	full.MaxRow = 1
	ann := raceOwner("ann", 1)
	prepare := func(ctx context.Context, st *sqlstore.Store) error {
		return errors.Join(
			enrolStep(ctx, st, ann), st.CreateOAuthClient(ctx, raceClient("ann", 1)), st.PutProviderToken(ctx, ann, "github", []byte("old")),
		)
	}
	holdsAgainstAnOldSnapshot(t, prepare, map[string]func(ctx context.Context, st *sqlstore.Store, caller int) error{
		"AcceptTOTP": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			return st.AcceptTOTP(ctx, ann, raceSealed, 2, nil)
		},
		"ReserveTOTP": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			_, _, err := st.ReserveTOTP(ctx, ann, full)
			return err
		},
		"TakeRecoveryCode": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			_, err := st.TakeRecoveryCode(ctx, ann, store.DigestOf("code 3"))
			return err
		},
		"BeginTOTP and ConfirmTOTP": func(ctx context.Context, st *sqlstore.Store, caller int) error {
			sealed := []byte{byte(caller)}
			if err := st.BeginTOTP(ctx, "bob", nil, sealed, raceNow.Add(time.Hour)); err != nil {
				return err
			}
			return st.ConfirmTOTP(ctx, "bob", sealed, int64(caller), nil, raceNow)
		},
		"RotateOAuthSecret": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			return st.RotateOAuthSecret(ctx, ann, raceSecret("new"), raceNow.Add(time.Hour), raceNow)
		},
		"UpdateOAuthClient": func(ctx context.Context, st *sqlstore.Store, _ int) error {
			return st.UpdateOAuthClient(ctx, raceClient("ann", 1))
		},
		"ReplaceProviderToken": func(ctx context.Context, st *sqlstore.Store, caller int) error {
			return st.ReplaceProviderToken(ctx, ann, "github", []byte("old"), []byte{byte(caller)})
		},
	})
}
