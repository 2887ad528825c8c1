package authn

import (
	"context"
	"errors"
	"net/http"
)

// Here is what two methods meet by that must not import each other.

// OwedFunc says which factors id still owes before it becomes a session or a
// token, beyond those in id.Factors: none is nil. An error refuses the login,
// as [AsError] reads it. r is the login's request, or nil.
type OwedFunc func(ctx context.Context, r *http.Request, id *Identity) ([]string, error)

// Revoker ends whatever a subject holds of one method, and what is being
// issued to it meanwhile.
type Revoker interface {
	RevokeSubject(ctx context.Context, subject string) error
}

// RevokerFunc is a function as a [Revoker].
type RevokerFunc func(ctx context.Context, subject string) error

// RevokeSubject calls f.
func (f RevokerFunc) RevokeSubject(ctx context.Context, subject string) error { return f(ctx, subject) }

// Revokers is several as one: "log out everywhere" of a service that combines
// methods. nil ones are left out.
type Revokers []Revoker

// RevokeSubject asks every one, also after an error, and joins the errors.
func (rs Revokers) RevokeSubject(ctx context.Context, subject string) error {
	var errs []error
	for _, r := range rs {
		if r != nil {
			errs = append(errs, r.RevokeSubject(ctx, subject))
		}
	}
	return errors.Join(errs...)
}

// FactorAdder completes a login that owed f, or renews the time of f, and
// answers who it is then: session.Manager.
type FactorAdder interface {
	AddFactor(w http.ResponseWriter, r *http.Request, f Factor) (*Identity, error)
}

// AttemptLimiter counts guesses before they are looked at: ratelimit.Attempts.
type AttemptLimiter interface {
	// Reserve takes one attempt at the account of subject, or, where that is "",
	// at the one that name would have, or answers a 429 *[Error].
	Reserve(r *http.Request, subject, name string) (Attempt, error)
	// Unlock ends all locks of subject: after a reset, and for operators.
	Unlock(ctx context.Context, subject string) error
}

// Attempt is one that was reserved. A wrong guess needs no call: it stays
// counted.
type Attempt interface {
	// Succeeded gives the attempt back and clears the account.
	Succeeded(ctx context.Context) error
	// Cancelled gives it back: nobody has looked at the guess.
	Cancelled(ctx context.Context) error
}
