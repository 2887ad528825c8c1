package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
)

const (
	// assertionLife is how far the end of an assertion may be.
	assertionLife = 5 * time.Minute
	// assertionLeeway is how far a client's clock may be ahead of ours.
	assertionLeeway = 30 * time.Second
)

// Assertion is the JWT by which a client says who it is (private_key_jwt: RFC
// 7523 §2.2, OpenID Connect Core §9). [ParseAssertion] reads it, so that the
// client's keys can be looked up; nothing that it says is known to be true
// before Verify.
type Assertion struct {
	// ClientID is its iss and its sub, which are the same.
	ClientID string
	// ID is its jti, 1 to 255 bytes: whoever accepts it claims that until
	// ExpiresAt, so that it counts once.
	ID        string
	ExpiresAt time.Time

	compact compact
	header  header
	claims  claims
}

// ParseAssertion reads a JWT of at most 8192 bytes. Its typ is JWT,
// client-authentication+jwt or none, and it has iss, sub, aud, exp and jti.
func ParseAssertion(raw string) (*Assertion, error) {
	a, err := parseAssertion(raw)
	if err != nil {
		return nil, fmt.Errorf("authn/jwtauth: assertion: %w", err)
	}
	return a, nil
}

func parseAssertion(raw string) (*Assertion, error) {
	if len(raw) > defaultMaxLength {
		return nil, errors.New("too long")
	}
	c, err := split(raw)
	if err != nil {
		return nil, err
	}
	buf := scratches.Get().(*scratch)
	defer buf.free()
	a := &Assertion{compact: c}
	decoded, err := buf.decode(c.header())
	if err != nil {
		return nil, err
	}
	if a.header, err = parseHeader(string(decoded)); err != nil {
		return nil, err
	}
	if a.header.typ != typePlain && a.header.typ != typeAssertion {
		return nil, errors.New("wrong type")
	}
	if decoded, err = buf.decode(c.payload()); err != nil {
		return nil, err
	}
	if err := a.claims.parse(string(decoded), false); err != nil {
		return nil, err
	}
	if missing := a.claims.missing(hasIssuer | hasSubject | hasAudience | hasExpires | hasID); missing != "" {
		return nil, errors.New("no " + missing)
	}
	a.ClientID, a.ID, a.ExpiresAt = a.claims.subject, a.claims.id, a.claims.expiresAt()
	switch {
	case a.claims.issuer != a.claims.subject:
		return nil, errors.New("iss is not sub")
	case !isText(a.ClientID) || !isText(a.ID):
		return nil, fmt.Errorf("iss and jti are 1 to %d bytes without control characters", maxText)
	}
	return a, nil
}

// Verify checks the signature by the client's keys, each of which is good for its
// own algorithm only; that aud is one of audiences and nothing else; and that a is
// good at now and ends within 5 min. The client's clock may be 30 s ahead.
//
// Its errors are 401 invalid_client, or outages of keys.
func (a *Assertion) Verify(ctx context.Context, keys KeySource, audiences []string, now time.Time) error {
	tr := trust{Trust: Trust{Keys: keys}}
	key, e := tr.key(ctx, a.header)
	if e != nil {
		return assertionError(e)
	}
	if key.Algorithm().symmetric() {
		return assertionError(authn.Refused("wrong algorithm", nil))
	}
	buf := scratches.Get().(*scratch)
	defer buf.free()
	signature, err := buf.decode(a.compact.signature())
	if err == nil {
		err = key.verify(a.compact.input(), signature)
	}
	if err != nil {
		return assertionError(authn.Refused("wrong signature", err))
	}
	if wrong := a.wrong(audiences, now); wrong != "" {
		return assertionError(authn.Refused(wrong, nil))
	}
	return nil
}

func (a *Assertion) wrong(audiences []string, now time.Time) string {
	c := &a.claims
	audience := c.audience
	if len(c.audiences) == 1 {
		audience = c.audiences[0]
	}
	latest := now.Add(assertionLeeway)
	switch {
	case !slices.Contains(audiences, audience): // "" is none: of several
		return "wrong audience"
	case !now.Before(a.ExpiresAt):
		return "expired"
	case a.ExpiresAt.After(latest.Add(assertionLife)):
		return "lives too long"
	case c.has&hasNotBefore != 0 && latest.Before(time.Unix(c.notBefore, 0)):
		return "not yet valid"
	case c.has&hasIssued != 0 && latest.Before(time.Unix(c.issued, 0)):
		return "issued in the future"
	}
	return ""
}

// assertionError says of a refusal that it is of a client (RFC 7521 §4.2.1).
func assertionError(e *authn.Error) error {
	if e.Status < 500 {
		e.Code = "invalid_client"
	}
	return e
}
