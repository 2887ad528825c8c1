package integration_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// aGuess counts codes and never stops nor waits.
var aGuess = store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Second, RecentFor: time.Hour}

// useCodesAndClients makes a call of each kind that uses a table.
func useCodesAndClients(ctx context.Context, st *sqlstore.Store, what string) error {
	subject := raceOwner(what, 1)
	if err := st.DeleteTOTP(ctx, subject, true); err != nil {
		return err
	}
	kept, err := st.TOTP(ctx, subject)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	_, none := st.OAuthClient(ctx, subject)
	if none == nil {
		none = st.RotateOAuthSecret(ctx, subject, raceSecret("new"), time.Time{}, raceNow)
	} else {
		none = st.CreateOAuthClient(ctx, raceClient(what, 1))
	}
	step := kept.Step
	err = errors.Join(
		none,
		st.BeginTOTP(ctx, subject, nil, raceSealed, raceNow.Add(time.Hour)),
		st.ConfirmTOTP(ctx, subject, raceSealed, step+1, []store.Digest{store.DigestOf("code 3")}, raceNow),
		st.PutProviderToken(ctx, subject, "github", []byte("old")),
		st.ReplaceProviderToken(ctx, subject, "github", []byte("old"), []byte("new")),
	)
	_, _, guess := st.ReserveTOTP(ctx, subject, aGuess)
	_, take := st.TakeRecoveryCode(ctx, subject, store.DigestOf("code 3"))
	return errors.Join(err, guess, take, st.AcceptTOTP(ctx, subject, raceSealed, step+2, nil))
}

// sayCodes is sayAll for store.TOTPs, store.OAuthClients and
// store.ProviderTokens, with and without others who are first.
func sayCodes(t *testing.T, st *sqlstore.Store) {
	t.Helper()
	ctx := t.Context()
	want := func(want, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Fatalf("%v, want %v", err, want)
		}
	}
	want(nil, useCodesAndClients(ctx, st, "say"))
	subject := raceOwner("say", 1)
	_, err := st.TOTP(ctx, "k7")
	want(nil, err)
	backup := aGuess
	backup.Backup = true
	_, _, err = st.ReserveTOTP(ctx, subject, backup)
	want(nil, err)
	want(nil, st.ReplaceRecoveryCodes(ctx, subject, raceSealed, nil))
	want(nil, st.ForgetTOTPDevices(ctx, subject))
	want(nil, st.DeleteTOTP(ctx, subject, false))
	want(nil, st.DeleteTOTP(ctx, subject, true))

	c := raceClient("say", 1)
	want(nil, st.UpdateOAuthClient(ctx, c))
	want(store.ErrConflict, st.UpdateOAuthClient(ctx, c))
	want(nil, st.RotateOAuthSecret(ctx, c.ID, raceSecret("x"), time.Time{}, raceNow))
	want(nil, st.DisableOAuthClient(ctx, c.ID, raceNow))
	found, next, err := st.ListOAuthClients(ctx, store.Page{Limit: 1})
	want(nil, err)
	if len(found) != 1 || next == "" {
		t.Fatal(found, next)
	}
	_, _, err = st.ListOAuthClients(ctx, store.Page{Cursor: next})
	want(nil, err)

	_, err = st.ProviderToken(ctx, subject, "github")
	want(nil, err)
	want(nil, st.DeleteProviderToken(ctx, subject, "github"))
	want(nil, st.DeleteProviderTokensOf(ctx, subject))
}

// sayCodesInTx is sayCodes for what a host's transaction says in another way.
func sayCodesInTx(t *testing.T, st *sqlstore.Store, db *sql.DB) {
	t.Helper()
	if err := enrolStep(t.Context(), st, "say in tx"); err != nil {
		t.Fatal(err)
	}
	tx := begin(t, db)
	_, _, err := st.ReserveTOTP(st.WithTx(t.Context(), tx), "say in tx", aGuess)
	if err := errors.Join(err, tx.Commit()); err != nil {
		t.Fatal(err)
	}
}

