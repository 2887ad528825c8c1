package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func totpAcceptCases() []totpCase {
	return []totpCase{
		{
			name: "accept_totp",
			rule: "AcceptTOTP moves Step to step, clears Codes.Row and Codes.WaitUntil, takes one off Codes.Recent, and changes nothing else",
			test: acceptTOTP,
		},
		{
			name: "accept_totp_refuses",
			rule: "AcceptTOTP answers ErrConflict when step is not beyond Step, or Secret is not the one that was read, and changes nothing",
			test: acceptTOTPRefuses,
		},
		{
			name: "accept_totp_seals_again",
			rule: "reseal, if not nil, becomes the Secret, and what has read the one before gets ErrConflict",
			test: acceptTOTPSealsAgain,
		},
		{
			name: "accept_totp_has_one_winner",
			rule: "of concurrent AcceptTOTP of one step one wins, and the others get ErrConflict",
			test: acceptTOTPHasOneWinner,
		},
	}
}

func acceptTOTP(t *testing.T, s store.TOTPs) {
	want, bob := guessed(t, s, "ann"), guessed(t, s, "bob")
	p := store.GuessPolicy{Free: 1, Wait: time.Hour, MaxWait: time.Hour, RecentFor: 1000 * time.Hour}
	guess(t, s, "ann", p, 1)
	must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 11, nil), "AcceptTOTP")
	want.Step = 11
	want.Codes.Row = 0 // Recent is 3, as before the fourth guess
	wantTOTP(t, s, want, "whose code was accepted")
	wantTOTP(t, s, bob, "who is another")
	guess(t, s, "ann", p, 1)
	must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 1000, nil), "AcceptTOTP of a much later step")
	want.Step = 1000
	wantTOTP(t, s, want, "whose code was accepted again")
	for step := range int64(5) { // more than were reserved
		must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 1001+step, nil), "AcceptTOTP")
	}
	if got := readTOTP(t, s, "ann").Codes; got.Recent != 0 || got.Row != 0 {
		t.Errorf("after as many right codes as guesses: Codes is %+v, want none", got)
	}
}

func acceptTOTPRefuses(t *testing.T, s store.TOTPs) {
	want := guessed(t, s, "ann")
	for _, c := range []struct {
		what   string
		secret []byte
		step   int64
	}{
		{"of the last step", sealedTOTP("old"), 10},
		{"of a step before", sealedTOTP("old"), 9},
		{"of step 0", sealedTOTP("old"), 0},
		{"of a secret that is not confirmed", sealedTOTP("new"), 11},
		{"of a secret that is alike", sealedTOTP("OLD"), 11},
		{"of the beginning of the secret", sealedTOTP("ol"), 11},
		{"of no secret", nil, 11},
	} {
		wantErr(t, s.AcceptTOTP(t.Context(), "ann", c.secret, c.step, sealedTOTP("again")), store.ErrConflict, "AcceptTOTP %s", c.what)
	}
	wantTOTP(t, s, want, "after refused calls of AcceptTOTP")
	begin(t, s, "bob", nil, "b", today())
	wantErr(t, s.AcceptTOTP(t.Context(), "bob", nil, 11, nil), store.ErrConflict, "AcceptTOTP of no secret of who has none")
}

func acceptTOTPSealsAgain(t *testing.T, s store.TOTPs) {
	want := enrol(t, s, "ann", "old", today())
	next := sealedTOTP("by a newer key")
	must(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 11, next), "AcceptTOTP")
	next[0] ^= 1
	want.Secret, want.Step = sealedTOTP("by a newer key"), 11
	wantTOTP(t, s, want, "whose secret is sealed again")
	wantErr(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("old"), 12, nil), store.ErrConflict, "AcceptTOTP of the secret as it was sealed before")
	wantErr(t, s.AcceptTOTP(t.Context(), "ann", sealedTOTP("by a newer key"), 12, nil), nil, "AcceptTOTP of the secret as it is sealed now")
}

func acceptTOTPHasOneWinner(t *testing.T, s store.TOTPs) {
	want := enrol(t, s, "ann", "a", today())
	for step := int64(11); step < 31; step++ {
		won := winners(t, 8, store.ErrConflict, func(int) error {
			return s.AcceptTOTP(t.Context(), "ann", sealedTOTP("a"), step, nil)
		})
		if len(won) != 1 {
			t.Fatalf("step %d was accepted %d times, want once", step, len(won))
		}
	}
	want.Step = 30
	wantTOTP(t, s, want, "after races")
}
