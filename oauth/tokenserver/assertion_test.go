package tokenserver_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
)

type claimsMap = map[string]any

// O11: an assertion is the client's own, for this server alone, for five minutes at
// most, and signed by the algorithm of its key.
func TestAssertions(t *testing.T) {
	w := newWorld(t, nil)
	key, second, foreign := newSigner("k1"), newSigner("k2"), newSigner("k1")
	w.create(tokenserver.Client{ID: "worker", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key, second)})
	w.create(tokenserver.Client{ID: "other", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(foreign)})
	now := w.now().Unix()
	set := func(name string, value any) func(h, c claimsMap) { return func(_, c claimsMap) { c[name] = value } }
	without := func(name string) func(h, c claimsMap) { return func(_, c claimsMap) { delete(c, name) } }
	head := func(name string, value any) func(h, c claimsMap) { return func(h, _ claimsMap) { h[name] = value } }
	for _, tt := range []struct {
		name   string
		change func(h, c claimsMap)
		reason string // "" is good
	}{
		{"good", nil, ""},
		{"typ JWT", head("typ", "JWT"), ""},
		{"typ of the draft", head("typ", "client-authentication+jwt"), ""},
		{"aud the endpoint", set("aud", issuerURL+"/token"), ""},
		{"aud in an array", set("aud", []string{issuerURL}), ""},
		{"no iat", without("iat"), ""},
		{"five minutes", set("exp", now+300), ""},
		{"a clock 30 s ahead", func(_, c claimsMap) { c["exp"], c["iat"], c["nbf"] = now+330, now+30, now+30 }, ""},
		{"last second", set("exp", now+1), ""},
		{"other claims", set("htu", "x"), ""},

		{"another audience", set("aud", "https://evil.example"), "wrong audience"},
		{"two audiences", set("aud", []string{issuerURL, "https://evil.example"}), "wrong audience"},
		{"two that are ours", set("aud", []string{issuerURL, issuerURL + "/token"}), "wrong audience"},
		{"no audience in an array", set("aud", []string{}), "wrong audience"},
		{"a slash more", set("aud", issuerURL+"/"), "wrong audience"},
		{"another endpoint", set("aud", issuerURL+"/introspect"), "wrong audience"},
		{"expired", set("exp", now), "expired"},
		{"too long", set("exp", now+331), "lives too long"},
		{"exp in milliseconds", set("exp", now*1000), "malformed assertion"},
		{"not yet", set("nbf", now+31), "not yet valid"},
		{"issued in the future", set("iat", now+31), "issued in the future"},
		{"no exp", without("exp"), "malformed assertion"},
		{"no aud", without("aud"), "malformed assertion"},
		{"no jti", without("jti"), "malformed assertion"},
		{"empty jti", set("jti", ""), "malformed assertion"},
		{"long jti", set("jti", strings.Repeat("x", 256)), "malformed assertion"},
		{"jti a number", set("jti", 1), "malformed assertion"},
		{"no iss", without("iss"), "malformed assertion"},
		{"no sub", without("sub"), "malformed assertion"},
		{"iss another", set("iss", "other"), "malformed assertion"},
		{"sub another", set("sub", "other"), "malformed assertion"},
		{"another client", func(_, c claimsMap) { c["iss"], c["sub"] = "other", "other" }, "wrong signature"},
		{"unknown client", func(_, c claimsMap) { c["iss"], c["sub"] = "nobody", "nobody" }, "unknown client"},
		{"unknown kid", head("kid", "k3"), "unknown key"},
		{"another kid", head("kid", "k2"), "wrong signature"},
		{"no kid of two", func(h, _ claimsMap) { delete(h, "kid") }, "unknown key"},
		{"an access token", head("typ", "at+jwt"), "malformed assertion"},
		{"another typ", head("typ", "dpop+jwt"), "malformed assertion"},
		{"crit", head("crit", []string{"exp"}), "malformed assertion"},
		{"alg none", head("alg", "none"), "wrong algorithm"},
		{"alg HS256", head("alg", "HS256"), "wrong algorithm"},
		{"alg ES384", head("alg", "ES384"), "wrong algorithm"},
	} {
		var changes []func(h, c claimsMap)
		if tt.change != nil {
			changes = append(changes, tt.change)
		}
		a := w.askBy(w.assertion(key, "worker", changes...))
		if tt.reason == "" {
			a.is(t, tt.name, 200, "")
			continue
		}
		a.is(t, tt.name, 401, "invalid_client")
		if w.reason() != tt.reason {
			t.Errorf("%s: reason %q, want %q", tt.name, w.reason(), tt.reason)
		}
	}
	w.askBy(w.assertion(second, "worker")).is(t, "the second key", 200, "")
	w.askBy(w.assertion(foreign, "other")).is(t, "the other client", 200, "")
	w.askBy(w.assertion(key, "worker"), "client_id", "worker").is(t, "client_id", 200, "")
	w.askBy(w.assertion(key, "worker"), "client_id", "other").is(t, "another client_id", 400, "invalid_request")
	for name, raw := range map[string]string{
		"two segments": "a.b", "four segments": "a.b.c.d", "not base64": "?.?.?", "empty": "..", "long": strings.Repeat("a", 9000),
		"no JSON":       base64.RawURLEncoding.EncodeToString([]byte("x")) + ".e30.",
		"a claim twice": key.twice(w.assertion(key, "worker")),
		"signature cut": strings.TrimRight(w.assertion(key, "worker"), "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"),
		"public key as HMAC": func() string {
			tok := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"iss": "worker", "sub": "worker", "aud": issuerURL, "exp": now + 60, "jti": "x"})
			tok.Header["kid"] = "k1"
			return authn.Must(tok.SignedString(authn.Must(key.key.Public().(*ecdsa.PublicKey).Bytes())))
		}(),
	} {
		w.askBy(raw).is(t, name, 401, "invalid_client")
	}
}