// D9: a guess is one statement where it is refused and two where it counts; a
// right code is one more. None needs a transaction, so that each is one round
// trip.
func TestCodesTakeFewTrips(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		ctx := t.Context()
		db, schema, r := b.record(t)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema})
		if err := errors.Join(st.Open(ctx), enrolStep(ctx, st, "ann"), useCodesAndClients(ctx, st, "trips")); err != nil {
			t.Fatal(err)
		}
		backup, full := aGuess, aGuess
		backup.Backup, full.MaxRow = true, 1
		step, code := int64(1), -1
		trips := raceOwner("trips", 1)
		sealed := 0
		for _, c := range []struct {
			name string
			call func() error
			want int
		}{
			{"TOTP", func() error { _, err := st.TOTP(ctx, "ann"); return err }, 1},
			{"ReserveTOTP", func() error { _, _, err := st.ReserveTOTP(ctx, "ann", aGuess); return err }, 2},
			{"ReserveTOTP of a recovery code", func() error { _, _, err := st.ReserveTOTP(ctx, "ann", backup); return err }, 2},
			{"ReserveTOTP, refused", func() error {
				if _, _, err := st.ReserveTOTP(ctx, "ann", full); !errors.Is(err, store.ErrLimit) {
					return fmt.Errorf("not refused: %w", err)
				}
				return nil
			}, 1},
			{"AcceptTOTP", func() error { step++; return st.AcceptTOTP(ctx, "ann", raceSealed, step, nil) }, 1},
			{"TakeRecoveryCode", func() error {
				code++
				_, err := st.TakeRecoveryCode(ctx, "ann", store.DigestOf(fmt.Sprint("code ", code)))
				return err
			}, 2},
			{"ForgetTOTPDevices", func() error { return st.ForgetTOTPDevices(ctx, "ann") }, 1},
			{"OAuthClient", func() error { _, err := st.OAuthClient(ctx, trips); return err }, 1},
			{"ListOAuthClients", func() error { _, _, err := st.ListOAuthClients(ctx, store.Page{}); return err }, 1},
			{"ProviderToken", func() error { _, err := st.ProviderToken(ctx, trips, "github"); return err }, 1},
			{"PutProviderToken", func() error { return st.PutProviderToken(ctx, trips, "github", []byte("sealed 0")) }, 1},
			{"ReplaceProviderToken", func() error {
				sealed++
				return st.ReplaceProviderToken(ctx, trips, "github", fmt.Append(nil, "sealed ", sealed-1), fmt.Append(nil, "sealed ", sealed))
			}, 1},
		} {
			if err := c.call(); err != nil { // prepares
				t.Fatalf("%s: %v", c.name, err)
			}
			all, turns := r.during(func() {
				if err := c.call(); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
			})
			if len(all) != c.want || turns > int64(c.want) {
				t.Errorf("%s: %d round trips, said %d, want %d: %v", c.name, turns, len(all), c.want, all)
			}
		}
	})
}

// D4: Run deletes what DeleteTOTP left and a Begin that nobody confirmed, a year
// later; never an enrolment.
func TestRunDeletesOldTOTPs(t *testing.T) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		var ahead time.Duration
		driver, dsn, schema := b.space(t)
		db := openDB(t, driver, dsn)
		st := newStore(t, db, b.dialect, sqlstore.Config{Schema: schema, ClockOffset: func() time.Duration { return ahead }})
		ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
		again := []byte("again")
		if err := st.Open(ctx); err != nil {
			t.Fatal(err)
		}
		for _, subject := range []string{"enrolled", "deleted", "enrolled again"} {
			if err := enrolStep(ctx, st, subject); err != nil {
				t.Fatal(err)
			}
		}
		err := errors.Join(
			st.BeginTOTP(ctx, "enrolled", raceSealed, again, now.Add(time.Hour)),
			st.BeginTOTP(ctx, "begun", nil, raceSealed, now.Add(time.Hour)),
			st.DeleteTOTP(ctx, "deleted", false),
			st.DeleteTOTP(ctx, "enrolled again", false),
			st.BeginTOTP(ctx, "enrolled again", nil, again, now.Add(time.Hour)),
			st.ConfirmTOTP(ctx, "enrolled again", again, 2, nil, now),
			st.ForgetTOTPDevices(ctx, "enrolled again"),
			st.DeleteTOTP(ctx, "enrolled", true),
			st.BeginTOTP(ctx, "enrolled", nil, again, now.Add(time.Hour)),
			st.ConfirmTOTP(ctx, "enrolled", again, 2, nil, now),
			st.DeleteTOTP(ctx, "enrolled", true),
		)
		if err != nil {
			t.Fatal(err)
		}
		ahead = 2 * 366 * 24 * time.Hour
		sweepOnce(t, st, db, b, schema, "totps")
		if got, err := st.TOTP(ctx, "enrolled again"); err != nil || string(got.Secret) != string(again) || got.DeviceEpoch != 4 {
			t.Errorf("%+v, %v", got, err)
		}
		for _, subject := range []string{"deleted", "begun", "enrolled"} {
			_, err := st.TOTP(ctx, subject)
			wantAbsent(t, subject, err)
		}
	})
}
