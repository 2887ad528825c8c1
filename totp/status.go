package totp

import (
	"context"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
)

// Status is how a subject stands.
type Status struct {
	// Enrolled says that there is a confirmed secret.
	Enrolled bool
	// Stopped says that wrong codes have stopped codes, until a recovery code or
	// Reset.
	Stopped bool
	// Since is when it was enrolled.
	Since time.Time
	// WaitUntil is when the next code may be tried, by the store's clock. It may
	// be zero or over.
	WaitUntil time.Time
	// RecoveryCodes is how many are left.
	RecoveryCodes int
}

// Status is for account pages and for operators. A subject who is not enrolled is
// no error.
func (m *Manager) Status(ctx context.Context, subject string) (Status, error) {
	if err := checkSubject(subject); err != nil {
		return Status{}, err
	}
	t, err := m.read(ctx, subject)
	if err != nil {
		return Status{}, err
	}
	return Status{
		Enrolled: len(t.Secret) > 0, Stopped: t.Codes.Stopped(codeGuesses), Since: t.EnrolledAt,
		WaitUntil: t.Codes.WaitUntil, RecoveryCodes: len(t.Recovery),
	}, nil
}

// Owed is an [authn.OwedFunc] for session and jwtauth: "otp" for a user who is
// enrolled, has not proven it and is not on a trusted device. An "otp" that
// somebody else vouches for counts as well. Where the store cannot say, nobody
// gets in.
func (m *Manager) Owed(ctx context.Context, r *http.Request, id *authn.Identity) ([]string, error) {
	if id == nil || id.Kind != authn.KindUser {
		return nil, nil
	}
	if _, proven := id.FactorAt(factor); proven {
		return nil, nil
	}
	if err := checkSubject(id.Subject); err != nil {
		return nil, err
	}
	t, err := m.read(ctx, id.Subject)
	switch {
	case err != nil:
		return nil, err
	case len(t.Secret) == 0, m.trusted(r, t):
		return nil, nil
	}
	return []string{factor}, nil
}