// twice has a second exp, and is signed again.
func (s signer) twice(assertion string) string {
	payload, _ := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[1])
	header := strings.Split(assertion, ".")[0]
	input := header + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "{", `{"exp":1,`, 1)))
	return input + "." + base64.RawURLEncoding.EncodeToString(authn.Must(jwt.SigningMethodES256.Sign(input, s.key)))
}

// O11: an assertion counts once, of a hundred that come at once, too. One whose
// signature is wrong does not spend another's jti, and two clients may use the same.
func TestAssertionCountsOnce(t *testing.T) {
	w := newWorld(t, nil)
	key, foreign := newSigner("k1"), newSigner("k1")
	w.create(tokenserver.Client{ID: "worker", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key)})
	w.create(tokenserver.Client{ID: "other", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(foreign)})
	same := func(_, c claimsMap) { c["jti"] = "same" }
	w.askBy(w.assertion(foreign, "worker", same)).is(t, "forged", 401, "invalid_client")
	good := w.assertion(key, "worker", same)
	var mu sync.Mutex
	statuses := map[int]int{}
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			a := w.askBy(good)
			mu.Lock()
			defer mu.Unlock()
			statuses[a.status]++
		})
	}
	wg.Wait()
	if statuses[200] != 1 || statuses[401] != 99 {
		t.Errorf("%v", statuses)
	}
	if w.reason() != "replayed assertion" {
		t.Errorf("reason %q", w.reason())
	}
	w.askBy(w.assertion(key, "worker", same)).is(t, "another assertion of that jti", 401, "invalid_client")
	w.askBy(w.assertion(foreign, "other", same)).is(t, "another client's", 200, "")
	for _, path := range []string{"/introspect", "/revoke"} {
		w.do(path, nil, "token", "x", "client_assertion_type", jwtBearer, "client_assertion", good).is(t, path, 401, "invalid_client")
	}
	w.forward(time.Minute - time.Microsecond)
	w.askBy(good).is(t, "at its end", 401, "invalid_client")
	if w.reason() != "replayed assertion" {
		t.Errorf("reason %q", w.reason())
	}
	w.forward(time.Microsecond)
	w.askBy(good).is(t, "later", 401, "invalid_client")
	if w.reason() != "expired" {
		t.Errorf("reason %q", w.reason())
	}
	w.st.fail("claim")
	w.askBy(w.assertion(key, "worker")).is(t, "nobody remembers", 503, "temporarily_unavailable")
}

// O11: keys that the store has and nobody can read let nobody in, and are an outage.
func TestUnreadableKeysLetNobodyIn(t *testing.T) {
	w := newWorld(t, nil)
	key := newSigner("k1")
	if err := w.st.Store.CreateOAuthClient(t.Context(), store.OAuthClient{
		ID: "worker", AuthMethod: string(tokenserver.PrivateKeyJWT), JWKS: []byte(`{"keys":[{}]}`), CreatedAt: w.now(), Revision: 1,
	}); err != nil {
		t.Fatal(err)
	}
	w.askBy(w.assertion(key, "worker")).is(t, "unreadable keys", 503, "temporarily_unavailable")
	if w.reason() != "client's JWKS" {
		t.Errorf("reason %q", w.reason())
	}
}

// O11: assertions by RSA and Ed25519 keys, with and without alg and kid in the set.
func TestAssertionKeys(t *testing.T) {
	w := newWorld(t, nil)
	b64 := base64.RawURLEncoding.EncodeToString
	rsaKey := authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	n, e := b64(rsaKey.N.Bytes()), "AQAB"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		jwk    map[string]string
		method jwt.SigningMethod
		key    any
		good   bool
	}{
		{"RS256", map[string]string{"kty": "RSA", "n": n, "e": e}, jwt.SigningMethodRS256, rsaKey, true},
		{"PS256", map[string]string{"kty": "RSA", "n": n, "e": e, "alg": "PS256", "kid": "x"}, jwt.SigningMethodPS256, rsaKey, true},
		{"PS256 of a key for RS256", map[string]string{"kty": "RSA", "n": n, "e": e}, jwt.SigningMethodPS256, rsaKey, false},
		{"RS512", map[string]string{"kty": "RSA", "n": n, "e": e}, jwt.SigningMethodRS512, rsaKey, false},
		{"EdDSA", map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}, jwt.SigningMethodEdDSA, private, true},
	} {
		c, _ := w.create(tokenserver.Client{AuthMethod: tokenserver.PrivateKeyJWT, JWKS: authn.Must(json.Marshal(claimsMap{"keys": []any{tt.jwk}}))})
		tok := jwt.NewWithClaims(tt.method, jwt.MapClaims{"iss": c.ID, "sub": c.ID, "aud": issuerURL, "exp": w.now().Unix() + 60, "jti": rand.Text()})
		status, code := 200, ""
		if !tt.good {
			status, code = 401, "invalid_client"
		}
		w.askBy(authn.Must(tok.SignedString(tt.key))).is(t, tt.name, status, code)
	}
}
