package oauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// replies is a token answer with these claims, completed.
func replies(change map[string]any) func(nonce string) string {
	return func(nonce string) string {
		claims := map[string]any{"sub": "s1", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "nonce": nonce}
		maps.Copy(claims, change)
		return authn.Must(marshal(map[string]any{"access_token": "at", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "rt", "id_token": signedBy(claims)}))
	}
}

const (
	tenant1  = "9122040d-6c67-4c5b-b112-36a304b66dad"
	tenant2  = "72f988bf-86f1-41af-91ab-2d7cd011db47"
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad"
)

// microsoft has the discovery documents of the v2.0 endpoint for all tenants and
// for one.
func microsoft() *standIn {
	doc := func(path, issuer string) string {
		return `{"token_endpoint":"https://login.microsoftonline.com/` + path + `/oauth2/v2.0/token",
			"token_endpoint_auth_methods_supported":["client_secret_post","private_key_jwt","client_secret_basic","self_signed_tls_client_auth"],
			"jwks_uri":"https://login.microsoftonline.com/` + path + `/discovery/v2.0/keys","response_modes_supported":["query","fragment","form_post"],
			"subject_types_supported":["pairwise"],"id_token_signing_alg_values_supported":["RS256"],"issuer":"https://login.microsoftonline.com/` + issuer + `/v2.0",
			"userinfo_endpoint":"https://graph.microsoft.com/oidc/userinfo","authorization_endpoint":"https://login.microsoftonline.com/` + path + `/oauth2/v2.0/authorize",
			"end_session_endpoint":"https://login.microsoftonline.com/` + path + `/oauth2/v2.0/logout","tenant_region_scope":null}`
	}
	s := &standIn{answers: map[string]answer{}}
	for path, issuer := range map[string]string{"common": "{tenantid}", tenant1: tenant1} {
		s.answers["GET login.microsoftonline.com/"+path+"/v2.0/.well-known/openid-configuration"] = asJSON(doc(path, issuer))
		s.answers["GET login.microsoftonline.com/"+path+"/discovery/v2.0/keys"] = asJSON(strings.Replace(certs(), `"alg":"RS256",`, `"issuer":"https://login.microsoftonline.com/{tenantid}/v2.0",`, 1))
	}
	return s
}

// O1, O5: Microsoft lets in who is of a tenant that was named; the tenant is part of
// the key, and no address of it is verified.
func TestMicrosoft(t *testing.T) {
	for _, c := range []struct {
		name    string
		tenants []string
		path    string
		iss     string
		in      bool
	}{
		{"the only tenant", []string{tenant1}, tenant1, tenant1, true},
		{"in capitals", []string{strings.ToUpper(tenant1)}, tenant1, tenant1, true},
		{"one of two", []string{tenant1, tenant2}, "common", tenant2, true},
		{"a personal account", []string{tenant1, personal}, "common", personal, true},
		{"another tenant", []string{tenant1, tenant2}, "common", personal, false},
		{"another tenant than the only one", []string{tenant1}, tenant1, tenant2, false},
		{"the template itself", []string{tenant1, tenant2}, "common", "{tenantid}", false},
		{"common", []string{tenant1, tenant2}, "common", "common", false},
	} {
		s := microsoft()
		s.t = t
		h := newHostOf(t, []oauth.Provider{oauth.Microsoft("app", authn.NewSecret("s"), c.tenants...)}, func(cfg *oauth.Config) { cfg.Transport = s })
		b := h.browser()
		q := b.starts("microsoft", "").Query()
		iss := "https://login.microsoftonline.com/" + c.iss + "/v2.0"
		s.answers["POST login.microsoftonline.com/"+c.path+"/oauth2/v2.0/token"] = asJSON(replies(map[string]any{
			"iss": iss, "aud": "app", "tid": c.iss, "name": "Ada", "email": "ceo@corp.example", "email_verified": true, "xms_edov": true, "ver": "2.0",
		})(q.Get("nonce")))
		w := b.get(base + "/microsoft/callback?code=x&session_state=y&state=" + q.Get("state"))
		if !c.in {
			h.wantRefused(t, w, 401, "login_failed", "iss")
			continue
		}
		if p := h.wantIn(t, w, 1); p.Issuer != iss || p.Subject != "s1" || p.Email != "ceo@corp.example" || p.EmailVerified {
			t.Errorf("%s: %+v", c.name, p)
		}
	}
}

