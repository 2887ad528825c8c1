package authntest_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// A1: the example is a test, and passes.
func TestExampleNewProvider(t *testing.T) { testLogin(t) }

// browserOf follows redirects and keeps cookies.
func browserOf(s *httptest.Server) *http.Client {
	c := *s.Client()
	c.Jar = authn.Must(cookiejar.New(nil))
	return &c
}

const (
	callback  = "http://127.0.0.1/callback"
	verifier  = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // of RFC 7636, appendix B
	challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
)

var noRedirects = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// authorize is what the redirect back says, when change has had its way with
// the parameters.
func authorize(t *testing.T, p *authntest.Provider, change func(url.Values)) url.Values {
	t.Helper()
	q := url.Values{
		"client_id": {p.ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge}, "code_challenge_method": {"S256"},
	}
	change(q)
	resp := authn.Must(noRedirects.Get(p.URL + "/authorize?" + q.Encode()))
	defer resp.Body.Close()
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("/authorize is answered by %d", resp.StatusCode)
	}
	return back.Query()
}

// send posts a form as the client, unless change does otherwise.
func send(t *testing.T, p *authntest.Provider, path string, form url.Values, change func(*http.Request)) (status int, answer map[string]any) {
	t.Helper()
	r := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(p.ClientID, p.ClientSecret.Reveal())
	if change != nil {
		change(r)
	}
	resp := authn.Must(http.DefaultClient.Do(r))
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&answer) // /revoke says nothing
	return resp.StatusCode, answer
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

// tokens are those of a whole login.
func tokens(t *testing.T, p *authntest.Provider) map[string]any {
	t.Helper()
	status, answer := send(t, p, "/token", codeForm(authorize(t, p, func(url.Values) {}).Get("code")), nil)
	if status != http.StatusOK {
		t.Fatalf("/token is answered by %d: %v", status, answer)
	}
	return answer
}

// get is an answer in JSON.
func get(t *testing.T, p *authntest.Provider, path, token string) (status int, answer map[string]any) {
	t.Helper()
	r := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+path, nil))
	r.Header.Set("Authorization", "Bearer "+token)
	resp := authn.Must(http.DefaultClient.Do(r))
	defer resp.Body.Close()
	_ = json.NewDecoder(resp.Body).Decode(&answer)
	return resp.StatusCode, answer
}

// opened are the header and the claims of an id_token, and whether a key that
// p publishes under its kid has signed it.
func opened(t *testing.T, p *authntest.Provider, token any) (header, claims map[string]any, signed bool) {
	t.Helper()
	parts := strings.Split(token.(string), ".")
	sig := decoded(parts[2])
	_ = json.Unmarshal(decoded(parts[0]), &header)
	_ = json.Unmarshal(decoded(parts[1]), &claims)
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	_, set := get(t, p, "/jwks", "")
	for _, k := range set["keys"].([]any) {
		key := k.(map[string]any)
		if key["kid"] != header["kid"] || key["alg"] != header["alg"] {
			continue
		}
		member := func(name string) []byte { return decoded(key[name].(string)) }
		if key["kty"] == "RSA" {
			e := new(big.Int).SetBytes(member("e"))
			public := &rsa.PublicKey{N: new(big.Int).SetBytes(member("n")), E: int(e.Int64())}
			return header, claims, rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], sig) == nil
		}
		public := authn.Must(ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, member("x"), member("y"))))
		return header, claims, ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	}
	return header, claims, false
}

func decoded(s string) []byte { return authn.Must(base64.RawURLEncoding.DecodeString(s)) }

// A1: an honest provider's tokens are of whoever Claims says, for this flow,
// signed by a published key of either kind.
func TestProviderSignsInWhoClaimsSay(t *testing.T) {
	for _, algorithm := range []string{"", "RS256", "ES256"} {
		p := authntest.NewProvider(t)
		p.Algorithm, p.Claims = algorithm, map[string]any{"sub": "grace", "email": "grace@example.com"}
		got := tokens(t, p)
		header, claims, signed := opened(t, p, got["id_token"])
		if !signed || claims["sub"] != "grace" || claims["iss"] != p.URL || claims["aud"] != p.ClientID || claims["nonce"] != "n1" {
			t.Errorf("%q: signed %t: %v %v", algorithm, signed, header, claims)
		}
		if _, who := get(t, p, "/userinfo", got["access_token"].(string)); who["sub"] != "grace" || who["email"] != "grace@example.com" {
			t.Errorf("%q: userinfo says %v", algorithm, who)
		}
	}
}

