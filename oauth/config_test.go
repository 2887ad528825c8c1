package oauth_test

import (
	"context"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
	"github.com/gatehouse-go/authn/store/memstore"
)

// O1, O6, O7: what is unsafe or missing is an error of the constructor that says what
// to do. Nobody is asked.
func TestNewLoginRefuses(t *testing.T) {
	secret := authn.NewSecret("s")
	plain := func(change func(c *oauth2.Config)) oauth.Provider {
		c := oauth2.Config{ClientID: "id", ClientSecret: "s", Endpoint: oauth2.Endpoint{
			AuthURL: "https://x.example/a", TokenURL: "https://x.example/t", AuthStyle: oauth2.AuthStyleInParams,
		}}
		change(&c)
		return oauth.OAuth2("x", c, func(context.Context, *http.Client) (oauth.Profile, error) { return oauth.Profile{}, nil })
	}
	p256, _ := appleKey(t, elliptic.P256())
	p384, _ := appleKey(t, elliptic.P384())
	rsaPEM := authn.NewSecret(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: authn.Must(x509.MarshalPKCS8PrivateKey(rsaKey()))})))
	with := func(p oauth.Provider, change func(p *oauth.Provider)) oauth.Provider {
		change(&p)
		return p
	}
	google := oauth.Google("id", secret)
	param := func(name string, values ...string) oauth.Provider {
		return with(google, func(p *oauth.Provider) { p.Params = url.Values{name: values} })
	}
	provider := func(p oauth.Provider) func(*oauth.Config) {
		return func(cfg *oauth.Config) { cfg.Providers = []oauth.Provider{p} }
	}
	for want, change := range map[string]func(cfg *oauth.Config){
		"BaseURL is missing":                     func(cfg *oauth.Config) { cfg.BaseURL = "" },
		`"http://app.example/auth"`:              func(cfg *oauth.Config) { cfg.BaseURL = "http://app.example/auth" },
		`"/auth"`:                                func(cfg *oauth.Config) { cfg.BaseURL = "/auth" },
		`"https://app.example/?x=1"`:             func(cfg *oauth.Config) { cfg.BaseURL = "https://app.example/?x=1" },
		`"https://app.example/a%2fb"`:            func(cfg *oauth.Config) { cfg.BaseURL = "https://app.example/a%2fb" },
		`"https://u:xxxxx@app.example/auth"`:     func(cfg *oauth.Config) { cfg.BaseURL = "https://u:hunter2@app.example/auth" },
		"BaseURL does not parse":                 func(cfg *oauth.Config) { cfg.BaseURL = "https://app.example/%zz" },
		`"https:///auth"`:                        func(cfg *oauth.Config) { cfg.BaseURL = "https:///auth" },
		`"https:auth"`:                           func(cfg *oauth.Config) { cfg.BaseURL = "https:auth" },
		"Providers is empty":                     func(cfg *oauth.Config) { cfg.Providers = nil },
		"OnLogin is missing":                     func(cfg *oauth.Config) { cfg.OnLogin = nil },
		"Tokens needs Once":                      func(cfg *oauth.Config) { cfg.Tokens = &tokenTable{} },
		`two providers are named "google"`:       func(cfg *oauth.Config) { cfg.Providers = []oauth.Provider{google, google} },
		`Provider.Name ""`:                       provider(oauth.OIDC("", "https://x.example", "id", secret)),
		`Provider.Name "Google"`:                 provider(oauth.OIDC("Google", "https://x.example", "id", secret)),
		`Provider.Name "a/b"`:                    provider(oauth.OIDC("a/b", "https://x.example", "id", secret)),
		`Provider.Name "xxxxxxxxxxx`:             provider(oauth.OIDC(strings.Repeat("x", 33), "https://x.example", "id", secret)),
		"provider a: the client id is empty":     provider(oauth.OIDC("a", "https://x.example", "", secret)),
		"provider b: the client secret is empty": provider(oauth.OIDC("b", "https://x.example", "id", authn.Secret{})),
		"provider c: the issuer":                 provider(oauth.OIDC("c", "http://x.example", "id", secret)),
		"provider d: the issuer":                 provider(oauth.OIDC("d", "x.example", "id", secret)),
		"provider e: the issuer":                 provider(oauth.OIDC("e", "https://x.example/?tenant=1", "id", secret)),
		"provider f: the issuer":                 provider(oauth.OIDC("f", "https://u@x.example", "id", secret)),
		"provider g: the issuer":                 provider(oauth.OIDC("g", "https://x.example\n", "id", secret)),
		`Scopes lack "openid"`:                   provider(with(google, func(p *oauth.Provider) { p.Scopes = []string{"email"} })),
		`Params may not have "state"`:            provider(param("state", "x")),
		`Params may not have "redirect_uri"`:     provider(param("redirect_uri", "x")),
		`Params may not have "code_challenge_m`:  provider(param("code_challenge_method", "plain")),
		`Params may not have "request"`:          provider(param("request", "x")),
		`Params has "prompt" 2 times`:            provider(param("prompt", "login", "consent")),
		"a response_mode other than":             provider(param("response_mode", "fragment")),
		"the tenants that it lets in":            provider(oauth.Microsoft("id", secret)),
		"provider microsoft: ":                   provider(oauth.Microsoft("id", secret, "common")),
		"provider apple: the key is no PEM":      provider(oauth.Apple("id", "T", "K", secret)),
		"PEM file of a P-256":                    provider(oauth.Apple("id", "T", "K", p384)),
		"a P-256 private key (PKCS #8)":          provider(oauth.Apple("id", "T", "K", rsaPEM)),
		"provider apple: the team id":            provider(oauth.Apple("id", "", "K", p256)),
		"the key id is empty":                    provider(oauth.Apple("id", "T", "", p256)),
		"Endpoint.AuthStyle is not set":          provider(plain(func(c *oauth2.Config) { c.Endpoint.AuthStyle = 0 })),
		"Endpoint.AuthURL is no https":           provider(plain(func(c *oauth2.Config) { c.Endpoint.AuthURL = "http://x.example/a" })),
		"Endpoint.TokenURL is no https":          provider(plain(func(c *oauth2.Config) { c.Endpoint.TokenURL = "" })),
		"profile is nil":                         provider(oauth.OAuth2("x", oauth2.Config{ClientID: "i", ClientSecret: "s", Endpoint: oauth2.Endpoint{AuthURL: "https://x.example/a", TokenURL: "https://x.example/t", AuthStyle: 1}}, nil)),
	} {
		cfg := oauth.Config{
			BaseURL: "https://app.example/auth", Providers: []oauth.Provider{google},
			OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		}
		change(&cfg)
		login, err := oauth.NewLogin(authn.GenerateKeychain(), cfg)
		if login != nil || err == nil || !strings.HasPrefix(err.Error(), "authn/oauth: ") || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := oauth.NewLogin(&authn.Keychain{}, oauth.Config{}); err == nil || !strings.Contains(err.Error(), "Keychain") {
		t.Errorf("without a key: %v", err)
	}
}

