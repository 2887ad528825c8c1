package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type totpCase = testCase[store.TOTPs]

// totpCases are of the files totps_*.go, by theme.
func totpCases() []totpCase {
	return slices.Concat(totpEnrolCases(), totpGuessCases(), totpAcceptCases(), totpRecoveryCases(), []totpCase{
		{
			name: "totp_keeps_every_field",
			rule: "TOTP answers what was begun and what was confirmed as it was given, whatever the caller does to its slices later",
			test: totpKeepsEveryField,
		},
		{
			name: "missing_totps",
			rule: "where nothing is kept of subject, TOTP, ReserveTOTP and TakeRecoveryCode answer ErrNotFound, what compares answers ErrConflict, and forgetting and deleting are fine",
			test: missingTOTPs,
		},
		{
			name: "totp_subjects_compare_bytewise",
			rule: "each subject has a TOTP of its own; subjects compare bytewise",
			test: totpSubjectsCompareBytewise,
		},
		{
			name: "totp_answers_do_not_change",
			rule: "what was answered stays as it was when the store changes",
			test: totpAnswersDoNotChange,
		},
		{
			name: "forget_totp_devices",
			rule: "ForgetTOTPDevices moves the subject's DeviceEpoch on by one, and changes nothing else",
			test: forgetTOTPDevices,
		},
		{
			name: "delete_totp",
			rule: "DeleteTOTP clears Secret, EnrolledAt, Unconfirmed, BeginsUntil and Recovery and moves DeviceEpoch on; Step stays, and so do Codes and Backup",
			test: deleteTOTP,
		},
		{
			name: "delete_totp_that_forgives",
			rule: "DeleteTOTP clears Codes and Backup where forgive says so, and not Step",
			test: deleteTOTPThatForgives,
		},
		{
			name:   "cleaning_spares_totps",
			rule:   "an enrolment never expires, and what DeleteTOTP leaves stays for a year",
			moving: cleaningSparesTOTPs,
		},
		{
			name: "totp_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: totpCallsWithAnEndedContext,
		},
	})
}

// sealedTOTP is a sealed secret: any bytes.
func sealedTOTP(name string) []byte { return append([]byte{1, 0, 0xff, '\''}, name...) }

// recoveryCodes are the digests of n codes.
func recoveryCodes(name string, n int) []store.Digest {
	ds := make([]store.Digest, n)
	for i := range ds {
		ds[i] = digest(fmt.Sprint(name, i))
	}
	return ds
}

// guessing is a policy that never waits and never stops.
var guessing = store.GuessPolicy{Free: 1000, Wait: time.Second, MaxWait: time.Minute, RecentFor: 30 * 24 * time.Hour}

// wrongRecovery is guessing at recovery codes.
var wrongRecovery = store.GuessPolicy{Backup: true, Free: 1000, Wait: time.Second, MaxWait: time.Minute, RecentFor: 30 * 24 * time.Hour}

// begin waits for the Confirm of name for an hour, or ends the test.
func begin(t *testing.T, s store.TOTPs, subject string, secret []byte, name string, now time.Time) {
	t.Helper()
	must(t, s.BeginTOTP(t.Context(), subject, secret, sealedTOTP(name), now.Add(time.Hour)), "BeginTOTP of %q", subject)
}

// enrol makes name the secret of a subject who has none, with step 10 and 10
// recovery codes, or ends the test. It answers what is kept then.
func enrol(t *testing.T, s store.TOTPs, subject, name string, now time.Time) store.TOTP {
	t.Helper()
	begin(t, s, subject, nil, name, now)
	must(t, s.ConfirmTOTP(t.Context(), subject, sealedTOTP(name), 10, recoveryCodes(name, 10), now), "ConfirmTOTP of %q", subject)
	return readTOTP(t, s, subject)
}

func readTOTP(t *testing.T, s store.TOTPs, subject string) store.TOTP {
	t.Helper()
	got, err := s.TOTP(t.Context(), subject)
	must(t, err, "TOTP of %q", subject)
	return got
}

// guess reserves n wrong guesses, or ends the test.
func guess(t *testing.T, s store.TOTPs, subject string, p store.GuessPolicy, n int) {
	t.Helper()
	for i := range n {
		_, _, err := s.ReserveTOTP(t.Context(), subject, p)
		must(t, err, "ReserveTOTP of %q, guess %d of %d", subject, i+1, n)
	}
}

