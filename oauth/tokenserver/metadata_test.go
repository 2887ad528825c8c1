package tokenserver_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// fetch is a GET.
func fetch(h http.Handler, url string) (*http.Response, map[string]any) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, url, nil))
	var body map[string]any
	text, _ := io.ReadAll(rec.Result().Body)
	_ = json.Unmarshal(text, &body)
	return rec.Result(), body
}

// O10: the metadata of RFC 8414 stand between host and path of the issuer, and the
// endpoints below it, where they answer.
func TestMetadata(t *testing.T) {
	for _, tt := range []struct{ issuer, well, base string }{
		{"https://auth.example", "https://auth.example/.well-known/oauth-authorization-server", "https://auth.example"},
		{"https://auth.example/", "https://auth.example/.well-known/oauth-authorization-server", "https://auth.example"},
		{"https://example.com:8443/auth/eu", "https://example.com:8443/.well-known/oauth-authorization-server/auth/eu", "https://example.com:8443/auth/eu"},
	} {
		w := newWorld(t, func(cfg *tokenserver.Config, icfg *jwtauth.IssuerConfig) {
			icfg.Issuer, cfg.BindTokens = tt.issuer, true
		})
		resp, got := fetch(w, tt.well)
		methods := []any{"client_secret_basic", "client_secret_post", "private_key_jwt", "tls_client_auth"}
		algorithms := []any{"RS256", "PS256", "ES256", "ES384", "EdDSA"}
		want := map[string]any{
			"issuer": tt.issuer, "token_endpoint": tt.base + "/token", "jwks_uri": tt.base + "/.well-known/jwks.json",
			"response_types_supported": []any{}, "grant_types_supported": []any{"client_credentials", "refresh_token"},
			"token_endpoint_auth_methods_supported": methods, "token_endpoint_auth_signing_alg_values_supported": algorithms,
			"introspection_endpoint": tt.base + "/introspect", "introspection_endpoint_auth_methods_supported": methods,
			"introspection_endpoint_auth_signing_alg_values_supported": algorithms,
			"revocation_endpoint": tt.base + "/revoke", "revocation_endpoint_auth_methods_supported": methods,
			"revocation_endpoint_auth_signing_alg_values_supported": algorithms,
			"tls_client_certificate_bound_access_tokens":            true,
		}
		if h := resp.Header; h.Get("Cache-Control") != "public, max-age=3600" || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", tt.issuer, h)
		}
		if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %d %v %v", tt.issuer, resp.StatusCode, resp.Header, got)
		}
		if resp, body := fetch(w, tt.base+"/.well-known/jwks.json"); resp.StatusCode != 200 || len(body["keys"].([]any)) != 1 {
			t.Errorf("%s: JWKS: %d %v", tt.issuer, resp.StatusCode, body)
		}
		c, secret := w.create(tokenserver.Client{ID: "worker"})
		r := httptest.NewRequest(http.MethodPost, tt.base+"/token", strings.NewReader("grant_type=client_credentials"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		basic(c.ID, secret)(r)
		if a := w.serve(r); a.status != 200 || claims(t, a.text("access_token"), 1)["iss"] != tt.issuer {
			t.Errorf("%s: %d %s", tt.issuer, a.status, a.raw)
		}
		for _, path := range []string{"/tokens", "/token/", "/", "/.well-known/openid-configuration", "//token"} {
			if resp, _ := fetch(w, tt.base+path); resp.StatusCode != 404 {
				t.Errorf("%s%s: %d", tt.base, path, resp.StatusCode)
			}
		}
		for _, path := range []string{tt.well, tt.base + "/.well-known/jwks.json"} {
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, path, nil))
			if rec.Code != 405 || rec.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("POST %s: %d %v", path, rec.Code, rec.Header())
			}
		}
	}
}

// O10, O11: the metadata name what is on, and nothing else.
func TestMetadataOfTheZeroConfig(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { *cfg = tokenserver.Config{Now: cfg.Now} })
	_, got := fetch(w, issuerURL+"/.well-known/oauth-authorization-server")
	if methods := got["token_endpoint_auth_methods_supported"]; !reflect.DeepEqual(methods, []any{"client_secret_basic", "client_secret_post"}) {
		t.Errorf("methods %v", methods)
	}
	for _, name := range []string{"token_endpoint_auth_signing_alg_values_supported", "tls_client_certificate_bound_access_tokens", "authorization_endpoint"} {
		if got[name] != nil {
			t.Errorf("%s is %v", name, got[name])
		}
	}
}

// O10, O13: a Config that is unsafe or contradicts itself is refused, by field.
func TestNewRefuses(t *testing.T) {
	st := memstore.New(memstore.Config{})
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{orders}}))
	without := authn.Must(jwtauth.NewIssuer(ring, nil, nil, jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{orders}, SkipRevocation: true}))
	for _, tt := range []struct {
		st     store.OAuthClients
		issuer *jwtauth.Issuer
		cfg    tokenserver.Config
		want   string
	}{
		{nil, issuer, tokenserver.Config{}, "a store"},
		{st, nil, tokenserver.Config{}, "an Issuer"},
		{st, without, tokenserver.Config{}, "revoked"},
		{st, issuer, tokenserver.Config{TTL: time.Second - 1}, "Config.TTL"},
		{st, issuer, tokenserver.Config{TTL: -time.Hour}, "Config.TTL"},
		{st, issuer, tokenserver.Config{TTL: issuer.MaxTTL() + 1}, "MaxTokenAge"},
		{st, issuer, tokenserver.Config{SecretTTL: -1}, "Config.SecretTTL"},
		{st, issuer, tokenserver.Config{BindTokens: true}, "Config.BindTokens"},
	} {
		if _, err := tokenserver.New(tt.st, tt.issuer, tt.cfg); err == nil || !strings.HasPrefix(err.Error(), "authn/tokenserver: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want %s", tt.cfg, err, tt.want)
		}
	}
	for _, ttl := range []time.Duration{time.Second, issuer.MaxTTL()} {
		if _, err := tokenserver.New(st, issuer, tokenserver.Config{TTL: ttl}); err != nil {
			t.Errorf("TTL %s: %v", ttl, err)
		}
	}
}