// A1: and it refuses what a provider has to refuse, so that a host that forgets
// PKCE, or uses a code twice, fails its tests.
func TestProviderIsStrict(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		want   string
	}{
		{"no PKCE", func(q url.Values) { q.Del("code_challenge") }, "invalid_request"},
		{"plain PKCE", func(q url.Values) { q.Set("code_challenge_method", "plain") }, "invalid_request"},
		{"no PKCE method, which is plain", func(q url.Values) { q.Del("code_challenge_method") }, "invalid_request"},
		{"no openid", func(q url.Values) { q.Set("scope", "email") }, "invalid_scope"},
		{"the implicit flow", func(q url.Values) { q.Set("response_type", "id_token") }, "unsupported_response_type"},
		{"a parameter twice", func(q url.Values) { q.Add("nonce", "n2") }, "invalid_request"},
	} {
		if got := authorize(t, p, tt.change); got.Get("error") != tt.want || got.Has("code") || got.Get("iss") != p.URL {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(url.Values)
		send   func(*http.Request)
		want   string
	}{
		{"no verifier", func(f url.Values) { f.Del("code_verifier") }, nil, "invalid_grant"},
		{"the challenge as verifier", func(f url.Values) { f.Set("code_verifier", challenge) }, nil, "invalid_grant"},
		{"another redirect_uri", func(f url.Values) { f.Set("redirect_uri", callback+"/") }, nil, "invalid_grant"},
		{"an unknown code", func(f url.Values) { f.Set("code", "x") }, nil, "invalid_grant"},
		{"an unknown grant", func(f url.Values) { f.Set("grant_type", "password") }, nil, "unsupported_grant_type"},
		{"a wrong secret", func(url.Values) {}, func(r *http.Request) { r.SetBasicAuth(p.ClientID, "x") }, "invalid_client"},
		{"no secret", func(url.Values) {}, func(r *http.Request) { r.Header.Del("Authorization") }, "invalid_client"},
		{"the secret twice", func(f url.Values) { f.Set("client_secret", p.ClientSecret.Reveal()) }, nil, "invalid_request"},
		{"a parameter twice", func(f url.Values) { f.Add("code", "x") }, nil, "invalid_request"},
		{"a parameter in the URL", func(url.Values) {}, func(r *http.Request) { r.URL.RawQuery = "code=x" }, "invalid_request"},
	} {
		form := codeForm(authorize(t, p, func(url.Values) {}).Get("code"))
		tt.change(form)
		if _, got := send(t, p, "/token", form, tt.send); got["error"] != tt.want {
			t.Errorf("%s: %v, want %s", tt.name, got, tt.want)
		}
	}
}

// A1: a code that comes twice ends what came of it.
func TestProviderTakesACodeOnce(t *testing.T) {
	p := authntest.NewProvider(t)
	form := codeForm(authorize(t, p, func(url.Values) {}).Get("code"))
	_, got := send(t, p, "/token", form, nil)
	if status, _ := get(t, p, "/userinfo", got["access_token"].(string)); status != http.StatusOK {
		t.Fatalf("userinfo is answered by %d", status)
	}
	if _, again := send(t, p, "/token", form, nil); again["error"] != "invalid_grant" {
		t.Errorf("the code works twice: %v", again)
	}
	if status, _ := get(t, p, "/userinfo", got["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("the token of a stolen code is answered by %d", status)
	}
}

// A1: refresh tokens rotate, and a revoked login has no token.
func TestProviderRefreshesAndRevokes(t *testing.T) {
	p := authntest.NewProvider(t)
	first := tokens(t, p)
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first["refresh_token"].(string)}}
	_, second := send(t, p, "/token", form, nil)
	if _, claims, signed := opened(t, p, second["id_token"]); !signed || claims["sub"] != "ada" || claims["nonce"] != nil {
		t.Errorf("refreshed: signed %t: %v", signed, claims)
	}
	if _, again := send(t, p, "/token", form, nil); again["error"] != "invalid_grant" {
		t.Errorf("a refresh token works twice: %v", again)
	}
	if status, _ := send(t, p, "/revoke", url.Values{"token": {second["refresh_token"].(string)}}, nil); status != http.StatusOK {
		t.Errorf("revocation is answered by %d", status)
	}
	if status, _ := get(t, p, "/userinfo", second["access_token"].(string)); status != http.StatusUnauthorized {
		t.Errorf("a revoked token is answered by %d", status)
	}
}

