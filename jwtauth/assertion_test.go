package jwtauth_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

const (
	assertionEnd = 1_800_000_000
	assertionAud = "https://auth.example"
)

// assertionKey is a client's, and assertionSet what it has registered.
var (
	assertionKey = authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	assertionSet = `{"keys":[` + assertionJWK("k1") + `]}`
)

func assertionJWK(kid string) string {
	point := authn.Must(assertionKey.PublicKey.Bytes())
	text := base64.RawURLEncoding.EncodeToString
	return string(authn.Must(json.Marshal(map[string]string{
		"kty": "EC", "crv": "P-256", "kid": kid, "x": text(point[1:33]), "y": text(point[33:]),
	})))
}

func assertionOf(kid string) string {
	tok := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": "worker", "sub": "worker", "aud": assertionAud, "exp": assertionEnd, "jti": "id-1",
	})
	tok.Header["kid"] = kid
	return authn.Must(tok.SignedString(assertionKey))
}

// O11: an assertion says whose it is before it is verified, and is good until its end,
// from 5 min and 30 s before it.
func TestAssertionIsVerifiedByTheClientsKeys(t *testing.T) {
	set := authn.Must(jwtauth.ParseJWKS([]byte(assertionSet)))
	shared := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.HMACKey("k1", jwtauth.HS256, authn.NewSecret(issuerSecret)))))
	end := time.Unix(assertionEnd, 0)
	mac := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": "worker", "sub": "worker", "aud": assertionAud, "exp": assertionEnd, "jti": "id-1",
	})
	mac.Header["kid"] = "k1"
	a := authn.Must(jwtauth.ParseAssertion(authn.Must(mac.SignedString([]byte(issuerSecret)))))
	if err := a.Verify(t.Context(), shared, []string{assertionAud}, end.Add(-1)); err == nil || authn.AsError(err).Code != "invalid_client" {
		t.Errorf("by a secret that both have: %v", err)
	}
	for name, tt := range map[string]struct {
		kid    string
		keys   jwtauth.KeySource
		aud    string
		at     time.Time
		status int
		code   string
	}{
		"good":              {"k1", set, assertionAud, end.Add(-time.Minute), 0, ""},
		"last moment":       {"k1", set, assertionAud, end.Add(-1), 0, ""},
		"end":               {"k1", set, assertionAud, end, 401, "invalid_client"},
		"first moment":      {"k1", set, assertionAud, end.Add(-330 * time.Second), 0, ""},
		"before it":         {"k1", set, assertionAud, end.Add(-330*time.Second - 1), 401, "invalid_client"},
		"another audience":  {"k1", set, "https://other.example", end.Add(-1), 401, "invalid_client"},
		"unknown key":       {"k2", set, assertionAud, end.Add(-1), 401, "invalid_client"},
		"symmetric key":     {"k1", shared, assertionAud, end.Add(-1), 401, "invalid_client"},
		"keys not readable": {"k1", failingKeys{}, assertionAud, end.Add(-1), 503, "unavailable"},
	} {
		a, err := jwtauth.ParseAssertion(assertionOf(tt.kid))
		if err != nil || a.ClientID != "worker" || a.ID != "id-1" || !a.ExpiresAt.Equal(end) {
			t.Fatalf("%s: %+v, %v", name, a, err)
		}
		err = a.Verify(t.Context(), tt.keys, []string{assertionAud + "/token", tt.aud}, tt.at)
		if err == nil && tt.status == 0 {
			continue
		}
		if e := authn.AsError(err); e == nil || e.Status != tt.status || e.Code != tt.code {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// O11: what a client sends says one thing to every reader, has all that RFC 7523
// §3 wants, and is no other kind of token.
func TestParseAssertion(t *testing.T) {
	const header = `{"alg":"ES256","kid":"k1","typ":"JWT"}`
	claims := fmt.Sprintf(`{"iss":"worker","sub":"worker","aud":"%s","exp":%d,"jti":"id-1"}`, assertionAud, assertionEnd)
	of := func(header, claims string) string {
		return encode(header) + "." + encode(claims) + "." + encode("signature")
	}
	swapped := func(old, replacement string) string {
		return of(strings.Replace(header, old, replacement, 1), strings.Replace(claims, old, replacement, 1))
	}
	both := func(id string) string { return of(header, strings.ReplaceAll(claims, "worker", id)) }
	good := of(header, claims)
	long := good + strings.Repeat("A", 8192-len(good))
	for name, tt := range map[string]struct{ raw, want string }{
		"typ JWT":                       {good, ""},
		"typ of its own":                {swapped(`"JWT"`, `"client-authentication+jwt"`), ""},
		"no typ":                        {swapped(`,"typ":"JWT"`, ``), ""},
		"8192 bytes":                    {long, ""},
		"8193 bytes":                    {long + "A", "too long"},
		"nothing":                       {"", "not three segments"},
		"two segments":                  {"a.b", "not three segments"},
		"four segments":                 {good + ".x", "not three segments"},
		"a header that is no base64url": {"*" + good, "not base64url"},
		"a header that is no JSON":      {of(`{`, claims), "not one strict JSON object"},
		"a header that has crit":        {swapped(`{"alg"`, `{"crit":["x"],"alg"`), "crit: not supported"},
		"an access token":               {swapped(`"JWT"`, `"at+jwt"`), "wrong type"},
		"half a login":                  {swapped(`"JWT"`, `"pending+jwt"`), "wrong type"},
		"another kind":                  {swapped(`"JWT"`, `"dpop+jwt"`), "wrong type"},
		"claims that are no base64url":  {encode(header) + ".*." + encode("signature"), "not base64url"},
		"claims that are no JSON":       {of(header, `{`), "not one strict JSON object"},
		"claims with one in two cases":  {swapped(`"jti"`, `"JTI"`), "JTI: in another case"},
		"no iss":                        {swapped(`"iss":"worker",`, ``), "no iss"},
		"no sub":                        {swapped(`"sub":"worker",`, ``), "no sub"},
		"no aud":                        {swapped(`"aud":"`+assertionAud+`",`, ``), "no aud"},
		"no exp":                        {swapped(fmt.Sprintf(`"exp":%d,`, assertionEnd), ``), "no exp"},
		"no jti":                        {swapped(`,"jti":"id-1"`, ``), "no jti"},
		"iss is not sub":                {swapped(`"sub":"worker"`, `"sub":"Worker"`), "iss is not sub"},
		"a client of 255 bytes":         {both(strings.Repeat("x", 255)), ""},
		"a client of 256 bytes":         {both(strings.Repeat("x", 256)), "1 to 255 bytes"},
		"a client with NUL":             {both(`a\u0000`), "1 to 255 bytes"},
		"a jti of 255 bytes":            {swapped("id-1", strings.Repeat("x", 255)), ""},
		"a jti of 256 bytes":            {swapped("id-1", strings.Repeat("x", 256)), "1 to 255 bytes"},
		"a jti with a line end":         {swapped("id-1", `a\n`), "1 to 255 bytes"},
	} {
		a, err := jwtauth.ParseAssertion(tt.raw)
		if tt.want == "" && (err != nil || a.ClientID == "" || a.ID == "") {
			t.Errorf("%s: %v", name, err)
		}
		if tt.want != "" && (err == nil || a != nil || !strings.HasPrefix(err.Error(), "authn/jwtauth: assertion: ") || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
}

// O11: an assertion is for us alone, and the client's clock may be 30 s ahead.
func TestAssertionIsForUsAndNow(t *testing.T) {
	const now = assertionEnd - 60
	set := authn.Must(jwtauth.ParseJWKS([]byte(assertionSet)))
	for _, tt := range []struct {
		name   string
		claim  string
		value  any
		reason string // "" is good
	}{
		{"one audience in a list", "aud", []string{assertionAud}, ""},
		{"two audiences", "aud", []string{assertionAud, "https://other.example"}, "wrong audience"},
		{"no audience", "aud", []string{}, "wrong audience"},
		{"nbf long ago", "nbf", 1, ""},
		{"nbf as far ahead as it may be", "nbf", now + 30, ""},
		{"nbf further ahead", "nbf", now + 31, "not yet valid"},
		{"iat long ago", "iat", 1, ""},
		{"iat as far ahead as it may be", "iat", now + 30, ""},
		{"iat further ahead", "iat", now + 31, "issued in the future"},
	} {
		claims := jwt.MapClaims{"iss": "worker", "sub": "worker", "aud": assertionAud, "exp": assertionEnd, "jti": "id-1"}
		claims[tt.claim] = tt.value
		tok := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
		tok.Header["kid"] = "k1"
		a := authn.Must(jwtauth.ParseAssertion(authn.Must(tok.SignedString(assertionKey))))
		err := a.Verify(t.Context(), set, []string{assertionAud}, time.Unix(now, 0))
		if e := authn.AsError(err); e == nil && tt.reason != "" || e != nil && (e.Reason != tt.reason || e.Status != 401 || e.Code != "invalid_client") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.reason)
		}
	}
}

type failingKeys struct{}

func (failingKeys) VerificationKey(context.Context, string) (jwtauth.Key, error) {
	return jwtauth.Key{}, errors.New("down")
}

// O11: a set has public keys only, each of which can be used.
func TestParseJWKSRefuses(t *testing.T) {
	k1, k2 := assertionJWK("k1"), assertionJWK("k2")
	for name, tt := range map[string]struct{ set, want string }{
		"good":           {assertionSet, ""},
		"two keys":       {`{"keys":[` + k1 + `,` + k2 + `]}`, ""},
		"none":           {`{"keys":[]}`, "no key"},
		"no set":         {k1, `no member "keys"`},
		"no JSON":        {"x", "not JSON"},
		"one kid twice":  {`{"keys":[` + k1 + `,` + k1 + `,` + k2 + `]}`, "same kid"},
		"no kid":         {`{"keys":[` + strings.Replace(k1, `"kid":"k1",`, ``, 1) + `]}`, ""},
		"no kid of two":  {`{"keys":[` + k1 + `,` + strings.Replace(k2, `"kid":"k2",`, ``, 1) + `]}`, "without kid"},
		"for encrypting": {`{"keys":[` + k1 + `,` + strings.Replace(k2, `{`, `{"use":"enc",`, 1) + `]}`, `"use"`},
		"private":        {`{"keys":[` + k1 + `,` + strings.Replace(k2, `{`, `{"d":"AA",`, 1) + `]}`, "private"},
		"symmetric":      {`{"keys":[` + k1 + `,{"kty":"oct","k":"AAAA"}]}`, "symmetric"},
		"1 MiB":          {assertionSet + strings.Repeat(" ", 1<<20-len(assertionSet)), ""},
		"too long":       {assertionSet + strings.Repeat(" ", 1<<20+1-len(assertionSet)), "more than"},
	} {
		_, err := jwtauth.ParseJWKS([]byte(tt.set))
		if (err == nil) != (tt.want == "") || err != nil && (!strings.HasPrefix(err.Error(), "authn/jwtauth: ") || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	set := authn.Must(jwtauth.ParseJWKS([]byte(`{"keys":[` + k1 + `,` + k2 + `]}`)))
	for kid, good := range map[string]bool{"k1": true, "k2": true, "k3": false, "": false} {
		if _, err := set.VerificationKey(t.Context(), kid); (err == nil) != good || !good && !errors.Is(err, jwtauth.ErrUnknownKey) {
			t.Errorf("%q: %v", kid, err)
		}
	}
}

// O11: whatever an assertion is, it is refused, or it says who made it, in what a slow
// and obvious reader finds there; only the one that was signed verifies.
func FuzzAssertion(f *testing.F) {
	good := assertionOf("k1")
	set := authn.Must(jwtauth.ParseJWKS([]byte(assertionSet)))
	parts := strings.Split(good, ".")
	f.Fuzz(func(t *testing.T, header, claims, signature string) {
		text := base64.RawURLEncoding.EncodeToString
		raw := text([]byte(header)) + "." + text([]byte(claims)) + "." + signature
		if header == "GOOD" { // another one at each run
			raw = parts[0] + "." + text([]byte(claims)) + "." + parts[2]
		}
		a, err := jwtauth.ParseAssertion(raw)
		if err != nil {
			return
		}
		var plain struct{ Iss, Sub, Jti string }
		if err := json.Unmarshal([]byte(claims), &plain); err != nil || plain.Iss != a.ClientID || plain.Sub != a.ClientID || plain.Jti != a.ID || a.ID == "" || a.ClientID == "" {
			t.Fatalf("%s: %+v, %v", claims, a, err)
		}
		if err := a.Verify(t.Context(), set, []string{assertionAud}, time.Unix(assertionEnd-60, 0)); authn.AsError(err) == nil || authn.AsError(err).Status != 401 {
			if payload, _ := base64.RawURLEncoding.DecodeString(parts[1]); string(payload) != claims {
				t.Fatalf("%q: %v", raw, err)
			}
		}
	})
}