// wantTOTP says when what is kept of want.Subject is not want.
func wantTOTP(t *testing.T, s store.TOTPs, want store.TOTP, why string) {
	t.Helper()
	wantSameTOTP(t, readTOTP(t, s, want.Subject), want, why)
}

func wantSameTOTP(t *testing.T, got, want store.TOTP, why string) {
	t.Helper()
	var f fields
	f.text("Subject", got.Subject, want.Subject)
	f.any("Secret", bytes.Equal(got.Secret, want.Secret), got.Secret, want.Secret)
	f.any("Unconfirmed", bytes.Equal(got.Unconfirmed, want.Unconfirmed), got.Unconfirmed, want.Unconfirmed)
	f.at("EnrolledAt", got.EnrolledAt, want.EnrolledAt)
	f.at("BeginsUntil", got.BeginsUntil, want.BeginsUntil)
	f.any("Step", got.Step == want.Step, got.Step, want.Step)
	f.any("Recovery", slices.Equal(sorted(got.Recovery), sorted(want.Recovery)), got.Recovery, want.Recovery)
	f.guesses("Codes", got.Codes, want.Codes)
	f.guesses("Backup", got.Backup, want.Backup)
	f.any("DeviceEpoch", got.DeviceEpoch == want.DeviceEpoch, got.DeviceEpoch, want.DeviceEpoch)
	if d := f.String(); d != "" {
		t.Errorf("TOTP of %q, %s: %s", want.Subject, why, d)
	}
}

// guesses compares times only where the wanted one is set: they are the store's.
func (f *fields) guesses(name string, got, want store.Guesses) {
	f.any(name+".Row", got.Row == want.Row, got.Row, want.Row)
	f.any(name+".Recent", got.Recent == want.Recent, got.Recent, want.Recent)
	if !want.RecentAt.IsZero() {
		f.at(name+".RecentAt", got.RecentAt, want.RecentAt)
	}
	f.at(name+".WaitUntil", got.WaitUntil, want.WaitUntil)
}

func sorted(ds []store.Digest) []store.Digest {
	return slices.SortedFunc(slices.Values(ds), func(a, b store.Digest) int { return bytes.Compare(a[:], b[:]) })
}

func totpKeepsEveryField(t *testing.T, s store.TOTPs) {
	now := today().Add(123457 * time.Microsecond)
	subjects := []string{
		"'; DROP TABLE authn_totps; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}", "🔑 ключ 鍵",
		"line\nbreak\ttab", " spaces around ", strings.Repeat("x", 255),
	}
	for i, subject := range subjects {
		sealed := bytes.Repeat([]byte{byte(i), 0, 0xff}, 85) // 255 bytes
		want := store.TOTP{Subject: subject, Unconfirmed: bytes.Clone(sealed), BeginsUntil: now.Add(time.Hour)}
		must(t, s.BeginTOTP(t.Context(), subject, nil, sealed, want.BeginsUntil), "BeginTOTP of %q", subject)
		sealed[7] ^= 1
		wantTOTP(t, s, want, "begun")
		sealed[7] ^= 1
		codes := recoveryCodes(subject, store.MaxRecoveryCodes)
		must(t, s.ConfirmTOTP(t.Context(), subject, sealed, 1<<40, codes, now), "ConfirmTOTP of %q", subject)
		want = store.TOTP{Subject: subject, Secret: want.Unconfirmed, EnrolledAt: now, Step: 1 << 40, Recovery: slices.Clone(codes), DeviceEpoch: 1}
		sealed[7] ^= 1
		codes[0] = digest("another")
		wantTOTP(t, s, want, "confirmed")
	}
}

