package jwtauth

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// denialMargin is how long a revoked token is remembered after its end: the
// most leeway of a verifier, and 5 min for clocks that differ.
const denialMargin = maxLeeway + 5*time.Minute

// TokenInfo is what an active access token says (RFC 7662 §2.2).
type TokenInfo struct {
	Identity *authn.Identity
	ClientID string
	// Confirm is the Thumbprint of the certificate that it is bound to. That
	// the caller has that one is for who asks to check.
	Confirm  string
	Audience []string
	IssuedAt time.Time
}

// Introspect says whether an access token of this issuer is active, and what it
// says. Otherwise its error is an *[authn.Error] of 401, or an outage. Half a
// login is not active.
func (i *Issuer) Introspect(ctx context.Context, token string) (TokenInfo, error) {
	now := i.cfg.Now()
	t, e := i.verifier.check(ctx, token, now, i.cfg.Leeway)
	if e == nil {
		e = i.verifier.revoked(ctx, t, now)
	}
	if e != nil {
		return TokenInfo{}, e
	}
	id := t.newIdentity(now)
	if len(id.Pending) > 0 {
		return TokenInfo{}, authn.Refused("pending", nil)
	}
	c := &t.claims
	return TokenInfo{
		Identity: id, ClientID: c.clientID, Confirm: c.confirm, Audience: t.Strings("aud"), IssuedAt: time.Unix(c.issued, 0),
	}, nil
}

// RevokeToken ends an access token, or the login of a refresh token, at once
// (RFC 7009 §2). One that is not good any more, never was, or belongs to
// another client than clientID ("": whoever holds it may end it) is no error.
func (i *Issuer) RevokeToken(ctx context.Context, token, clientID string) error {
	if i.st == nil {
		return fault("RevokeToken needs a store")
	}
	return i.outageOf(ctx, authn.Event{}, i.revokeToken(ctx, token, clientID))
}

// outageOf sends the event of err, if there was an outage.
func (i *Issuer) outageOf(ctx context.Context, about authn.Event, err error) error {
	if err != nil && authn.AsError(err).Status >= http.StatusInternalServerError {
		i.failed(ctx, about, err)
	}
	return err
}

func (i *Issuer) revokeToken(ctx context.Context, token, clientID string) error {
	if strings.Count(token, ".") == 2 {
		return i.revokeAccess(ctx, token, clientID)
	}
	rt, err := parseRefreshToken(token, i.kc, i.cfg.Issuer)
	if err != nil {
		return nil
	}
	mine := func(f *store.RefreshFamily) bool { return clientID == "" || clientID == f.ClientID }
	_, err = i.endFamily(ctx, rt.ref(), mine, authn.EventRevoked)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

func (i *Issuer) revokeAccess(ctx context.Context, token, clientID string) error {
	// Another service may still take it: its clock and leeway are its own.
	t, e := i.verifier.check(ctx, token, i.cfg.Now(), maxLeeway)
	switch {
	case e != nil && e.Status >= http.StatusInternalServerError:
		return e
	case e != nil || clientID != "" && clientID != t.claims.clientID:
		return nil
	}
	return i.revokeParsed(ctx, t)
}

func (i *Issuer) revokeParsed(ctx context.Context, t *Token) error {
	if err := i.st.RevokeToken(ctx, t.ref(), t.claims.expiresAt().Add(denialMargin)); err != nil {
		return storeError(err)
	}
	i.log.Send(ctx, authn.Event{
		Kind: authn.EventRevoked, Subject: t.identity.Subject, SubjectKind: t.identity.Kind, CredentialID: t.claims.id, Reason: "token",
	})
	return nil
}

// RevokeFamily ends one login of subject, by the sid of its access tokens.
// [store.ErrNotFound] when there is none.
func (i *Issuer) RevokeFamily(ctx context.Context, subject, sid string) error {
	if i.st == nil {
		return fault("RevokeFamily needs a store")
	}
	if !isSubject(subject) || !isText(sid) {
		return store.ErrNotFound
	}
	ref := store.FamilyRef{Tag: store.TagOf(subject), ID: sid}
	ended, err := i.endFamily(ctx, ref, func(f *store.RefreshFamily) bool { return f.Subject == subject }, authn.EventRevoked)
	if err == nil && !ended {
		err = store.ErrNotFound
	}
	return i.outageOf(ctx, authn.Event{Subject: subject, CredentialID: sid}, err)
}

// endFamily revokes the family of ref, if it may.
func (i *Issuer) endFamily(ctx context.Context, ref store.FamilyRef, may func(*store.RefreshFamily) bool, kind authn.EventKind) (ended bool, err error) {
	f, err := i.st.Family(ctx, ref)
	if err == nil && !may(&f) {
		return false, nil
	}
	if err == nil {
		err = i.st.RevokeFamily(ctx, ref, micros(i.cfg.Now()))
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return false, err
	case err != nil:
		return false, storeError(err)
	}
	event := familyEvent(kind, f)
	event.Reason = "login"
	i.log.Send(ctx, event)
	return true, nil
}

// RevokeSubject ends all tokens and logins of subject, and what is being issued
// to it: what was proven before the call gives no token after it. What is
// proven later is good at once. It is of [authn.Revoker].
func (i *Issuer) RevokeSubject(ctx context.Context, subject string) error {
	switch {
	case i.st == nil:
		return fault("RevokeSubject needs a store")
	case !isSubject(subject):
		return store.ErrNotFound
	}
	if err := i.st.RevokeTokensOf(ctx, subject); err != nil {
		return i.outageOf(ctx, authn.Event{Subject: subject}, storeError(err))
	}
	i.log.Send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, Reason: "subject"})
	return nil
}
