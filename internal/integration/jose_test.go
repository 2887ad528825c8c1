package integration_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	tokensIssuer   = "https://auth.example.com"
	tokensAudience = "https://api.example.com"
	// joseText is what writers of JSON escape differently, or not at all.
	joseText = "jürgen \"\\/\" \u2028 <&> 😀"
)

var joseAlgorithms = []jwtauth.Algorithm{
	jwtauth.HS256, jwtauth.HS384, jwtauth.HS512, jwtauth.RS256, jwtauth.PS256, jwtauth.ES256, jwtauth.ES384, jwtauth.EdDSA,
}

func isHMAC(alg jwtauth.Algorithm) bool { return strings.HasPrefix(string(alg), "HS") }

// joseKey is what jose made for an algorithm; see testdata/jose/peer.mjs.
type joseKey struct {
	Alg        jwtauth.Algorithm `json:"alg"`
	Token      string            `json:"token"`
	Confused   string            `json:"confused"`
	PublicJWK  json.RawMessage   `json:"publicJWK"`
	BareJWK    json.RawMessage   `json:"bareJWK"`
	PrivateJWK json.RawMessage   `json:"privateJWK"`
	PublicPEM  string            `json:"publicPEM"`
	PrivatePEM string            `json:"privatePEM"`
}

func (k joseKey) id() string { return "jose-" + string(k.Alg) }

// rings are the forms in which jose writes a key.
func (k joseKey) rings(t *testing.T) map[string]*jwtauth.KeyRing {
	t.Helper()
	rings := map[string]*jwtauth.KeyRing{"private JWK": ringOf(t, authn.Must(jwtauth.ParseJWK(k.PrivateJWK)))}
	if !isHMAC(k.Alg) {
		rings["private PEM"] = ringOf(t, authn.Must(jwtauth.ParsePEM(k.id(), k.Alg, []byte(k.PrivatePEM))))
		other := authn.Must(jwtauth.GenerateKey(jwtauth.ES256)) // the first one must sign
		rings["public JWK"] = ringOf(t, other, authn.Must(jwtauth.ParseJWK(k.PublicJWK)))
		rings["public PEM"] = ringOf(t, other, authn.Must(jwtauth.ParsePEM(k.id(), k.Alg, []byte(k.PublicPEM))))
	}
	return rings
}