// A1: who says no, the form_post way back, and the way back from a logout.
func TestProviderSendsBack(t *testing.T) {
	p := authntest.NewProvider(t)
	resp := authn.Must(noRedirects.Get(p.URL + "/end_session?post_logout_redirect_uri=" + url.QueryEscape(callback) + "&state=s2"))
	if got := resp.Header.Get("Location"); got != callback+"?state=s2" {
		t.Errorf("a logout leads to %q", got)
	}
	q := url.Values{
		"client_id": {p.ClientID}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid"},
		"state": {`"><script>`}, "code_challenge": {challenge}, "code_challenge_method": {"S256"}, "response_mode": {"form_post"},
	}
	resp = authn.Must(noRedirects.Get(p.URL + "/authorize?" + q.Encode()))
	defer resp.Body.Close()
	page := string(authn.Must(io.ReadAll(resp.Body)))
	for _, want := range []string{`action="` + callback + `"`, `name="code"`, `name="iss"`, `name="state" value="&#34;&gt;&lt;script&gt;"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %s:\n%s", want, page)
		}
	}
	p.Claims = nil
	if got := authorize(t, p, func(url.Values) {}); got.Get("error") != "access_denied" || got.Get("state") != "s1" {
		t.Errorf("who says no is sent back with %v", got)
	}
}

// A1: each hook makes it lie, and Rotate takes the old keys away.
func TestProviderIsHostileOnDemand(t *testing.T) {
	p := authntest.NewProvider(t)
	for _, tt := range []struct {
		name   string
		token  func(header, claims map[string]any)
		lied   func(header, claims map[string]any) bool
		signed bool
	}{
		{"another issuer", func(_, c map[string]any) { c["iss"] = "https://evil.example" }, func(_, c map[string]any) bool { return c["iss"] == "https://evil.example" }, true},
		{"no signature", func(h, _ map[string]any) { h["alg"] = "none" }, func(h, _ map[string]any) bool { return h["alg"] == "none" }, false},
		{"signed by the secret", func(h, _ map[string]any) { h["alg"] = "HS256" }, func(h, _ map[string]any) bool { return h["alg"] == "HS256" }, false},
		{"no kid", func(h, _ map[string]any) { delete(h, "kid") }, func(h, _ map[string]any) bool { return h["kid"] == nil }, false},
	} {
		p.OnToken = tt.token
		if header, claims, signed := opened(t, p, tokens(t, p)["id_token"]); !tt.lied(header, claims) || signed != tt.signed {
			t.Errorf("%s: signed %t: %v %v", tt.name, signed, header, claims)
		}
	}
	p.OnToken = nil
	old := tokens(t, p)["id_token"]
	p.Rotate()
	if _, _, signed := opened(t, p, old); signed {
		t.Error("the old key is still published")
	}
	if _, _, signed := opened(t, p, tokens(t, p)["id_token"]); !signed {
		t.Error("the new key does not sign")
	}
	p.OnAnswer = func(r *http.Request, answer map[string]any) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			answer["issuer"] = "https://evil.example"
		case "/authorize":
			answer["state"] = "forged"
		}
	}
	if _, got := get(t, p, "/.well-known/openid-configuration", ""); got["issuer"] != "https://evil.example" {
		t.Errorf("discovery does not lie: %v", got["issuer"])
	}
	if got := authorize(t, p, func(url.Values) {}); got.Get("state") != "forged" {
		t.Errorf("the redirect does not lie: %v", got)
	}
	p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/jwks" {
			return false
		}
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	if status, _ := get(t, p, "/jwks", ""); status != http.StatusBadGateway {
		t.Errorf("OnRequest is followed by %d", status)
	}
}