// appleKey is a .p8 file.
func appleKey(t *testing.T, curve elliptic.Curve) (authn.Secret, *ecdsa.PrivateKey) {
	t.Helper()
	k := authn.Must(ecdsa.GenerateKey(curve, rand.Reader))
	return authn.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: authn.Must(x509.MarshalPKCS8PrivateKey(k))}))), k
}

const appleDiscovery = `{"issuer":"https://appleid.apple.com","authorization_endpoint":"https://appleid.apple.com/auth/authorize",
	"token_endpoint":"https://appleid.apple.com/auth/token","revocation_endpoint":"https://appleid.apple.com/auth/revoke",
	"jwks_uri":"https://appleid.apple.com/auth/keys","response_types_supported":["code"],"response_modes_supported":["query","fragment","form_post"],
	"subject_types_supported":["pairwise"],"id_token_signing_alg_values_supported":["RS256"],"scopes_supported":["openid","email","name"],
	"token_endpoint_auth_methods_supported":["client_secret_post"],
	"claims_supported":["aud","email","email_verified","exp","iat","is_private_email","iss","nonce","nonce_supported","real_user_status","sub","transfer_sub"]}`

// O1, O2: Apple answers by a form of its own page, which carries no session cookie:
// what it brings goes on, sealed, to where the cookie is. The client secret is a
// fresh JWT, and the name comes once, from the browser.
func TestApple(t *testing.T) {
	secret, key := appleKey(t, elliptic.P256())
	s := &standIn{t: t, answers: map[string]answer{
		"GET appleid.apple.com/.well-known/openid-configuration": asJSON(appleDiscovery), "GET appleid.apple.com/auth/keys": asJSON(certs()),
	}}
	var session string
	h := newHostOf(t, []oauth.Provider{oauth.Apple("com.example.web", "TEAM123456", "KEY1234567", secret)}, func(cfg *oauth.Config) {
		cfg.Transport = s
		onLogin := cfg.OnLogin
		cfg.OnLogin = func(w http.ResponseWriter, r *http.Request, p oauth.Profile) error {
			if c, err := r.Cookie("__Host-session"); err == nil {
				session = c.Value
			}
			return onLogin(w, r, p)
		}
	})
	b := h.browser()
	b.jar["__Host-session"] = &http.Cookie{Name: "__Host-session", Value: "of-today", Secure: true, Path: "/", SameSite: http.SameSiteLaxMode}
	q := b.starts("apple", "").Query()
	if q.Get("response_mode") != "form_post" || q.Get("scope") != "openid name email" {
		t.Errorf("Apple is asked %v", q)
	}
	s.answers["POST appleid.apple.com/auth/token"] = asJSON(replies(map[string]any{
		"iss": "https://appleid.apple.com", "aud": "com.example.web", "email": "x@privaterelay.appleid.com", "email_verified": "true", "is_private_email": "true", "nonce_supported": true,
	})(q.Get("nonce")))
	w := b.comes(wayBack{url: base + "/apple/callback", form: url.Values{
		"state": {q.Get("state")}, "code": {"c1234.0.mtwu"}, "user": {`{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"forged@example.com"}`},
	}})
	p := h.wantIn(t, w, 1)
	if p.Issuer != "https://appleid.apple.com" || p.Name != "Ada Lovelace" || p.Email != "x@privaterelay.appleid.com" || !p.EmailVerified {
		t.Errorf("the profile is %+v", p)
	}
	if session != "of-today" {
		t.Error("OnLogin does not see the session cookie")
	}
	form := s.lastForm()
	token, err := jwt.Parse(form.Get("client_secret"), func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer("TEAM123456"), jwt.WithSubject("com.example.web"), jwt.WithAudience("https://appleid.apple.com"), jwt.WithExpirationRequired())
	if err != nil || token.Header["kid"] != "KEY1234567" || form.Get("client_id") != "com.example.web" {
		t.Errorf("the client secret is %v, %v", token, err)
	}
}

