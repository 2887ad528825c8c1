package jwtauth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
)

// Trust is one issuer whose tokens are accepted. Issuer, Audiences and Keys are
// required: what golang-jwt and others skip when it is left empty, NewVerifier refuses.
type Trust struct {
	// Issuer is the token's iss, exactly.
	Issuer string
	// Audiences are who this service is to that issuer: the token's aud must
	// name one of them.
	Audiences []string
	// Keys are the issuer's: [RemoteKeys] of its JWKS, or a [KeyRing].
	Keys KeySource
	// Algorithms are those that keys may have. Defaults to whatever Keys has.
	Algorithms []Algorithm
	// Map says who a token of a foreign issuer is in this service: Subject,
	// which is unique here, Kind, Scopes, Roles. It sees tokens whose signature,
	// issuer, audience and times are good, and answers a fresh Identity. An
	// [authn.Error] of it stands; any other error refuses the token. It decides
	// from the token alone, and what it answers may be kept for as long as the
	// token lives: a look at the host's users belongs in [authn.Enrich].
	//
	// nil is right for tokens that an [Issuer] of this package made, and for
	// these only.
	Map func(t *Token) (*authn.Identity, error)
	// InsecureAnyType also accepts typ JWT, or none, as many providers send. An
	// id_token, or another JWT of the same issuer that was never meant for an
	// API, would pass (RFC 8725 §3.11). Only with Map.
	InsecureAnyType bool
	// InsecureNoID also accepts tokens without jti, which cannot be revoked one
	// by one. Only with Map.
	InsecureNoID bool
}

// trust is a Trust that was looked at.
type trust struct {
	Trust
	acceptPending bool // our own tokens, at their issuer
}

func (t *Trust) own() bool { return t.Map == nil }

// maxText bounds a subject, an audience and the like, in bytes: what stores take.
const maxText = 255

func (t Trust) check() error {
	switch {
	case t.Issuer == "":
		return errors.New("Trust.Issuer is empty: tokens of anybody would pass")
	case len(t.Audiences) == 0 || slices.Contains(t.Audiences, ""):
		return fmt.Errorf("Trust.Audiences of %s is empty or has \"\": tokens for other services would pass", t.Issuer)
	case isNil(t.Keys) || isEmpty(t.Keys):
		return fmt.Errorf("Trust.Keys of %s is nil, or was made without a constructor", t.Issuer)
	case t.own() && (t.InsecureAnyType || t.InsecureNoID):
		return fmt.Errorf("Trust of %s: InsecureAnyType and InsecureNoID are for foreign issuers, which need Map", t.Issuer)
	}
	for _, a := range t.Algorithms {
		if !a.known() {
			return fmt.Errorf("Trust.Algorithms of %s has %q, which is none of this package", t.Issuer, a)
		}
	}
	return nil
}

// isEmpty reports a source of ours that no constructor made.
func isEmpty(keys KeySource) bool {
	switch keys := keys.(type) {
	case *KeyRing:
		return keys.fixed == nil && keys.shared == nil
	case *RemoteKeys:
		return keys.ctx == nil
	default:
		return false
	}
}

// accepts reports whether h has a type that t's tokens may have.
func (t *trust) accepts(typ tokenType) bool {
	switch typ {
	case typeAccess:
		return true
	case typePending:
		return t.acceptPending
	case typePlain:
		return t.InsecureAnyType
	default:
		return false
	}
}

// wants are the claims that t's tokens must have.
func (t *trust) wants() presence {
	want := hasIssuer | hasSubject | hasAudience | hasExpires | hasIssued
	if !t.InsecureNoID {
		want |= hasID
	}
	if t.own() {
		want |= hasVersion
	}
	return want
}

// identify is who a token of t is that says c.
func (t *trust) identify(tok *Token, typ tokenType, c *claims) error {
	id := &tok.identity
	switch {
	case !t.own():
		mapped, err := t.Map(tok)
		if err != nil {
			return err
		}
		if mapped == nil {
			return errors.New("Trust.Map answered nil")
		}
		*id = *mapped
		id.Issuer = c.issuer
		if id.Kind != authn.KindUser && id.Kind != authn.KindClient {
			return fmt.Errorf("Trust.Map answered kind %v", id.Kind)
		}
	case typ == typePending:
		if err := c.pendingIdentity(id); err != nil {
			return err
		}
	default:
		tok.ownIdentity(c)
	}
	// Requests with one token share these: what one appends is not to be another's.
	id.Scopes, id.Roles = slices.Clip(id.Scopes), slices.Clip(id.Roles)
	id.Factors, id.Pending = slices.Clip(id.Factors), slices.Clip(id.Pending)
	if !isSubject(id.Subject) {
		return errors.New("a subject has 1 to 255 bytes of UTF-8 without NUL")
	}
	if typ != typePending {
		id.Method = method
	}
	id.CredentialID, id.ExpiresAt = c.id, c.expiresAt()
	return nil
}

// isSubject reports whether stores take s.
func isSubject(s string) bool {
	return s != "" && len(s) <= maxText && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}
