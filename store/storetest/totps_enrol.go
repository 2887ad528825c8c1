package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func totpEnrolCases() []totpCase {
	return []totpCase{
		{
			name: "begin_totp_changes_nothing_else",
			rule: "BeginTOTP replaces Unconfirmed and BeginsUntil, and changes nothing else: a secret is good until the next one is confirmed",
			test: beginTOTPChangesNothingElse,
		},
		{
			name: "begin_totp_compares_the_secret",
			rule: "BeginTOTP answers ErrConflict when Secret is not what the caller has read, and changes nothing",
			test: beginTOTPComparesTheSecret,
		},
		{
			name: "confirm_totp",
			rule: "ConfirmTOTP makes sealed the Secret with its recovery codes, moves Step and DeviceEpoch on, clears Unconfirmed, and of Codes what AcceptTOTP clears",
			test: confirmTOTP,
		},
		{
			name: "confirm_totp_refuses",
			rule: "ConfirmTOTP answers ErrConflict when sealed is not Unconfirmed, or BeginsUntil is over by now, or step is not beyond Step, and changes nothing",
			test: confirmTOTPRefuses,
		},
		{
			name: "confirm_totp_has_one_winner",
			rule: "of concurrent ConfirmTOTP one wins, the others get ErrConflict, and the winner's recovery codes are kept",
			test: confirmTOTPHasOneWinner,
		},
	}
}

func beginTOTPChangesNothingElse(t *testing.T, s store.TOTPs) {
	now := today()
	want := enrol(t, s, "ann", "old", now)
	guess(t, s, "ann", guessing, 2)
	want.Codes = store.Guesses{Row: 2, Recent: 2}
	for i := range 3 {
		want.Unconfirmed, want.BeginsUntil = sealedTOTP(fmt.Sprint("new ", i)), now.Add(time.Duration(i+1)*time.Minute)
		must(t, s.BeginTOTP(t.Context(), "ann", sealedTOTP("old"), want.Unconfirmed, want.BeginsUntil), "BeginTOTP, call %d", i+1)
		wantTOTP(t, s, want, "who has begun to replace a secret")
	}
	wantErr(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 11, nil), nil, "AcceptTOTP of the secret that is to be replaced")
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("new 0"), 12, nil, now), store.ErrConflict, "ConfirmTOTP of one that was begun before the last")
}

func beginTOTPComparesTheSecret(t *testing.T, s store.TOTPs) {
	now := today()
	want := enrol(t, s, "ann", "old", now)
	for _, secret := range [][]byte{nil, sealedTOTP("ol"), sealedTOTP("old "), sealedTOTP("OLD"), sealedTOTP("new")} {
		wantErr(t, s.BeginTOTP(t.Context(), "ann", secret, sealedTOTP("new"), now.Add(time.Hour)), store.ErrConflict, "BeginTOTP in place of %q", secret)
	}
	wantTOTP(t, s, want, "after refused calls of BeginTOTP")
	begin(t, s, "bob", nil, "b", now)
	wantErr(t, s.BeginTOTP(t.Context(), "bob", sealedTOTP("b"), sealedTOTP("new"), now.Add(time.Hour)), store.ErrConflict, "BeginTOTP in place of what is not confirmed")
	begin(t, s, "bob", nil, "c", now)
}

func confirmTOTP(t *testing.T, s store.TOTPs) {
	now := today()
	guessed(t, s, "ann")
	slow := store.GuessPolicy{Free: 1, Wait: time.Minute, MaxWait: time.Hour, RecentFor: time.Hour}
	guess(t, s, "ann", slow, 1) // the fourth: WaitUntil is set
	if readTOTP(t, s, "ann").Codes.WaitUntil.IsZero() {
		t.Error("a guess over GuessPolicy.Free did not set WaitUntil")
	}
	codes := recoveryCodes("new", 7)
	must(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("new"), 11, codes, now), "ConfirmTOTP")
	want := store.TOTP{
		Subject: "ann", Secret: sealedTOTP("new"), EnrolledAt: now, Step: 11, Recovery: codes,
		Codes: store.Guesses{Recent: 3}, Backup: store.Guesses{Row: 2, Recent: 2}, DeviceEpoch: 2,
	}
	wantTOTP(t, s, want, "whose new secret is confirmed")
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("new"), 12, codes, now), store.ErrConflict, "ConfirmTOTP again")
	_, err := s.TakeRecoveryCode(t.Context(), "ann", recoveryCodes("old", 1)[0])
	wantErr(t, err, store.ErrNotFound, "a recovery code of the enrolment before")
}

func confirmTOTPRefuses(t *testing.T, s store.TOTPs) {
	now := today()
	enrol(t, s, "ann", "old", now)
	begin(t, s, "ann", sealedTOTP("old"), "new", now)
	want := readTOTP(t, s, "ann")
	for _, c := range []struct {
		what string
		name string
		step int64
		at   time.Time
	}{
		{"of another secret", "newer", 11, now},
		{"of the one that is there", "old", 11, now},
		{"of the last step", "new", 10, now},
		{"of a step before", "new", 9, now},
		{"at the end", "new", 11, now.Add(time.Hour)},
		{"after the end", "new", 11, now.Add(2 * time.Hour)},
	} {
		wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP(c.name), c.step, recoveryCodes("new", 3), c.at), store.ErrConflict, "ConfirmTOTP %s", c.what)
	}
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", nil, 11, nil, now), store.ErrConflict, "ConfirmTOTP of no secret")
	wantTOTP(t, s, want, "after refused calls of ConfirmTOTP")
	last := now.Add(time.Hour - time.Microsecond)
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("new"), 11, nil, last), nil, "ConfirmTOTP just before the end")
}

func confirmTOTPHasOneWinner(t *testing.T, s store.TOTPs) {
	now := today()
	for round := range 5 {
		subject := fmt.Sprint("ann ", round)
		begin(t, s, subject, nil, "new", now)
		won := winners(t, 8, store.ErrConflict, func(i int) error {
			return s.ConfirmTOTP(t.Context(), subject, sealedTOTP("new"), int64(10+i), recoveryCodes(fmt.Sprint(i), 3), now)
		})
		if len(won) != 1 {
			t.Fatalf("%d of 8 concurrent calls of ConfirmTOTP won, want 1", len(won))
		}
		wantTOTP(t, s, store.TOTP{
			Subject: subject, Secret: sealedTOTP("new"), EnrolledAt: now, Step: int64(10 + won[0]),
			Recovery: recoveryCodes(fmt.Sprint(won[0]), 3), DeviceEpoch: 1,
		}, "after a race")
	}
}
