package authn

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// Kind says what an [Identity]'s Subject names. The zero Kind is invalid and
// is refused wherever an Identity is judged.
type Kind uint8

const (
	// KindUser is a person.
	KindUser Kind = iota + 1
	// KindClient is a service; Subject is its client id.
	KindClient
	// KindKey is a program with a key that the owner, Subject, made. It never
	// becomes a session or a token.
	KindKey
)

var kindNames = [...]string{KindUser: "user", KindClient: "client", KindKey: "key"}

// String is "user", "client" or "key", and "invalid" for any other Kind.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "invalid"
	}
	return kindNames[k]
}

// MarshalText writes what String says. The zero Kind is "", so that an Event
// about nobody has no kind; any other invalid Kind is an error.
func (k Kind) MarshalText() ([]byte, error) {
	switch {
	case k == 0:
		return nil, nil
	case int(k) >= len(kindNames):
		return nil, fmt.Errorf("authn: invalid Kind %d", uint8(k))
	}
	return []byte(kindNames[k]), nil
}

// UnmarshalText reads what MarshalText writes.
func (k *Kind) UnmarshalText(text []byte) error {
	for i, name := range kindNames {
		if name == string(text) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("authn: unknown kind %q", text)
}

// Factor is one thing that was proven, and when.
type Factor struct {
	// Name is of RFC 8176 ("amr" values): "pwd", "otp", "hwk".
	Name string `json:"name"`
	// At is when it was proven.
	At time.Time `json:"at"`
}

// Identity says who a request comes from.
//
// An Identity in a context is shared: read it, and [Identity.Clone] it to
// change it. Caching verifiers hand out copies of the struct whose slices and
// map are the cached ones.
//
// Its JSON is what sessions, refresh families and pending tokens persist (a
// store may keep the same members in another form), and stays readable by later
// versions. VerifiedAt and Credential are not part of it.
type Identity struct {
	// Subject is unique in this service, client ids included. It is never
	// empty. A foreign issuer's subjects need a mapping, such as a prefix.
	Subject string `json:"subject"`
	// Kind says what Subject names.
	Kind Kind `json:"kind"`
	// Method is how the request was authenticated: "apikey", "jwt", "session".
	Method string `json:"method,omitempty"`
	// Issuer is who vouches for Subject, if not this service.
	Issuer string `json:"issuer,omitempty"`
	// CredentialID names the credential, to list, revoke or limit it: a key
	// id, a token's jti, a session's public id. It is not secret.
	CredentialID string `json:"credential_id,omitempty"`
	// Scopes are what the credential may do. nil grants nothing.
	Scopes []string `json:"scopes,omitempty"`
	// Roles are what the subject is here. nil grants nothing.
	Roles []string `json:"roles,omitempty"`
	// Factors are what was proven.
	Factors []Factor `json:"factors,omitempty"`
	// Pending names the factors that are still owed. While there are any, the
	// Identity is refused by Require, Allow and Check and is nobody to
	// Optional, unless a route says [AllowPending].
	Pending []string `json:"pending,omitempty"`
	// VerifiedAt is when verifying this request began; [Within] counts from
	// it. A revocation since then voids a login that is made of this Identity.
	// Zero is refused there.
	VerifiedAt time.Time `json:"-"`
	// ExpiresAt is when the credential ends. Zero means never.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Attributes are the host's own.
	Attributes map[string]string `json:"attributes,omitempty"`
	// Credential is for the accessors of the verifier's package, such as
	// apikey.FromContext.
	Credential any `json:"-"`
}

// User is a person who has proven these factors just now, by [time.Now]. It is
// what a host's own login code hands to a session or a token issuer.
func User(subject, method string, factors ...Factor) *Identity {
	return &Identity{Subject: subject, Kind: KindUser, Method: method, Factors: factors, VerifiedAt: time.Now()}
}

// HasScope reports whether Scopes contains name, exactly. A nil Identity has
// no scope.
func (id *Identity) HasScope(name string) bool {
	return id != nil && slices.Contains(id.Scopes, name)
}

// HasRole reports whether Roles contains name, exactly. A nil Identity has no
// role.
func (id *Identity) HasRole(name string) bool {
	return id != nil && slices.Contains(id.Roles, name)
}

// FactorAt reports when the factor was proven last.
func (id *Identity) FactorAt(name string) (at time.Time, ok bool) {
	if id == nil {
		return time.Time{}, false
	}
	for _, f := range id.Factors {
		if f.Name == name && (!ok || f.At.After(at)) {
			at, ok = f.At, true
		}
	}
	return at, ok
}

// WithFactor is a copy that has proven f and no longer owes it. Of nil it is nil.
func (id *Identity) WithFactor(f Factor) *Identity {
	if id == nil {
		return nil
	}
	c := id.Clone()
	c.Factors = slices.DeleteFunc(c.Factors, func(old Factor) bool { return old.Name == f.Name })
	c.Factors = append(c.Factors, f)
	c.Pending = slices.DeleteFunc(c.Pending, func(name string) bool { return name == f.Name })
	if len(c.Pending) == 0 {
		c.Pending = nil
	}
	return c
}

// Clone is a deep copy, but for Credential. The clone of nil is nil.
func (id *Identity) Clone() *Identity {
	if id == nil {
		return nil
	}
	c := *id
	c.Scopes = slices.Clone(id.Scopes)
	c.Roles = slices.Clone(id.Roles)
	c.Factors = slices.Clone(id.Factors)
	c.Pending = slices.Clone(id.Pending)
	c.Attributes = maps.Clone(id.Attributes)
	return &c
}

// FromContext is the Identity that [Require], [Optional] or [NewContext] put
// there. Behind Require there always is one.
func FromContext(ctx context.Context) (*Identity, bool) {
	p, ok := ctx.Value(passKey{}).(*pass)
	if !ok || p.id == nil {
		return nil, false
	}
	return p.id, true
}

// NewContext is ctx with id in it: for routers whose middleware has another
// shape (see [Check]) and for tests. A nil id is nobody.
func NewContext(ctx context.Context, id *Identity) context.Context {
	p := &pass{Context: ctx, id: id}
	if outer, ok := ctx.Value(passKey{}).(*pass); ok {
		p.policy, p.peer = outer.policy, outer.peer
	}
	return p
}

type passKey struct{}

// pass is the context of a request that was let through.
type pass struct {
	context.Context
	id     *Identity
	policy *policy // that let it through; nil from NewContext
	peer   string  // the request's RemoteAddr
}

// admission is one allocation for all that letting a request through needs.
// Who keeps the context keeps the request with it.
type admission struct {
	pass
	request http.Request
	fields  [2]string // values of response fields, see policy.mark
}

func (p *pass) Value(key any) any {
	if _, ok := key.(passKey); ok {
		return p
	}
	return p.Context.Value(key)
}
