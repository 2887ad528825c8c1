package password

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// PurposeReset is that of Forgot's tokens, for [OneTime.Peek].
const PurposeReset = "reset"

// forgotTime is how long Forgot takes, so that its time says nothing.
const forgotTime = 200 * time.Millisecond

// Forgot hands send a token with which [Authenticator.Reset] sets a new
// password. For a name that nobody has it does not call send, answers the same,
// and takes the same time: 200 ms, unless the store takes longer. So send must
// hand its mail to a queue and not keep ctx, which ends with the request; what it
// cannot do is an event, not an answer. It goes to the address on record for
// subject, never to name as it was typed: names that are equal in lower case may be
// different mailboxes. A user with five tokens that are good still is sent no other.
// Limit the route by client (package ratelimit). The error is an outage, or 500
// without Config.OneTime.
func (a *Authenticator) Forgot(r *http.Request, name string, send func(ctx context.Context, subject string, token authn.Secret) error) error {
	if a.cfg.OneTime == nil {
		return fault("Forgot needs Config.OneTime")
	}
	began, ctx := time.Now(), r.Context()
	name, ok := NormalName(name)
	if !ok {
		name = "?" // which no user is asked to have
	}
	rec, err := a.users.PasswordByName(ctx, name)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return a.log.Refusal(r, audit.Outage("users", err))
	}
	if ok && err == nil && rec.Subject != "" {
		var token authn.Secret
		token, err = a.cfg.OneTime.issue(ctx, Link{PurposeReset, rec.Subject, fingerprint(rec.Hash)})
		switch {
		case err == nil:
			err = send(ctx, rec.Subject, token)
		case errors.Is(err, store.ErrLimit):
			err = nil
		}
		if err != nil {
			a.log.Send(ctx, authn.Event{
				Kind: authn.EventWarning, Subject: rec.Subject, SubjectKind: authn.KindUser, Reason: "reset not sent", Err: err,
			})
		}
	}
	pause(ctx, forgotTime-time.Since(began))
	return nil
}

// Reset sets a new password by a token of Forgot. The token is used up for a
// password that the Policy takes, and void when the hash was changed since it was
// made, by a login that renews it, too. Everything that Config.Revoke ends is ended, the user's other
// one-time tokens are void, and the account is unlocked. It proves no factor: go
// on to the login. Errors: [ErrToken]; [*PolicyError]; 403 for a request that
// another site made, and 405 for a GET; [ErrBusy]; 503, after which everything may
// have been ended, the token used up, and the new password count: ask Forgot again.
func (a *Authenticator) Reset(r *http.Request, token, next string, about About) (subject string, err error) {
	links := a.cfg.OneTime
	if links == nil {
		return "", fault("Reset needs Config.OneTime")
	}
	if e := links.checkOrigin(r); e != nil {
		return "", a.log.Refusal(r, e)
	}
	ctx := r.Context()
	l, e := links.find(ctx, PurposeReset, token)
	if e != nil {
		return "", a.log.Refusal(r, e)
	}
	rec, err := a.users.PasswordBySubject(ctx, l.Subject)
	switch {
	case errors.Is(err, store.ErrNotFound), err == nil && rec.Subject == "":
		return "", a.log.Refusal(r, badToken("token of a user who is gone"))
	case err != nil:
		return "", a.log.Refusal(r, audit.Outage("users", err))
	case subtle.ConstantTimeCompare([]byte(l.Bound), []byte(fingerprint(rec.Hash))) != 1:
		return "", a.log.Refusal(r, badToken("password changed since the token was made"))
	}
	hash, err := a.Prepare(ctx, next, about.of(rec))
	if err != nil {
		return "", err
	}
	err = a.replace(r, rec, hash, func() error {
		if _, e := links.claim(context.WithoutCancel(ctx), l); e != nil {
			return a.log.Refusal(r, e)
		}
		return nil
	})
	if errors.Is(err, store.ErrConflict) {
		return "", a.log.Refusal(r, badToken("password changed since the token was made"))
	}
	if err != nil {
		return "", err
	}
	return rec.Subject, nil
}

// fingerprint is what binds a token to a hash without showing it.
func fingerprint(hash string) string {
	sum := sha256.Sum256([]byte("authn/password reset\x00" + hash))
	return hex.EncodeToString(sum[:])
}
