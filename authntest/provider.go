package authntest

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/gatehouse-go/authn"
)

// Provider is an OpenID provider on loopback: discovery, keys, the code flow
// with PKCE, refresh tokens, userinfo, logout and revocation. Nobody is asked
// anything: whoever comes is who Claims says, and is sent back at once. It does
// what the specifications demand of a provider, and its hooks make it lie.
//
// The fields may be set between requests. The hooks are called by the server's
// goroutines, in several at once if requests are.
type Provider struct {
	// URL is the issuer, without a slash at its end.
	URL string
	// ClientID and ClientSecret are of the only client. It may send the secret by
	// client_secret_basic or client_secret_post, and have any redirect URI.
	ClientID     string
	ClientSecret authn.Secret

	// Claims say who signs in next: in id_tokens and in userinfo. A
	// refresh has those of its login.
	// "sub" is "ada" at first. nil is somebody who says no: access_denied.
	Claims map[string]any
	// Algorithm signs id_tokens: "RS256", unless "ES256".
	Algorithm string

	// OnToken sees the header and the claims of each id_token before it is signed,
	// and may change both. An "alg" of "none" is not signed, "HS256" by
	// ClientSecret, "RS256" and "ES256" by the key of that kind, whatever "kid" says.
	OnToken func(header, claims map[string]any)
	// OnAnswer sees what answers r before it is sent, and may change it: the
	// members of a JSON object (at /jwks "keys" is a []map[string]any), or at
	// /authorize the parameters of the redirect.
	OnAnswer func(r *http.Request, answer map[string]any)
	// OnRequest comes first. true: it has answered instead, with an error,
	// nonsense, or nothing until r's context ends.
	OnRequest func(w http.ResponseWriter, r *http.Request) bool

	t testing.TB

	mu      sync.Mutex
	keys    *keys
	codes   map[string]*login
	access  map[string]*login
	refresh map[string]*login
}

// login is what one authorization led to.
type login struct {
	claims                               map[string]any
	redirectURI, challenge, nonce, scope string
	authTime                             int64
	used                                 bool // the code
	accessToken, refreshToken            string
}

// NewProvider starts a Provider that ends with the test.
func NewProvider(t testing.TB) *Provider {
	t.Helper()
	p := &Provider{
		ClientID: "client", ClientSecret: authn.NewSecret(rand.Text()),
		Claims: map[string]any{
			"sub": "ada", "name": "Ada Lovelace", "email": "ada@example.com", "email_verified": true,
		},
		t: t, keys: newKeys(),
		codes: map[string]*login{}, access: map[string]*login{}, refresh: map[string]*login{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", p.discovery)
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("/authorize", p.authorize)
	mux.HandleFunc("POST /token", p.token)
	mux.HandleFunc("/userinfo", p.userinfo)
	mux.HandleFunc("/end_session", p.endSession)
	mux.HandleFunc("POST /revoke", p.revoke)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.OnRequest == nil || !p.OnRequest(w, r) {
			mux.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// discovery is OpenID Connect Discovery §4.
func (p *Provider) discovery(w http.ResponseWriter, r *http.Request) {
	p.answer(w, r, http.StatusOK, map[string]any{
		"issuer":                                         p.URL,
		"authorization_endpoint":                         p.URL + "/authorize",
		"token_endpoint":                                 p.URL + "/token",
		"userinfo_endpoint":                              p.URL + "/userinfo",
		"end_session_endpoint":                           p.URL + "/end_session",
		"revocation_endpoint":                            p.URL + "/revoke",
		"jwks_uri":                                       p.URL + "/jwks",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query", "form_post"},
		"grant_types_supported":                          []string{"authorization_code", "refresh_token"},
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256", "ES256"},
		"token_endpoint_auth_methods_supported":          []string{"client_secret_basic", "client_secret_post"},
		"code_challenge_methods_supported":               []string{"S256"},
		"scopes_supported":                               []string{"openid", "profile", "email", "offline_access"},
		"authorization_response_iss_parameter_supported": true,
	})
}

// answer sends JSON, after OnAnswer.
func (p *Provider) answer(w http.ResponseWriter, r *http.Request, status int, answer map[string]any) {
	if p.OnAnswer != nil {
		p.OnAnswer(r, answer)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		p.t.Errorf("authntest: %s: %v", r.URL.Path, err)
	}
}

// refuse is RFC 6749 §5.2.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, status int, code, description string) {
	p.answer(w, r, status, map[string]any{"error": code, "error_description": description})
}

// userinfo is OpenID Connect Core §5.3. The token comes in the header only
// (RFC 6750 §2.1).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	token, isBearer := bearer(r)
	p.mu.Lock()
	l := p.access[token]
	p.mu.Unlock()
	if !isBearer || l == nil {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		p.refuse(w, r, http.StatusUnauthorized, "invalid_token", "")
		return
	}
	p.answer(w, r, http.StatusOK, maps.Clone(l.claims))
}
