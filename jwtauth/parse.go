package jwtauth

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
)

// check is all of a token but its binding and its revocation.
func (v *Verifier) check(ctx context.Context, raw string, now time.Time, leeway time.Duration) (*Token, *authn.Error) {
	if len(raw) > v.cfg.MaxLength {
		return nil, authn.Refused("too long", nil)
	}
	t, digest, e := v.good.find(ctx, raw, now)
	known := t != nil
	if !known && e == nil {
		t, e = v.parse(ctx, raw, now)
	}
	if e != nil {
		return nil, e
	}
	if wrong := t.claims.wrongTime(now, leeway, v.cfg.MaxLifetime); wrong != "" {
		return nil, about(authn.Refused(wrong, nil), t)
	}
	if !known {
		v.good.keep(raw, digest, t, now)
	}
	return t, nil
}

// parse is what does not change while a token lives: its form, its signature,
// and what it says.
func (v *Verifier) parse(ctx context.Context, raw string, now time.Time) (*Token, *authn.Error) {
	c, err := split(raw)
	if err != nil {
		return nil, authn.Refused("malformed", err)
	}
	buf := scratches.Get().(*scratch)
	defer buf.free()
	h, known := v.header.find(c.header())
	if !known {
		decoded, err := buf.decode(c.header())
		if err != nil {
			return nil, authn.Refused("malformed header", err)
		}
		if h, err = parseHeader(string(decoded)); err != nil {
			return nil, authn.Refused("malformed header", err)
		}
	}
	tr, e := v.trustOf(c, buf)
	if e != nil {
		return nil, e
	}
	if !tr.accepts(h.typ) {
		return nil, authn.Refused("wrong type", nil)
	}
	key, e := tr.key(ctx, h)
	if e != nil {
		return nil, e
	}
	signature, err := buf.decode(c.signature())
	if err != nil {
		return nil, authn.Refused("malformed signature", err)
	}
	if err := key.verify(c.input(), signature); err != nil {
		return nil, authn.Refused("wrong signature", err)
	}
	if !known {
		v.header.keep(c.header(), h)
	}
	decoded, err := buf.decode(c.payload())
	if err != nil {
		return nil, authn.Refused("malformed claims", err)
	}
	payload := string(decoded)
	var said claims
	if e := tr.read(payload, h.typ, &said); e != nil {
		return nil, e
	}
	if !tr.own() { // Map sees no other tokens. Of ours the refusal says whose they were: later.
		if wrong := said.wrongTime(now, v.cfg.Leeway, v.cfg.MaxLifetime); wrong != "" {
			return nil, authn.Refused(wrong, nil)
		}
	}
	t := &Token{trust: tr, kid: h.kid, key: key, payload: payload, claims: said.lasting}
	return t, tr.mapped(t, h.typ, &said)
}

// trustOf is the issuer that may have made c. Of several, the payload's iss
// says which, before anything is known of it: so it is a key of a map and
// nothing more, and read compares it again.
func (v *Verifier) trustOf(c compact, buf *scratch) (*trust, *authn.Error) {
	if len(v.trusts) == 1 {
		return &v.trusts[0], nil
	}
	decoded, err := buf.decode(c.payload())
	if err != nil {
		return nil, authn.Refused("malformed claims", err)
	}
	issuer, err := issuerOf(string(decoded))
	if err != nil {
		return nil, authn.Refused("malformed claims", err)
	}
	for i := range v.trusts {
		if v.trusts[i].Issuer == issuer {
			return &v.trusts[i], nil
		}
	}
	return nil, authn.Refused("unknown issuer", nil)
}

var errFound = errors.New("found")

// issuerOf is the iss of a payload whose signature nobody has checked, and
// reads no further.
func issuerOf(payload string) (issuer string, err error) {
	err = members(payload, func(name, value string) (err error) {
		if name != "iss" {
			return nil
		}
		if issuer, err = textOf(value); err == nil {
			err = errFound
		}
		return err
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return issuer, err
}

// key is the one that h names. The key says the algorithm, and h must agree.
func (t *trust) key(ctx context.Context, h header) (Key, *authn.Error) {
	key, err := t.Keys.VerificationKey(ctx, h.kid)
	switch {
	case errors.Is(err, ErrUnknownKey):
		return Key{}, authn.Refused("unknown key", nil)
	case err != nil:
		return Key{}, audit.Outage("keys", err)
	case key.isZero():
		return Key{}, audit.Outage("keys", errors.New("authn/jwtauth: the KeySource answered a zero Key"))
	case h.alg != key.Algorithm() || len(t.Algorithms) > 0 && !slices.Contains(t.Algorithms, h.alg):
		return Key{}, authn.Refused("wrong algorithm", nil)
	}
	return key, nil
}

// read fills a zero c with what a payload says whose signature is good.
func (t *trust) read(payload string, typ tokenType, c *claims) *authn.Error {
	if err := c.parse(payload, t.own()); err != nil {
		return authn.Refused("malformed claims", err)
	}
	switch missing := c.missing(t.wants()); {
	case missing != "":
		return authn.Refused("no "+missing, nil)
	case c.issuer != t.Issuer:
		return authn.Refused("wrong issuer", nil)
	case typ == typePending && !c.isFor([]string{t.Issuer}), typ != typePending && !c.isFor(t.Audiences):
		return authn.Refused("wrong audience", nil)
	}
	return nil
}

// mapped is identify with its error as a refusal. A host may answer one
// *authn.Error again and again, so that it is copied; and none that says
// "absent" makes a bad token nobody's.
func (t *trust) mapped(tok *Token, typ tokenType, said *claims) *authn.Error {
	err := t.identify(tok, typ, said)
	if err == nil {
		return nil
	}
	var e *authn.Error
	switch {
	case errors.Is(err, authn.ErrNoCredential):
		return authn.Refused("no identity", nil) // without err, which would say that nothing was there
	case !errors.As(err, &e):
		return authn.Refused("no identity", err)
	}
	own := *authn.AsError(err)
	own.Reported = false
	return &own
}

// about says whom a refusal is about.
func about(e *authn.Error, t *Token) *authn.Error {
	e.About = &authn.Identity{Subject: t.identity.Subject, Kind: t.identity.Kind, Method: method, CredentialID: t.claims.id}
	return e
}