// O1: tenants are GUIDs, and the caller's stay the caller's.
func TestMicrosoftTenants(t *testing.T) {
	for tenant, ok := range map[string]bool{
		tenant1: true, strings.ToUpper(tenant1): true,
		"": false, "g" + tenant1[1:]: false, tenant1[:35]: false, tenant1 + "a": false, tenant1[:35] + "g": false, tenant1[:35] + "/": false,
		strings.ReplaceAll(tenant1, "-", "a"): false, "-" + tenant1[1:]: false, tenant1[:35] + "-": false, strings.Replace(tenant1, "-", ".", 1): false,
	} {
		tenants := []string{tenant1, tenant}
		_, err := oauth.NewLogin(authn.GenerateKeychain(), oauth.Config{
			BaseURL: base, Providers: []oauth.Provider{oauth.Microsoft("id", authn.NewSecret("s"), tenants...)},
			OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		})
		if (err == nil) != ok || tenants[1] != tenant {
			t.Errorf("%q: %v", tenant, err)
		}
	}
}

// O1: what is safe is taken, loopback without TLS among it, and the caller's slices
// and maps stay the caller's.
func TestNewLoginTakes(t *testing.T) {
	secret := authn.NewSecret("s")
	params := url.Values{"prompt": {"login"}}
	p := oauth.OIDC("local", "http://localhost:8080/realms/x", "id", secret)
	p.Params, p.Scopes = params, []string{"openid"}
	cfg := oauth.Config{
		BaseURL: "http://localhost:3000", Providers: []oauth.Provider{p, oauth.Microsoft("id", secret, tenant1)},
		OnLogin: func(http.ResponseWriter, *http.Request, oauth.Profile) error { return nil },
		Tokens:  &tokenTable{}, Once: memstore.New(memstore.Config{}),
	}
	if _, err := oauth.NewLogin(authn.GenerateKeychain(), cfg); err != nil {
		t.Error(err)
	}
	cfg.BaseURL += "/auth/" // as good as without the slash
	login, err := oauth.NewLogin(authn.GenerateKeychain(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	login.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "http://localhost:3000/auth/local/login", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("below a BaseURL with a slash: %d", w.Code)
	}
	scopes := []string{"openid"}
	op := authntest.NewProvider(t)
	p = openID(strings.Repeat("x", 32), op)
	p.Params, p.Scopes = params, scopes
	h := newHostOf(t, []oauth.Provider{p})
	params.Set("state", "x")
	params.Set("prompt", "none")
	scopes[0] = "email"
	if q := h.browser().starts(p.Name, "").Query(); q.Get("prompt") != "login" || q.Get("scope") != "openid" || q.Get("state") == "x" {
		t.Errorf("what the caller changes later is asked: %v", q)
	}
	if cfg.Providers[0].Scopes[0] != "openid" {
		t.Error("NewLogin changed the caller's slice")
	}
}
