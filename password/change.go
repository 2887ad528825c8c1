package password

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// Prepare judges and hashes a new password, for the user that the host then
// creates. It takes the same time whether there is such a user already, so that
// registering tells nobody: answer both alike, and write to the address what it
// is. Errors: [*PolicyError], [ErrBusy], ctx's, 503.
func (a *Authenticator) Prepare(ctx context.Context, password string, about About) (hash string, err error) {
	if err := a.judge(ctx, password, about); err != nil {
		return "", err
	}
	hash, err = a.cfg.Hasher.Hash(ctx, password)
	if errors.Is(err, errForBcrypt) {
		return "", &PolicyError{[]Violation{tooLong(maxBcrypt)}}
	}
	return hash, err
}

// judge is the Policy and the list of breached passwords, with all that is
// wrong at once.
func (a *Authenticator) judge(ctx context.Context, password string, about About) error {
	vs := a.cfg.Policy.violations(password, about)
	if a.cfg.Breached != nil && isNew(password) {
		v, err := breached(ctx, a.cfg.Breached, password)
		switch {
		case err != nil && ctx.Err() != nil:
			return audit.Outage("request ended", ctx.Err())
		case err != nil:
			a.log.Send(ctx, authn.Event{Kind: authn.EventOutage, Reason: "breached passwords", Err: err})
			if a.cfg.BreachedFailClosed {
				return &authn.Error{Status: http.StatusServiceUnavailable, Code: "unavailable", Reason: "breached passwords", Reported: true, Err: err}
			}
		case v != nil:
			vs = append(vs, *v)
		}
	}
	if len(vs) > 0 {
		return &PolicyError{vs}
	}
	return nil
}

// isNew reports whether password is text that may be hashed at all.
func isNew(password string) bool {
	_, err := normal(password)
	return err == nil
}

// Change replaces the password of a user who is signed in. current is a guess as
// in Authenticate. For a user without a password it is "", and nothing is proven:
// guard that route by another fresh factor. Everything that Config.Revoke ends is ended,
// the request's own session too: Login again with the Identity. Errors:
// [*PolicyError]; store.ErrConflict when somebody else has changed it meanwhile;
// as of Authenticate.
//
// If it fails by 503, everything may have been ended already, and the new
// password may count.
func (a *Authenticator) Change(r *http.Request, subject, current, next string, about About) (*authn.Identity, error) {
	rec, err := a.bySubject(r, subject)
	if err != nil {
		return nil, err
	}
	proven := a.cfg.Now()
	if rec.Subject == "" || rec.Hash != "" || current != "" {
		if _, err := a.prove(r, rec, rec.Name, current); err != nil {
			return nil, err
		}
	}
	hash, err := a.Prepare(r.Context(), next, about.of(rec))
	if err != nil {
		return nil, err
	}
	if err := a.replace(r, rec, hash, func() error { return nil }); err != nil {
		return nil, err
	}
	id := a.identity(rec.Subject, proven)
	id.VerifiedAt = a.cfg.Now() // later than what was just revoked
	// And earlier than what somebody else revokes: a reset that was quicker than
	// we has ended everything before VerifiedAt, and must not lose to it.
	now, err := a.bySubject(r, subject)
	switch {
	case err != nil:
		return nil, err
	case now.Hash != hash:
		return nil, store.ErrConflict
	}
	return id, nil
}

// of is about with the name that is known here, where the host gives none.
func (about About) of(rec store.Password) About {
	switch {
	case about.Name == "":
		about.Name = rec.Name
	case about.Email == "":
		about.Email = rec.Name
	}
	return about
}

// replaceIn is how long a change may go on when its client has gone.
const replaceIn = 10 * time.Second

// replace writes hash and ends everything that the subject holds, before and
// after: so a failure can be retried, and what was issued in between is not
// left. burn is called in between.
func (a *Authenticator) replace(r *http.Request, rec store.Password, hash string, burn func() error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), replaceIn) // halfway is nowhere
	defer cancel()
	r = r.WithContext(ctx) // what fails now is an event, also when the client has gone
	if err := a.revoke(context.WithValue(ctx, keeping{}, true), rec.Subject); err != nil {
		return a.log.Refusal(r, audit.Outage("revoke", err))
	}
	if err := burn(); err != nil {
		return err
	}
	err := a.users.ReplacePasswordHash(ctx, rec.Subject, rec.Hash, hash, micros(a.cfg.Now()))
	switch {
	case errors.Is(err, store.ErrConflict):
		return err
	case err != nil:
		return a.log.Refusal(r, audit.Outage("users", err))
	}
	a.log.Send(ctx, authn.Event{
		Kind: authn.EventPasswordChanged, Subject: rec.Subject, SubjectKind: authn.KindUser, Addr: authn.ClientOf(r).Addr,
	})
	err = a.revoke(ctx, rec.Subject)
	if a.cfg.OneTime != nil {
		err = errors.Join(err, a.cfg.OneTime.RevokeSubject(ctx, rec.Subject))
	}
	if a.attempts != nil {
		err = errors.Join(err, a.attempts.Unlock(ctx, rec.Subject))
	}
	if err != nil {
		return a.log.Refusal(r, audit.Outage("password changed, but not everything ended", err))
	}
	return nil
}

func (a *Authenticator) revoke(ctx context.Context, subject string) error {
	if a.cfg.Revoke == nil {
		return nil
	}
	return a.cfg.Revoke.RevokeSubject(ctx, subject)
}
