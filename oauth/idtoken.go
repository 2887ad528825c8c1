package oauth

import (
	"context"
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
)

const (
	maxIDToken = 64 << 10
	// leeway is between the provider's clock and ours.
	leeway     = time.Minute
	maxSubject = 255
)

// anyNonce is of an id_token that comes with a refresh: none was sent.
const anyNonce = ""

// idToken is what a good one says.
type idToken struct {
	issuer, subject string
	authTime        time.Time
	claims          map[string]any
}

// verify is OpenID Connect Core §3.1.3.7, without exceptions. The error is 401, or
// 503 where the keys cannot be had.
func (p *provider) verify(ctx context.Context, m *metadata, raw, nonce, accessToken string) (idToken, error) {
	sig, err := m.parse(raw)
	if err != nil {
		return idToken{}, wrong("header", err)
	}
	now := p.now()
	verifier := oidc.NewVerifier(m.Issuer, sig, &oidc.Config{
		ClientID: p.spec.id, SupportedSigningAlgs: m.Algorithms,
		SkipIssuerCheck: true, // it is below: here it would let Google's other spelling pass for itself
		Now:             func() time.Time { return now.Add(-leeway) },
	})
	token, err := verifier.Verify(ctx, raw)
	switch {
	case sig.err != nil && !errors.Is(sig.err, errSignature) && !errors.Is(sig.err, errUnknownKey):
		return idToken{}, sig.err
	case !sig.good:
		return idToken{}, wrong("signature", err)
	}
	t, wrongClaim := p.read(m, sig.payload, sig.by, nonce, now)
	switch {
	case wrongClaim != "":
		return idToken{}, wrong(wrongClaim, err)
	case err != nil:
		return idToken{}, wrong("go-oidc", err)
	}
	if has(t.claims, "at_hash") && token.VerifyAccessToken(accessToken) != nil {
		return idToken{}, wrong("at_hash", nil)
	}
	return t, nil
}

// read is the claims of a token whose signature is good, or the one that is wrong.
func (p *provider) read(m *metadata, payload []byte, key crypto.PublicKey, nonce string, now time.Time) (t idToken, wrongClaim string) {
	if readJSON(payload, &t.claims) != nil {
		return t, "claims"
	}
	if t.issuer = p.issuerOf(m, t.claims["iss"]); t.issuer == "" {
		return t, "iss"
	}
	if p.spec.keyIssuer != nil && !p.spec.keyIssuer(m.keys.issuerOf(key), t.issuer) {
		return t, "iss of the key"
	}
	if !p.isAudience(t.claims) {
		return t, "aud or azp"
	}
	if t.subject, _ = t.claims["sub"].(string); !isSubject(t.subject) {
		return t, "sub"
	}
	if claim := checkTimes(t.claims, now); claim != "" {
		return t, claim
	}
	if got, _ := t.claims["nonce"].(string); got != nonce && nonce != anyNonce {
		return t, "nonce"
	}
	if at, ok := seconds(t.claims["auth_time"]); ok && !at.After(now.Add(leeway)) {
		t.authTime = at
		if at.After(now) {
			t.authTime = now
		}
	}
	return t, ""
}

func wrong(what string, err error) *authn.Error { return failed("id_token: "+what, err) }

// issuerOf is the Issuer that iss stands for, "" if it is another.
func (p *provider) issuerOf(m *metadata, iss any) string {
	s, _ := iss.(string)
	switch {
	case p.spec.issuers != nil:
		return p.spec.issuers(s)
	case s == m.Issuer:
		return s
	}
	return ""
}

// isAudience is steps 3 to 5: a token that others may read, too, was issued to us.
func (p *provider) isAudience(claims map[string]any) bool {
	several := false
	switch aud := claims["aud"].(type) {
	case string:
		if aud != p.spec.id {
			return false
		}
	case []any:
		if !slices.Contains(aud, any(p.spec.id)) {
			return false
		}
		several = len(aud) > 1
	default:
		return false
	}
	azp, ok := claims["azp"]
	return ok && azp == any(p.spec.id) || !ok && !several
}

// isSubject reports whether s may be a part of a key.
func isSubject(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && !strings.ContainsFunc(s, isControl)
}

func isControl(c rune) bool { return c < 0x20 || c == 0x7f }

// checkTimes answers the claim that is wrong.
func checkTimes(claims map[string]any, now time.Time) string {
	if exp, ok := seconds(claims["exp"]); !ok || !now.Before(exp.Add(leeway)) {
		return "exp"
	}
	if iat, ok := seconds(claims["iat"]); !ok || iat.After(now.Add(leeway)) {
		return "iat"
	}
	if nbf, ok := seconds(claims["nbf"]); has(claims, "nbf") && (!ok || nbf.After(now.Add(leeway))) {
		return "nbf"
	}
	return ""
}

func has(claims map[string]any, name string) bool {
	_, ok := claims[name]
	return ok
}

// seconds is a NumericDate (RFC 7519 §2) after 1970.
func seconds(v any) (time.Time, bool) {
	n, _ := v.(json.Number)
	f, err := strconv.ParseFloat(n.String(), 64)
	if err != nil || f <= 0 || f > 1e11 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0), true
}

// signature is of one token: the oidc.KeySet of its verification.
type signature struct {
	keys     *keySet
	alg, kid string
	signed   string
	sig      []byte
	payload  []byte
	good     bool
	by       crypto.PublicKey // the key, if it is good
	err      error            // what VerifySignature answered: go-oidc keeps only its text
}

var errSignature = errors.New("authn/oauth: the signature is wrong")

// parse reads a compact JWS (RFC 7515 §7.1) up to its signature.
func (m *metadata) parse(raw string) (*signature, error) {
	if len(raw) > maxIDToken {
		return nil, errors.New("too long")
	}
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		return nil, errors.New("no compact JWS")
	}
	var decoded [3][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.Strict().DecodeString(part); err != nil || strings.ContainsAny(part, "\r\n") {
			return nil, errors.New("no base64url")
		}
	}
	var header map[string]any // a struct would take "ALG" for alg
	if err := readJSON(decoded[0], &header); err != nil {
		return nil, err
	}
	alg, _ := header["alg"].(string)
	if !slices.Contains(m.Algorithms, alg) {
		return nil, errors.New("alg")
	}
	kid, isText := header["kid"].(string)
	if has(header, "kid") && !isText {
		return nil, errors.New("kid")
	}
	// An access token (RFC 9068) or a logout token may have the same claims.
	if typ, ok := header["typ"]; ok {
		if s, _ := typ.(string); !strings.EqualFold(s, "JWT") {
			return nil, errors.New("typ")
		}
	}
	if has(header, "crit") {
		return nil, errors.New("crit")
	}
	return &signature{keys: m.keys, alg: alg, kid: kid, signed: raw[:len(parts[0])+1+len(parts[1])], sig: decoded[2], payload: decoded[1]}, nil
}

// VerifySignature is of oidc.KeySet.
func (s *signature) VerifySignature(ctx context.Context, _ string) ([]byte, error) {
	if s.err = s.check(ctx, nil); s.err != nil {
		return nil, s.err
	}
	s.good = true
	return s.payload, nil
}

func (s *signature) check(ctx context.Context, not crypto.PublicKey) error {
	key, err := s.keys.key(ctx, s.alg, s.kid, not)
	if err != nil {
		return err
	}
	if jwt.GetSigningMethod(s.alg).Verify(s.signed, s.sig, key) == nil {
		s.by = key
		return nil
	}
	if s.kid == "" && not == nil { // perhaps by the next key, which has no name either
		return s.check(ctx, key)
	}
	return errSignature
}