func missingTOTPs(t *testing.T, s store.TOTPs) {
	now, ctx := today(), t.Context()
	enrol(t, s, "bob", "bobs", now)
	_, err := s.TOTP(ctx, "ann")
	wantErr(t, err, store.ErrNotFound, "TOTP of nobody")
	for _, p := range []store.GuessPolicy{guessing, wrongRecovery} {
		_, _, err = s.ReserveTOTP(ctx, "ann", p)
		wantErr(t, err, store.ErrNotFound, "ReserveTOTP of nobody")
	}
	_, err = s.TakeRecoveryCode(ctx, "ann", recoveryCodes("bobs", 1)[0])
	wantErr(t, err, store.ErrNotFound, "TakeRecoveryCode of nobody")
	wantErr(t, s.BeginTOTP(ctx, "ann", sealedTOTP("bobs"), sealedTOTP("a"), now.Add(time.Hour)), store.ErrConflict, "BeginTOTP of nobody, in place of a secret")
	wantErr(t, s.ConfirmTOTP(ctx, "ann", sealedTOTP("bobs"), 11, nil, now), store.ErrConflict, "ConfirmTOTP of nobody")
	wantErr(t, s.AcceptTOTP(ctx, "ann", sealedTOTP("bobs"), 11, nil), store.ErrConflict, "AcceptTOTP of nobody")
	wantErr(t, s.AcceptTOTP(ctx, "ann", nil, 11, nil), store.ErrConflict, "AcceptTOTP of nobody, of no secret")
	wantErr(t, s.ReplaceRecoveryCodes(ctx, "ann", sealedTOTP("bobs"), nil), store.ErrConflict, "ReplaceRecoveryCodes of nobody")
	wantErr(t, s.ReplaceRecoveryCodes(ctx, "ann", nil, nil), store.ErrConflict, "ReplaceRecoveryCodes of nobody, of no secret")
	wantErr(t, s.ForgetTOTPDevices(ctx, "ann"), nil, "ForgetTOTPDevices of nobody")
	wantErr(t, s.DeleteTOTP(ctx, "ann", true), nil, "DeleteTOTP of nobody")
	_, err = s.TOTP(ctx, "ann")
	wantErr(t, err, store.ErrNotFound, "TOTP of nobody, after all that")
}

func totpSubjectsCompareBytewise(t *testing.T, s store.TOTPs) {
	now := today()
	subjects := []string{"ann", "Ann", "ann ", "änn", "a\u0308nn", "ann%", ""}
	want := make([]store.TOTP, len(subjects))
	for i, subject := range subjects {
		want[i] = enrol(t, s, subject, fmt.Sprint("secret ", i), now)
	}
	for i := range subjects {
		guess(t, s, subjects[i], guessing, i+1)
		want[i].Codes = store.Guesses{Row: i + 1, Recent: i + 1}
	}
	for _, w := range want {
		wantTOTP(t, s, w, "beside subjects that are alike")
	}
}

func totpAnswersDoNotChange(t *testing.T, s store.TOTPs) {
	was := enrol(t, s, "ann", "old", today())
	codes := recoveryCodes("old", 10)
	kept := store.TOTP{
		Subject: "ann", Secret: sealedTOTP("old"), EnrolledAt: was.EnrolledAt, Step: 10, Recovery: codes, DeviceEpoch: 1,
	}
	_, err := s.TakeRecoveryCode(t.Context(), "ann", codes[3])
	must(t, err, "TakeRecoveryCode")
	must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 11, sealedTOTP("new")), "AcceptTOTP")
	must(t, s.DeleteTOTP(t.Context(), "ann", true), "DeleteTOTP")
	wantSameTOTP(t, was, kept, "read before it was changed")
}

func forgetTOTPDevices(t *testing.T, s store.TOTPs) {
	now := today()
	ann, bob := enrol(t, s, "ann", "a", now), enrol(t, s, "bob", "b", now)
	guess(t, s, "ann", guessing, 2)
	ann.Codes = store.Guesses{Row: 2, Recent: 2}
	for range 3 {
		must(t, s.ForgetTOTPDevices(t.Context(), "ann"), "ForgetTOTPDevices")
		ann.DeviceEpoch++
		wantTOTP(t, s, ann, "whose devices are forgotten")
	}
	wantTOTP(t, s, bob, "who has forgotten no device")
}

// guessed is a subject who is enrolled, has begun again, and guessed wrong.
func guessed(t *testing.T, s store.TOTPs, subject string) store.TOTP {
	t.Helper()
	now := today()
	enrol(t, s, subject, "old", now)
	begin(t, s, subject, sealedTOTP("old"), "new", now)
	guess(t, s, subject, guessing, 3)
	guess(t, s, subject, wrongRecovery, 2)
	return readTOTP(t, s, subject)
}