func ringOf(t *testing.T, keys ...jwtauth.Key) *jwtauth.KeyRing {
	t.Helper()
	ring, err := jwtauth.NewKeyRing(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// J3, J4, J9, J16: the tokens of jose, the library that services in JavaScript
// use, verify by the keys that it writes, in each form and of each algorithm;
// from its JWK Set also where that names no algorithms. Its symmetric keys are
// not taken from there, and a public key is no secret.
func TestTokensOfJoseVerify(t *testing.T) {
	keys := joseKeys(t)
	var full, bare []json.RawMessage
	for _, k := range keys {
		if isHMAC(k.Alg) {
			full = append(full, k.PrivateJWK)
			continue
		}
		full = append(full, k.PublicJWK)
		if k.Alg != jwtauth.PS256 { // an RSA key without "alg" is one for RS256
			bare = append(bare, k.BareJWK)
		}
	}
	remote, unnamed := remoteSetOf(t, full), remoteSetOf(t, bare)
	for _, k := range keys {
		t.Run(string(k.Alg), func(t *testing.T) {
			sources := map[string]jwtauth.KeySource{}
			for form, ring := range k.rings(t) {
				sources[form] = ring
			}
			sources["remote set"], sources["remote set without alg"] = remote, unnamed
			for form, source := range sources {
				v := joseVerifier(t, source)
				want := http.StatusOK
				if source == remote && isHMAC(k.Alg) || source == unnamed && (isHMAC(k.Alg) || k.Alg == jwtauth.PS256) {
					want = http.StatusUnauthorized
				}
				id, status := verifyWith(v, k.Token)
				if status != want {
					t.Errorf("%s: its token is %d, want %d", form, status, want)
				}
				if want == http.StatusOK && (id.Subject != joseText || !reflect.DeepEqual(id.Scopes, []string{"orders:read", "orders:write"}) || id.CredentialID != "id-1") {
					t.Errorf("%s: its token is %+v", form, id)
				}
				bad := map[string]string{"with another subject": forge(t, k.Token), "with the public key as secret": k.Confused}
				for what, token := range bad {
					if _, status := verifyWith(v, token); token != "" && status != http.StatusUnauthorized {
						t.Errorf("%s: its token %s is %d", form, what, status)
					}
				}
			}
		})
	}
}

// J12, J15: tokens of ours verify in jose, of each algorithm, by the JWKS of a
// fixed and of a shared ring, and by the secret for HMAC; also when they are
// signed with keys that jose made. What is forged does not.
func TestTokensVerifyInJose(t *testing.T) {
	type row struct {
		name   string
		Token  string            `json:"token"`
		Alg    jwtauth.Algorithm `json:"alg"`
		JWKS   string            `json:"jwks,omitempty"`
		Secret json.RawMessage   `json:"secret,omitempty"`
		want   string
	}
	var rows []row
	// Each key has a ring of its own, since only the first one of a ring signs.
	add := func(name string, ring *jwtauth.KeyRing, alg jwtauth.Algorithm, jwks string, secret json.RawMessage) {
		if isHMAC(alg) { // which no set has
			jwks = ""
		} else {
			secret = nil
		}
		token := joseIssue(t, ring)
		rows = append(
			rows,
			row{name, token, alg, jwks, secret, ""},
			row{name + ", forged", forge(t, token), alg, jwks, secret, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
		)
	}
	secret := strings.Repeat("0123456789abcdef", 4)
	var own []jwtauth.Key
	for _, alg := range joseAlgorithms {
		if isHMAC(alg) {
			own = append(own, authn.Must(jwtauth.HMACKey("our-"+string(alg), alg, authn.NewSecret(secret))))
		} else {
			own = append(own, authn.Must(jwtauth.GenerateKey(alg)))
		}
	}
	set, oct := serve(t, ringOf(t, own...).JWKS()), authn.Must(json.Marshal(map[string]string{"kty": "oct", "k": b64(secret)}))
	for _, key := range own {
		add("our "+string(key.Algorithm()), ringOf(t, key), key.Algorithm(), set, oct)
	}
	shared, err := jwtauth.OpenKeyRing(memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.RingConfig{})
	if err != nil {
		t.Fatal(err)
	}
	add("shared ring", shared, jwtauth.ES256, serve(t, shared.JWKS()), nil)
	for _, k := range joseKeys(t) {
		for form, ring := range k.rings(t) {
			if strings.HasPrefix(form, "private") {
				add(form+" of jose, "+string(k.Alg), ring, k.Alg, serve(t, ring.JWKS()), k.PrivateJWK)
			}
		}
	}

	var answers []struct {
		Claims map[string]any `json:"claims"`
		Error  string         `json:"error"`
	}
	askJose(t, map[string]any{"verify": map[string]any{"tokens": rows, "issuer": tokensIssuer, "audience": tokensAudience}}, &answers)
	if len(answers) != len(rows) {
		t.Fatalf("jose has %d answers for %d tokens", len(answers), len(rows))
	}
	for i, a := range answers {
		if a.Error != rows[i].want {
			t.Errorf("%s: jose says %q, want %q", rows[i].name, a.Error, rows[i].want)
			continue
		}
		if rows[i].want != "" {
			continue
		}
		for _, name := range []string{"exp", "iat", "nbf", "jti"} {
			if a.Claims[name] == nil {
				t.Errorf("%s: jose finds no %s", rows[i].name, name)
			}
			delete(a.Claims, name)
		}
		want := map[string]any{
			"iss": tokensIssuer, "aud": []any{tokensAudience}, "sub": joseText, "client_id": "app", "ver": 1.0,
			"scope": "orders:read orders:write", "roles": []any{joseText, "admin"}, "tenant": joseText,
		}
		if !reflect.DeepEqual(a.Claims, want) {
			t.Errorf("%s: jose reads %v, want %v", rows[i].name, a.Claims, want)
		}
	}
	t.Logf("%d tokens", len(rows))
}

// joseIssue is an access token that the first key of ring signs.
func joseIssue(t *testing.T, ring *jwtauth.KeyRing) string {
	t.Helper()
	issuer, err := jwtauth.NewIssuer(ring, nil, nil, jwtauth.IssuerConfig{
		Issuer: tokensIssuer, Audience: []string{tokensAudience}, SkipRevocation: true,
		Claims: func(context.Context, *authn.Identity) (any, error) { return map[string]string{"tenant": joseText}, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	id := authn.User(joseText, "test")
	id.Scopes, id.Roles = []string{"orders:read", "orders:write"}, []string{joseText, "admin"}
	set, err := issuer.Issue(t.Context(), jwtauth.Grant{Identity: id, ClientID: "app"})
	if err != nil {
		t.Fatal(err)
	}
	return set.Access.Reveal()
}

// joseVerifier takes jose for a foreign issuer.
func joseVerifier(t *testing.T, keys jwtauth.KeySource) *jwtauth.Verifier {
	t.Helper()
	v, err := jwtauth.NewVerifier(nil, jwtauth.VerifierConfig{
		SkipRevocation: true,
		Trust: []jwtauth.Trust{{
			Issuer: tokensIssuer, Audiences: []string{tokensAudience}, Keys: keys,
			Map: func(t *jwtauth.Token) (*authn.Identity, error) {
				return &authn.Identity{Subject: t.Subject(), Kind: authn.KindUser, Scopes: t.Scopes()}, nil
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// verifyWith is what v makes of a request with token, and the status of it.
func verifyWith(v authn.Verifier, token string) (*authn.Identity, int) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	id, err := v.Verify(r)
	if err != nil {
		return nil, authn.AsError(err).Status
	}
	return id, http.StatusOK
}

// forge is token with another subject, and the same signature.
func forge(t *testing.T, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	claims := string(authn.Must(unb64(parts[1])))
	forged := strings.Replace(claims, `"sub":"j`, `"sub":"J`, 1)
	if forged == claims {
		t.Fatalf("no subject in %s", claims)
	}
	parts[1] = b64(forged)
	return strings.Join(parts, ".")
}

// serve is the URL of h, on a port of its own.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/.well-known/jwks.json"
}

// remoteSetOf reads keys from where they are served.
func remoteSetOf(t *testing.T, keys []json.RawMessage) *jwtauth.RemoteKeys {
	t.Helper()
	set := authn.Must(json.Marshal(map[string]any{"keys": keys}))
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) }))
	return remoteKeys(t, url, jwtauth.RemoteConfig{})
}

func remoteKeys(t *testing.T, url string, cfg jwtauth.RemoteConfig) *jwtauth.RemoteKeys {
	t.Helper()
	remote, err := jwtauth.NewRemoteKeys(url, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = remote.Close(context.Background()) })
	return remote
}

// joseKeys has jose make keys and tokens.
func joseKeys(t *testing.T) (keys []joseKey) {
	t.Helper()
	now := time.Now().Unix()
	askJose(t, map[string]any{"sign": map[string]any{"algorithms": joseAlgorithms, "claims": map[string]any{
		"iss": tokensIssuer, "aud": tokensAudience, "sub": joseText, "jti": "id-1", "iat": now, "nbf": now, "exp": now + 900,
		"scope": "orders:read orders:write",
	}}}, &keys)
	if len(keys) != len(joseAlgorithms) {
		t.Fatalf("jose made %d keys", len(keys))
	}
	return keys
}

// askJose runs the peer.
func askJose(t *testing.T, request, answer any) {
	t.Helper()
	askNode(t, "jose", request, answer)
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func unb64(s string) ([]byte, error) { return base64.RawURLEncoding.DecodeString(s) }
