package jwtauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Token is what [Trust].Map gets: signature, issuer, audience and times are
// good, and who that is in this service is Map's to say.
type Token struct {
	trust    *trust
	kid      string // of the header
	key      Key    // that verified it
	payload  string
	claims   lasting
	identity authn.Identity // without VerifiedAt and Credential
	shared   bool           // by requests: the cache has it
	scopes   [4]string      // the identity's, if there are no more
}

// Subject is the claim sub. It is the issuer's: prefix it, to be unique in this
// service.
func (t *Token) Subject() string { return t.claims.subject }

// ID is the claim jti, "" if there is none.
func (t *Token) ID() string { return t.claims.id }

// Scopes is the claim scope, a string that spaces divide (RFC 9068 §2.2.3), or
// else scp, a string or an array as some providers write it. nil if there is
// neither.
func (t *Token) Scopes() []string {
	list := t.Strings(claimScope)
	if len(list) == 0 {
		list = t.Strings("scp")
	}
	if len(list) == 1 {
		return splitScope(list[0])
	}
	return list
}

// Strings is a claim that is a string or an array of strings; nil of anything
// else, and of a claim that is not there.
func (t *Token) Strings(claim string) []string {
	var list []string
	_ = members(t.payload, func(name, value string) (err error) { // it was read before
		if name == claim {
			if list, err = textsOf(value); err != nil {
				list = nil
			}
		}
		return nil
	})
	return list
}

// Decode fills a struct from all claims, as encoding/json does.
func (t *Token) Decode(into any) error {
	if err := json.Unmarshal([]byte(t.payload), into); err != nil {
		return fmt.Errorf("authn/jwtauth: claims: %w", err)
	}
	return nil
}

// ref is how a store knows t.
func (t *Token) ref() store.TokenRef {
	c := &t.claims
	return store.TokenRef{
		Issuer: c.issuer, ID: c.id, Subject: t.identity.Subject, Family: c.family, Version: c.version,
		IssuedAt: time.Unix(c.issued, 0),
	}
}

func (c *lasting) expiresAt() time.Time { return time.Unix(c.expires, 0) }

// newIdentity is t's, for one request, with t in it for Claims and Bound.
func (t *Token) newIdentity(now time.Time) *authn.Identity {
	id := &t.identity
	if t.shared {
		id = new(t.identity)
	}
	id.VerifiedAt, id.Credential = now, t
	return id
}

// tokenOf is the token that id was verified by, nil for another method.
func tokenOf(id *authn.Identity) *Token {
	if id == nil {
		return nil
	}
	t, _ := id.Credential.(*Token)
	return t
}

var errNoToken error = &authn.Error{
	Status: http.StatusInternalServerError, Code: "internal",
	Err: errors.New("authn/jwtauth: Claims in a request that no token of this package was verified for"),
}

// Claims decodes all claims of the request's token into a T, a struct of the
// host's, as encoding/json does. It answers 500, by [authn.WriteError], if the
// request came in by another method: ask the Identity's Method first, or
// Require just a [Verifier].
func Claims[T any](ctx context.Context) (claims T, err error) {
	id, _ := authn.FromContext(ctx)
	t := tokenOf(id)
	if t == nil {
		return claims, errNoToken
	}
	return claims, t.Decode(&claims)
}
