package totp_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/totp"
)

// fixed is a store of one subject that costs nothing and takes any code again and
// again.
type fixed struct {
	store.TOTPs
	row   store.TOTP
	calls int
}

func (f *fixed) TOTP(context.Context, string) (store.TOTP, error) { return f.row, nil }

func (f *fixed) BeginTOTP(_ context.Context, subject string, _, sealed []byte, until time.Time) error {
	f.row = store.TOTP{Subject: subject, Unconfirmed: sealed, BeginsUntil: until}
	return nil
}

func (f *fixed) ConfirmTOTP(_ context.Context, _ string, sealed []byte, _ int64, codes []store.Digest, _ time.Time) error {
	f.row.Secret, f.row.Recovery = sealed, codes
	return nil
}

func (f *fixed) ReserveTOTP(context.Context, string, store.GuessPolicy) (store.TOTP, time.Duration, error) {
	f.calls++
	return f.row, 0, nil
}

func (f *fixed) AcceptTOTP(context.Context, string, []byte, int64, []byte) error { return nil }

func (f *fixed) TakeRecoveryCode(_ context.Context, _ string, d store.Digest) (int, error) {
	if !slices.Contains(f.row.Recovery, d) {
		return 0, store.ErrNotFound
	}
	return 9, nil
}

// newFixed is a Manager over a fixed store, whose clock stands at began, and ada's
// phone and recovery codes.
func newFixed(tb testing.TB) (*totp.Manager, phone, []string) {
	tb.Helper()
	m := authn.Must(totp.New(&fixed{}, authn.GenerateKeychain(), totp.Config{
		Issuer: "Acme", TrustDevice: day, Now: func() time.Time { return began },
	}))
	p := newPhone(tb, authn.Must(m.Begin(context.Background(), &authn.Identity{Subject: "ada", Kind: authn.KindUser}, "ada")))
	_, codes, err := m.Confirm(context.Background(), "ada", p.code(began))
	if err != nil {
		tb.Fatal(err)
	}
	return m, p, reveal(codes)
}