func deleteTOTP(t *testing.T, s store.TOTPs) {
	ann, bob := guessed(t, s, "ann"), guessed(t, s, "bob")
	must(t, s.DeleteTOTP(t.Context(), "ann", false), "DeleteTOTP")
	left := store.TOTP{Subject: "ann", Step: 10, Codes: ann.Codes, Backup: ann.Backup, DeviceEpoch: 2}
	wantTOTP(t, s, left, "deleted")
	wantTOTP(t, s, bob, "who is another")
	for _, p := range []store.GuessPolicy{guessing, wrongRecovery} {
		_, _, err := s.ReserveTOTP(t.Context(), "ann", p)
		wantErr(t, err, store.ErrNotFound, "ReserveTOTP of a deleted one")
	}
	wantErr(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 11, nil), store.ErrConflict, "AcceptTOTP of a deleted one")
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("new"), 11, nil, today()), store.ErrConflict, "ConfirmTOTP of a deleted one")
	wantErr(t, s.ReplaceRecoveryCodes(t.Context(), "ann", sealedTOTP("old"), nil), store.ErrConflict, "ReplaceRecoveryCodes of a deleted one")
	_, err := s.TakeRecoveryCode(t.Context(), "ann", recoveryCodes("old", 1)[0])
	wantErr(t, err, store.ErrNotFound, "TakeRecoveryCode of a deleted one")

	begin(t, s, "ann", nil, "again", today())
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("again"), 10, nil, today()), store.ErrConflict, "ConfirmTOTP with a step of before")
	wantErr(t, s.ConfirmTOTP(t.Context(), "ann", sealedTOTP("again"), 11, nil, today()), nil, "ConfirmTOTP with the next step")
}

func deleteTOTPThatForgives(t *testing.T, s store.TOTPs) {
	guessed(t, s, "ann")
	bob := guessed(t, s, "bob")
	must(t, s.DeleteTOTP(t.Context(), "ann", true), "DeleteTOTP")
	wantTOTP(t, s, store.TOTP{Subject: "ann", Step: 10, DeviceEpoch: 2}, "deleted and forgiven")
	wantTOTP(t, s, bob, "who is another")
	must(t, s.DeleteTOTP(t.Context(), "bob", false), "DeleteTOTP")
	must(t, s.DeleteTOTP(t.Context(), "bob", true), "DeleteTOTP again")
	if got := readTOTP(t, s, "bob"); got.Codes.Row != 0 || got.Codes.Recent != 0 || got.Backup.Row != 0 || got.Step != 10 {
		t.Errorf("a deleted one that is forgiven later: %+v", got)
	}
}

func cleaningSparesTOTPs(t *testing.T, s store.TOTPs, c *clock) {
	now := today()
	ann, bob := enrol(t, s, "ann", "a", now), enrol(t, s, "bob", "b", now)
	guess(t, s, "bob", guessing, 3)
	must(t, s.DeleteTOTP(t.Context(), "bob", false), "DeleteTOTP")
	left := store.TOTP{Subject: "bob", Step: bob.Step, Codes: store.Guesses{Row: 3, Recent: 3}, DeviceEpoch: 2}
	c.set(364 * 24 * time.Hour)
	clean(t, s)
	wantTOTP(t, s, ann, "a year later")
	wantTOTP(t, s, left, "deleted a year ago")
}

func totpCallsWithAnEndedContext(t *testing.T, s store.TOTPs) {
	now := today()
	enrol(t, s, "ann", "a", now)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.TOTP(ctx, "ann")
	_ = s.BeginTOTP(ctx, "bob", nil, sealedTOTP("b"), now.Add(time.Hour))
	_ = s.ConfirmTOTP(ctx, "bob", sealedTOTP("b"), 10, recoveryCodes("b", 1), now)
	_, _, _ = s.ReserveTOTP(ctx, "ann", guessing)
	_ = s.AcceptTOTP(ctx, "ann", sealedTOTP("a"), 11, nil)
	_, _ = s.TakeRecoveryCode(ctx, "ann", recoveryCodes("a", 1)[0])
	_ = s.ReplaceRecoveryCodes(ctx, "ann", sealedTOTP("a"), nil)
	_ = s.ForgetTOTPDevices(ctx, "ann")
	_ = s.DeleteTOTP(ctx, "ann", true)
}
