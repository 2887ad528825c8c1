package jwtauth

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
)

// Grant is what a token is to say.
type Grant struct {
	// Identity is who has logged in, with its VerifiedAt. A KindKey is refused:
	// a key does not become a token. [Issuer.Refresh] looks neither at it nor at
	// Refresh and Request.
	Identity *authn.Identity
	// ClientID is the OAuth client that asks, "" if that has no name; at most
	// 255 bytes. A login belongs to it.
	ClientID string
	// Audience and Scopes narrow the issuer's Audience and the Identity's
	// Scopes; nil is all of them. Of a refresh they narrow the access token
	// only, and the login keeps what it had (RFC 6749 §6).
	Audience, Scopes []string
	// Confirm is the [Thumbprint] of the certificate that the tokens are bound
	// to (RFC 8705 §3.1). "": not bound.
	Confirm string
	// TTL is how long the access token lives, at most 24 h and
	// RingConfig.MaxTokenAge. 0: the issuer's.
	TTL time.Duration
	// Refresh asks for a refresh token, too. Not with a nil store.
	Refresh bool
	// Request is of the login, for Owed. It may be nil.
	Request *http.Request
	// ClientCert is what a refresh came over, nil for none: instead of Confirm,
	// where the caller does not know what the login is bound to. [Issuer.Issue]
	// refuses it: what it would bind, Confirm does.
	ClientCert *x509.Certificate
}

var (
	errInvalidScope  = &authn.Error{Status: http.StatusBadRequest, Code: "invalid_scope", Reason: "scope", Err: errors.New("authn/jwtauth: a scope that may not be granted")}
	errInvalidTarget = &authn.Error{Status: http.StatusBadRequest, Code: "invalid_target", Reason: "audience", Err: errors.New("authn/jwtauth: an audience that is not the issuer's")}
)

// fault is a mistake of the host's, which no client can mend.
func fault(format string, args ...any) *authn.Error {
	return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: fmt.Errorf("authn/jwtauth: "+format, args...)}
}

// check is of a new login.
func (g *Grant) check(i *Issuer) error {
	id := g.Identity
	switch {
	case id == nil:
		return fault("Grant.Identity is nil")
	case id.Kind == authn.KindKey:
		return authn.Forbidden("a key does not become a token", nil)
	case id.Kind != authn.KindUser && id.Kind != authn.KindClient:
		return fault("Grant.Identity has kind %v", id.Kind)
	case !isText(id.Subject):
		return fault("Grant.Identity has a Subject that is not 1 to %d bytes without control characters", maxText)
	case id.VerifiedAt.IsZero():
		return fault("Grant.Identity has no VerifiedAt: set it before the proof is looked at, as authn.User does")
	case g.ClientCert != nil:
		return fault("Grant.ClientCert is of a refresh: a login is bound by Confirm")
	case g.Refresh && i.st == nil:
		return fault("Grant.Refresh needs a store")
	}
	if e := checkRoles(id.Roles); e != nil {
		return e
	}
	return g.checkRest(i)
}

func checkRoles(roles []string) error {
	for _, role := range roles {
		if !isText(role) {
			return fault("a role is 1 to %d bytes without control characters, not %.64q", maxText, role)
		}
	}
	return nil
}

// checkRest is of a refresh, too.
func (g *Grant) checkRest(i *Issuer) error {
	switch {
	case g.ClientID != "" && !isText(g.ClientID):
		return fault("Grant.ClientID is at most %d bytes without control characters", maxText)
	case g.Confirm != "" && len(g.Confirm) != thumbprintLen:
		return fault("Grant.Confirm is a Thumbprint")
	case g.TTL < 0 || g.TTL > i.ring.maxTokenAge() || g.TTL > 0 && g.TTL < time.Second:
		return fault("Grant.TTL is 1 s to %s, not %s", i.ring.maxTokenAge(), g.TTL)
	case !within(g.Audience, i.cfg.Audience) || g.Audience != nil && len(g.Audience) == 0:
		return errInvalidTarget
	}
	return nil
}

// narrowed is asked, if it is within bound; nil asks for all of it.
func narrowed(asked, bound []string) ([]string, error) {
	if asked == nil {
		asked = bound
	}
	if !within(asked, bound) {
		return nil, errInvalidScope
	}
	for _, s := range asked {
		if !isScope(s) {
			return nil, fmt.Errorf("%w: %.64q (RFC 6749 §3.3)", errInvalidScope, s)
		}
	}
	return asked, nil
}

func within(asked, bound []string) bool {
	for _, s := range asked {
		if !slices.Contains(bound, s) {
			return false
		}
	}
	return true
}

// ttl is how long an access token of g lives.
func (g *Grant) ttl(i *Issuer) time.Duration {
	if g.TTL > 0 {
		return g.TTL
	}
	return i.cfg.AccessTTL
}