// O2: the sealed answer is of one provider and of one flow's browser, and a GET that
// brings it open is refused.
func TestFormPostComesByPostOnly(t *testing.T) {
	secret, _ := appleKey(t, elliptic.P256())
	s := &standIn{t: t, answers: map[string]answer{"GET appleid.apple.com/.well-known/openid-configuration": asJSON(appleDiscovery)}}
	h := newHostOf(t, []oauth.Provider{oauth.Apple("com.example.web", "T", "K", secret)}, func(cfg *oauth.Config) { cfg.Transport = s })
	b := h.browser()
	state := b.starts("apple", "").Query().Get("state")
	s.made()
	h.wantRefused(t, b.get(base+"/apple/callback?code=x&state="+state), 400, "invalid_request", "form_post")
	for _, query := range []string{"response=AAAA", "response=%21", "response=", "response=AAAA&response=AAAA"} {
		h.wantRefused(t, b.get(base+"/apple/callback?"+query), 400, "invalid_request", "form_post")
	}
	h.wantRefused(t, b.get(base+"/apple/callback?%zz"), 400, "invalid_request", "query: ")
	w := b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {"x"}})
	to := authn.Must(w.Result().Location()).String()
	if w.Code != http.StatusSeeOther || !strings.HasPrefix(to, base+"/apple/callback?response=") || strings.Contains(to, state) {
		t.Fatalf("the POST is answered %d, %s", w.Code, to)
	}
	h.wantRefused(t, h.browser().get(to), 401, "login_expired", "no flow of this browser")
	h.wantRefused(t, b.post(base+"/apple/callback?code=x", url.Values{"state": {state}, "code": {"x"}}), 400, "invalid_request", "form")
	h.wantRefused(t, b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {strings.Repeat("x", 5000)}}), 400, "invalid_request", "too long")
	h.wantRefused(t, b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {strings.Repeat("x", 4<<10-len("code=&state=")-len(state)+1)}}), 400, "invalid_request", "too long")
	if w := b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {strings.Repeat("x", 4<<10-len("code=&state=")-len(state))}}); w.Code != http.StatusSeeOther {
		t.Errorf("4 KiB: %d", w.Code)
	}
	longest := 64<<10 - len("code=&state=") - len(state)
	h.wantRefused(t, b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {strings.Repeat("x", longest)}}), 400, "invalid_request", "too long")
	h.wantRefused(t, b.post(base+"/apple/callback", url.Values{"state": {state}, "code": {strings.Repeat("x", longest+1)}}), 400, "invalid_request", "form: ")
	for _, kind := range []string{"text/plain", "application/json", "multipart/form-data; boundary=x", ""} {
		r := httptest.NewRequest(http.MethodPost, base+"/apple/callback", strings.NewReader("code=x&state="+state))
		r.Header.Set("Content-Type", kind)
		h.wantRefused(t, b.send(r), 400, "invalid_request", "no form")
	}
	r := httptest.NewRequest(http.MethodHead, base+"/apple/callback", nil)
	if w := b.send(r); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, POST" {
		t.Errorf("HEAD: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
	if got := s.made(); got != "" {
		t.Errorf("Apple is asked %s", got)
	}
}

// O1: GitLab is an OpenID provider of its own, or at gitlab.com.
func TestGitLab(t *testing.T) {
	for at, issuer := range map[string]string{"": "https://gitlab.com", "https://git.example/": "https://git.example"} {
		domain := strings.TrimPrefix(issuer, "https://")
		s := &standIn{answers: map[string]answer{
			"GET " + domain + "/.well-known/openid-configuration": asJSON(`{"issuer":"` + issuer + `","authorization_endpoint":"` + issuer + `/oauth/authorize",
				"token_endpoint":"` + issuer + `/oauth/token","revocation_endpoint":"` + issuer + `/oauth/revoke","userinfo_endpoint":"` + issuer + `/oauth/userinfo",
				"jwks_uri":"` + issuer + `/oauth/discovery/keys","token_endpoint_auth_methods_supported":["client_secret_basic","client_secret_post"],
				"subject_types_supported":["public"],"id_token_signing_alg_values_supported":["RS256"]}`),
			"GET " + domain + "/oauth/discovery/keys": asJSON(certs()),
			"GET " + domain + "/oauth/userinfo":       asJSON(`{"sub":"s1","name":"Ada","email":"ada@example.com","email_verified":true,"groups":["dev"]}`),
		}}
		_, p := comesFrom(t, s, oauth.GitLab(at, "app", authn.NewSecret("s&s")), domain+"/oauth/token", replies(map[string]any{"iss": issuer, "aud": "app"}))
		if p.Provider != "gitlab" || p.Issuer != issuer || p.Name != "Ada" || p.Email != "ada@example.com" || !p.EmailVerified {
			t.Errorf("%q: %+v", at, p)
		}
	}
}
