package jwtauth

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
)

// The claims of our own tokens, beside those that every token has.
const (
	claimScope     = "scope"     // RFC 8693 §4.2
	claimClient    = "client_id" // RFC 8693 §4.3
	claimRoles     = "roles"     // RFC 9068 §2.2.3.1
	claimFamily    = "sid"
	claimVersion   = "ver" // of the subject
	claimFactors   = "amr" // RFC 8176
	claimAuthTime  = "auth_time"
	claimAuthTimes = "amr_times" // of each of amr, where they differ
	claimKind      = "kind"      // "client"; a user's has none
	claimIdentity  = "identity"  // of a pending token: all of it
)

// kindClient is the kind of a service.
const kindClient = "client"

var ownNames = []string{
	claimScope, claimClient, claimRoles, claimFamily, claimVersion, claimFactors, claimAuthTime, claimAuthTimes, claimKind, claimIdentity,
}

// setOwn reads one claim of an own token.
func (c *claims) setOwn(name, value string) (err error) {
	switch name {
	case claimScope:
		c.scope, err = textOf(value)
	case claimClient:
		c.clientID, err = textOf(value)
	case claimRoles:
		c.roles, err = textsOf(value)
	case claimFamily:
		c.family, err = textOf(value)
	case claimVersion:
		c.version, _, err = dateOf(value)
		if err == nil && c.version > 0 {
			c.has |= hasVersion
		}
	case claimFactors:
		c.factors, err = textsOf(value)
	case claimAuthTime:
		c.authTime, _, err = dateOf(value)
	case claimAuthTimes:
		if value[0] != '[' {
			return errNotDate
		}
		_, err = array(value, 0, 1, func(value string) error {
			at, _, err := dateOf(value)
			c.authTimes = append(c.authTimes, at)
			return err
		})
	case claimKind:
		if c.kind, err = textOf(value); err == nil && c.kind != kindClient {
			err = errors.New("unknown")
		}
	case claimIdentity:
		c.identity, err = textOf(value)
	default:
		if misspelt(name, ownNames) {
			err = errCase
		}
	}
	return err
}

// ownIdentity is who an access token is.
func (t *Token) ownIdentity(c *claims) {
	id := &t.identity
	id.Subject, id.Kind = c.subject, authn.KindUser
	if c.kind == kindClient {
		id.Kind = authn.KindClient
	}
	id.Scopes, id.Roles = appendScopes(t.scopes[:0:len(t.scopes)], c.scope), c.roles
	if len(c.factors) > 0 {
		id.Factors = make([]authn.Factor, len(c.factors))
		for i, name := range c.factors {
			at := c.authTime
			if len(c.authTimes) == len(c.factors) {
				at = c.authTimes[i]
			}
			id.Factors[i] = authn.Factor{Name: name, At: time.Unix(at, 0)}
		}
	}
}

// pendingIdentity is who half a login is.
func (c *claims) pendingIdentity(id *authn.Identity) error {
	if err := json.Unmarshal([]byte(c.identity), id); err != nil {
		return err
	}
	if id.Subject != c.subject || len(id.Pending) == 0 {
		return errors.New("the identity is another's, or owes nothing")
	}
	return nil
}

// splitScope is the scopes of RFC 6749 §3.3, nil for none.
func splitScope(s string) []string { return appendScopes(nil, s) }

// appendScopes is splitScope into list, which is empty, while it has room.
func appendScopes(list []string, s string) []string {
	if s == "" {
		return nil
	}
	for more := true; more; {
		var scope string
		if scope, s, more = strings.Cut(s, " "); scope != "" {
			list = append(list, scope)
		}
	}
	return slices.Clip(list) // what follows is not the reader's to append to
}
