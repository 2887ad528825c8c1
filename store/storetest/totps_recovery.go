package storetest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func totpRecoveryCases() []totpCase {
	return []totpCase{
		{
			name: "take_recovery_code",
			rule: "TakeRecoveryCode uses one code up, clears Codes and Backup, and answers how many are left",
			test: takeRecoveryCode,
		},
		{
			name: "unknown_recovery_code",
			rule: "TakeRecoveryCode answers ErrNotFound when the digest is not there, and changes nothing; all its 32 bytes count",
			test: unknownRecoveryCode,
		},
		{
			name: "take_recovery_code_has_one_winner",
			rule: "of concurrent TakeRecoveryCode of one code one wins, the others get ErrNotFound, and no other code is lost or comes back",
			test: takeRecoveryCodeHasOneWinner,
		},
		{
			name: "replace_recovery_codes",
			rule: "ReplaceRecoveryCodes puts codes in place of all, and changes nothing else",
			test: replaceRecoveryCodes,
		},
		{
			name: "replace_recovery_codes_compares_the_secret",
			rule: "ReplaceRecoveryCodes answers ErrConflict when Secret is not the one that was read, and changes nothing",
			test: replaceRecoveryCodesComparesTheSecret,
		},
	}
}

func takeRecoveryCode(t *testing.T, s store.TOTPs) {
	want, bob := guessed(t, s, "ann"), guessed(t, s, "bob")
	codes := recoveryCodes("old", 10)
	want.Codes, want.Backup = store.Guesses{}, store.Guesses{}
	for i, d := range codes {
		guess(t, s, "ann", guessing, 1)
		guess(t, s, "ann", wrongRecovery, 1)
		left, err := s.TakeRecoveryCode(t.Context(), "ann", d)
		must(t, err, "TakeRecoveryCode %d", i+1)
		want.Recovery = codes[i+1:]
		if left != len(want.Recovery) {
			t.Errorf("TakeRecoveryCode of code %d of 10 leaves %d", i+1, left)
		}
		wantTOTP(t, s, want, "who has used a recovery code")
		_, err = s.TakeRecoveryCode(t.Context(), "ann", d)
		wantErr(t, err, store.ErrNotFound, "TakeRecoveryCode of a used code")
	}
	wantTOTP(t, s, bob, "who is another")
}

func unknownRecoveryCode(t *testing.T, s store.TOTPs) {
	want := guessed(t, s, "ann")
	enrol(t, s, "bob", "bobs", today())
	alike := recoveryCodes("old", 1)[0]
	alike[len(alike)-1] ^= 1
	for _, d := range []store.Digest{alike, {}, recoveryCodes("bobs", 1)[0]} {
		_, err := s.TakeRecoveryCode(t.Context(), "ann", d)
		wantErr(t, err, store.ErrNotFound, "TakeRecoveryCode of a digest that is not hers")
	}
	wantTOTP(t, s, want, "after wrong recovery codes")
}

func takeRecoveryCodeHasOneWinner(t *testing.T, s store.TOTPs) {
	for round := range 4 {
		subject := fmt.Sprint("ann ", round)
		enrol(t, s, subject, "a", today())
		codes := recoveryCodes("a", 10)
		// Two take each of the first six codes.
		won := winners(t, 12, store.ErrNotFound, func(i int) error {
			_, err := s.TakeRecoveryCode(t.Context(), subject, codes[i%6])
			return err
		})
		for i, w := range won {
			won[i] = w % 6
		}
		slices.Sort(won)
		if !slices.Equal(won, []int{0, 1, 2, 3, 4, 5}) {
			t.Errorf("codes that were taken: %v, want 0 to 5, each once", won)
		}
		if got := sorted(readTOTP(t, s, subject).Recovery); !slices.Equal(got, sorted(codes[6:])) {
			t.Errorf("%d codes are left after the race, want the 4 that nobody took", len(got))
		}
	}
}

func replaceRecoveryCodes(t *testing.T, s store.TOTPs) {
	want := guessed(t, s, "ann")
	_, err := s.TakeRecoveryCode(t.Context(), "ann", want.Recovery[0])
	must(t, err, "TakeRecoveryCode")
	guess(t, s, "ann", guessing, 3)
	guess(t, s, "ann", wrongRecovery, 2)
	want = readTOTP(t, s, "ann")
	old := want.Recovery[0]
	codes := recoveryCodes("new", store.MaxRecoveryCodes)
	for range 2 {
		must(t, s.ReplaceRecoveryCodes(t.Context(), "ann", sealedTOTP("old"), codes), "ReplaceRecoveryCodes")
		want.Recovery = slices.Clone(codes)
		wantTOTP(t, s, want, "with new recovery codes")
	}
	codes[0] = digest("another")
	wantTOTP(t, s, want, "when the caller changes its slice")
	_, err = s.TakeRecoveryCode(t.Context(), "ann", old)
	wantErr(t, err, store.ErrNotFound, "TakeRecoveryCode of a code that was replaced")
	must(t, s.ReplaceRecoveryCodes(t.Context(), "ann", sealedTOTP("old"), nil), "ReplaceRecoveryCodes by none")
	want.Recovery = nil
	wantTOTP(t, s, want, "without recovery codes")
}

func replaceRecoveryCodesComparesTheSecret(t *testing.T, s store.TOTPs) {
	want := guessed(t, s, "ann")
	for _, secret := range [][]byte{nil, sealedTOTP("new"), sealedTOTP("OLD")} {
		wantErr(t, s.ReplaceRecoveryCodes(t.Context(), "ann", secret, recoveryCodes("x", 3)), store.ErrConflict, "ReplaceRecoveryCodes of %q", secret)
	}
	wantTOTP(t, s, want, "after refused calls of ReplaceRecoveryCodes")
}
