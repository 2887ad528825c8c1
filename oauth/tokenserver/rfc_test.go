package tokenserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// rfcWorld has a client with a token and a login.
type rfcWorld struct {
	*world
	secret, token string
}

// O10, O11, O12, O14: what the RFCs require of a token endpoint, of introspection, of
// revocation and of metadata, requirement by requirement. Where we differ, the row
// says so.
func TestRFCRequirements(t *testing.T) {
	for _, tt := range []struct {
		section, requirement string
		check                func(t *testing.T, w rfcWorld)
	}{
		{"RFC 6749 §2.3", "a client MUST NOT use more than one authentication method in a request", func(t *testing.T, w rfcWorld) {
			w.do("/token", basic("worker", w.secret), "grant_type", "client_credentials", "client_id", "worker", "client_secret", w.secret).is(t, "", 400, "invalid_request")
		}},
		{"RFC 6749 §2.3.1", "the server MUST support HTTP Basic, with the halves encoded as in forms", func(t *testing.T, w rfcWorld) {
			w.do("/token", basic("worker", w.secret), "grant_type", "client_credentials").is(t, "", 200, "")
			w.do("/token", func(r *http.Request) { r.SetBasicAuth("w%6Frker", w.secret) }, "grant_type", "client_credentials").is(t, "", 200, "")
		}},
		{"RFC 6749 §2.3.1", "credentials in the body MUST NOT be in the request URI", func(t *testing.T, w rfcWorld) {
			set := func(r *http.Request) { r.URL.RawQuery = "client_id=worker&client_secret=" + w.secret }
			w.do("/token", set, "grant_type", "client_credentials").is(t, "", 400, "invalid_request")
		}},
		{"RFC 6749 §3.1", "parameters without a value are treated as omitted", func(t *testing.T, w rfcWorld) {
			w.ask("worker", w.secret, "scope", "").is(t, "", 200, "")
		}},
		{"RFC 6749 §3.2", "the client MUST use POST", func(t *testing.T, w rfcWorld) {
			for _, method := range []string{"GET", "PUT", "DELETE"} {
				w.do("/token", func(r *http.Request) { r.Method = method }, "grant_type", "client_credentials").is(t, method, 405, "invalid_request")
			}
		}},
		{"RFC 6749 §3.2", "unrecognized parameters MUST be ignored", func(t *testing.T, w rfcWorld) {
			w.ask("worker", w.secret, "unknown", "x").is(t, "", 200, "")
		}},
		{"RFC 6749 §3.2", "parameters MUST NOT be included more than once", func(t *testing.T, w rfcWorld) {
			w.ask("worker", w.secret, "unknown", "x", "unknown", "x").is(t, "", 400, "invalid_request")
		}},
		{"RFC 6749 §3.3", "a scope that differs from the requested one MUST be told; we tell it always", func(t *testing.T, w rfcWorld) {
			for _, scope := range []string{"", "orders:read"} {
				if a := w.ask("worker", w.secret, "scope", scope); a.text("scope") == "" {
					t.Error(a.raw)
				}
			}
		}},
		{"RFC 6749 §3.3", "without scope the server MUST use a default or fail: the default is all that the client has", func(t *testing.T, w rfcWorld) {
			if got := w.ask("worker", w.secret).text("scope"); got != "orders:read orders:write" {
				t.Error(got)
			}
		}},
		{"RFC 6749 §4.4.2", "the client MUST authenticate", func(t *testing.T, w rfcWorld) {
			w.do("/token", nil, "grant_type", "client_credentials", "client_id", "worker").is(t, "", 401, "invalid_client")
		}},
		{"RFC 6749 §4.4.3", "a refresh token SHOULD NOT be included", func(t *testing.T, w rfcWorld) {
			if a := w.ask("worker", w.secret); a.body["refresh_token"] != nil {
				t.Error(a.raw)
			}
		}},
		{"RFC 6749 §5.1", "access_token and token_type are REQUIRED, expires_in RECOMMENDED, as JSON with 200", func(t *testing.T, w rfcWorld) {
			a := w.ask("worker", w.secret)
			if a.status != 200 || a.text("access_token") == "" || a.text("token_type") != "Bearer" || a.body["expires_in"] != 3600.0 || a.header.Get("Content-Type") != "application/json" {
				t.Error(a.status, a.raw, a.header)
			}
		}},
		{"RFC 6749 §5.1", "Cache-Control: no-store and Pragma: no-cache MUST be there", func(t *testing.T, w rfcWorld) {
			for _, a := range []answer{w.ask("worker", w.secret), w.ask("worker", "x"), w.do("/introspect", basic("worker", w.secret), "token", w.token), w.do("/revoke", basic("worker", w.secret), "token", "x")} {
				if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Pragma") != "no-cache" {
					t.Error(a.status, a.header)
				}
			}
		}},
		{"RFC 6749 §5.2", "invalid_request: a parameter is missing, repeated or malformed; two mechanisms", func(t *testing.T, w rfcWorld) {
			w.do("/token", basic("worker", w.secret)).is(t, "", 400, "invalid_request")
			w.do("/token", basic("worker", w.secret), "grant_type", "refresh_token").is(t, "", 400, "invalid_request")
		}},
		{"RFC 6749 §5.2", "invalid_client: unknown client, no authentication, unsupported method", func(t *testing.T, w rfcWorld) {
			w.ask("nobody", w.secret).is(t, "", 401, "invalid_client")
			w.do("/token", nil, "grant_type", "client_credentials").is(t, "", 401, "invalid_client")
			w.do("/token", field("Authorization", "Digest username=worker"), "grant_type", "client_credentials").is(t, "", 401, "invalid_client")
		}},
		{"RFC 6749 §5.2", "invalid_client by Authorization MUST be 401 with the scheme that was used", func(t *testing.T, w rfcWorld) {
			a := w.ask("worker", mistype(w.secret))
			if a.status != 401 || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Error(a.status, a.header)
			}
		}},
		{"RFC 6749 §5.2", "invalid_grant: a refresh token that is invalid, expired, revoked or another client's", func(t *testing.T, w rfcWorld) {
			for _, token := range []string{"x", w.login("other").Refresh.Reveal()} {
				w.do("/token", basic("worker", w.secret), "grant_type", "refresh_token", "refresh_token", token).is(t, "", 400, "invalid_grant")
			}
		}},
		{"RFC 6749 §5.2", "unauthorized_client: the client may not use this grant type", func(t *testing.T, w rfcWorld) {
			c, secret, err := w.CreateClient(t.Context(), tokenserver.Client{})
			if err != nil {
				t.Fatal(err)
			}
			w.ask(c.ID, secret.Reveal()).is(t, "", 400, "unauthorized_client")
		}},
		{"RFC 6749 §5.2", "unsupported_grant_type", func(t *testing.T, w rfcWorld) {
			w.do("/token", basic("worker", w.secret), "grant_type", "password", "username", "a", "password", "b").is(t, "", 400, "unsupported_grant_type")
		}},
		{"RFC 6749 §5.2", "invalid_scope: invalid, unknown, malformed, or more than was granted", func(t *testing.T, w rfcWorld) {
			for _, scope := range []string{"admin", "a\"b", "orders:read  x"} {
				w.ask("worker", w.secret, "scope", scope).is(t, scope, 400, "invalid_scope")
			}
			login := w.login("worker", func(g *jwtauth.Grant) { g.Scopes = []string{"orders:read"} })
			w.do("/token", basic("worker", w.secret), "grant_type", "refresh_token", "refresh_token", login.Refresh.Reveal(), "scope", "orders:write").is(t, "more", 400, "invalid_scope")
		}},
		{"RFC 6749 §5.2", "error_description has no characters outside %x20-21 / %x23-5B / %x5D-7E, and nothing of the request", func(t *testing.T, w rfcWorld) {
			if a := w.ask("worker", w.secret, "scope", "echo-me"); strings.Contains(a.raw, "echo-me") {
				t.Error(a.raw)
			} else {
				a.is(t, "", 400, "invalid_scope")
			}
		}},
		{"RFC 6749 §6", "a refresh token is bound to the client it was issued to", func(t *testing.T, w rfcWorld) {
			_, other := w.create(tokenserver.Client{ID: "other"})
			w.do("/token", basic("other", other), "grant_type", "refresh_token", "refresh_token", w.login("worker").Refresh.Reveal()).is(t, "", 400, "invalid_grant")
		}},
		{"RFC 7521 §4.2", "client_id is not needed beside an assertion, and MUST name the same client", func(t *testing.T, w rfcWorld) {
			key := newSigner("k")
			w.create(tokenserver.Client{ID: "signer", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key)})
			w.askBy(w.assertion(key, "signer")).is(t, "", 200, "")
			w.askBy(w.assertion(key, "signer"), "client_id", "worker").is(t, "", 400, "invalid_request")
		}},
		{"RFC 7521 §4.2.1", "an assertion that is not good is invalid_client", func(t *testing.T, w rfcWorld) {
			w.askBy("x.y.z").is(t, "", 401, "invalid_client")
		}},
		{"RFC 8705 §2.1", "the certificate's subject MUST be the registered one", func(t *testing.T, w rfcWorld) {
			w.create(tokenserver.Client{ID: "tls", AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=tls"})
			w.do("/token", nil, "grant_type", "client_credentials", "client_id", "tls").is(t, "", 401, "invalid_client")
		}},
		{"RFC 8707 §2", "resource MAY be there several times; what is unknown or may not be had is invalid_target", func(t *testing.T, w rfcWorld) {
			w.ask("worker", w.secret, "resource", orders, "resource", bills).is(t, "", 200, "")
			w.ask("worker", w.secret, "resource", "https://evil.example").is(t, "", 400, "invalid_target")
		}},
		{"RFC 9068 §2", "typ at+jwt; iss, exp, aud, sub, client_id, iat and jti are REQUIRED; sub is the client_id", func(t *testing.T, w rfcWorld) {
			c := claims(t, w.token, 1)
			for _, name := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
				if c[name] == nil {
					t.Error("no", name)
				}
			}
			if claims(t, w.token, 0)["typ"] != "at+jwt" || c["sub"] != c["client_id"] {
				t.Error(c)
			}
		}},
		{"RFC 7009 §2.1", "token is REQUIRED, token_type_hint OPTIONAL; an unknown hint is ignored", func(t *testing.T, w rfcWorld) {
			w.do("/revoke", basic("worker", w.secret), "token_type_hint", "access_token").is(t, "", 400, "invalid_request")
			w.do("/revoke", basic("worker", w.secret), "token", w.token, "token_type_hint", "x").is(t, "", 200, "")
			if w.active("worker", w.secret, w.token) {
				t.Error("not revoked")
			}
		}},
		{"RFC 7009 §2.1", "client credentials are validated first", func(t *testing.T, w rfcWorld) {
			w.do("/revoke", basic("worker", mistype(w.secret)), "token", w.token).is(t, "", 401, "invalid_client")
			if !w.active("worker", w.secret, w.token) {
				t.Error("revoked")
			}
		}},
		{"RFC 7009 §2.1", "another client's token is not revoked; we answer 200 and not an error, which would tell that it exists", func(t *testing.T, w rfcWorld) {
			_, other := w.create(tokenserver.Client{ID: "other"})
			w.do("/revoke", basic("other", other), "token", w.token).is(t, "", 200, "")
			if !w.active("worker", w.secret, w.token) {
				t.Error("revoked")
			}
		}},
		{"RFC 7009 §2.1", "with a refresh token its access tokens SHOULD end; both kinds are supported", func(t *testing.T, w rfcWorld) {
			login := w.login("worker")
			w.do("/revoke", basic("worker", w.secret), "token", login.Refresh.Reveal()).is(t, "", 200, "")
			if w.active("worker", w.secret, login.Access.Reveal()) {
				t.Error("the access token is good")
			}
		}},
		{"RFC 7009 §2.2", "200 for what was revoked and for an invalid token", func(t *testing.T, w rfcWorld) {
			for _, token := range []string{w.token, w.token, "nonsense"} {
				w.do("/revoke", basic("worker", w.secret), "token", token).is(t, "", 200, "")
			}
		}},
		{"RFC 7009 §2.2.1", "503 means that the token is still there, with Retry-After", func(t *testing.T, w rfcWorld) {
			w.st.fail("revoke")
			a := w.do("/revoke", basic("worker", w.secret), "token", w.token)
			w.st.fail("")
			if a.status != 503 || a.header.Get("Retry-After") == "" {
				t.Error(a.status, a.header)
			}
		}},
		{"RFC 7662 §2.1", "POST with token; the endpoint MUST require authorization", func(t *testing.T, w rfcWorld) {
			w.do("/introspect", basic("worker", w.secret)).is(t, "", 400, "invalid_request")
			w.do("/introspect", nil, "token", w.token).is(t, "", 401, "invalid_client")
			w.do("/introspect", func(r *http.Request) { r.Method = "GET" }, "token", w.token).is(t, "", 405, "invalid_request")
		}},
		{"RFC 7662 §2.2", "active is REQUIRED, a boolean; what is not active SHOULD have no other member", func(t *testing.T, w rfcWorld) {
			if a := w.do("/introspect", basic("worker", w.secret), "token", w.token); a.body["active"] != true {
				t.Error(a.raw)
			}
			if a := w.do("/introspect", basic("worker", w.secret), "token", "x"); a.status != 200 || a.raw != inactive {
				t.Error(a.status, a.raw)
			}
		}},
		{"RFC 7662 §2.3", "bad authentication is 401; a token that is not active is no error", func(t *testing.T, w rfcWorld) {
			w.do("/introspect", basic("worker", mistype(w.secret)), "token", w.token).is(t, "", 401, "invalid_client")
		}},
		{"RFC 7662 §4", "a protected resource that the token is not for SHOULD be told that it is not active", func(t *testing.T, w rfcWorld) {
			_, other := w.create(tokenserver.Client{ID: "other"})
			if w.active("other", other, w.token) {
				t.Error("active")
			}
		}},
		{"RFC 7662 §4", "signature, expiry and revocation MUST be checked", func(t *testing.T, w rfcWorld) {
			revoked := w.get("worker", w.secret)
			w.do("/revoke", basic("worker", w.secret), "token", revoked)
			for _, token := range []string{revoked, w.token[:len(w.token)-4] + "AAAA"} {
				if w.active("worker", w.secret, token) {
					t.Error("active")
				}
			}
			w.forward(time.Hour)
			if w.active("worker", w.secret, w.token) {
				t.Error("active after its end")
			}
		}},
		{"RFC 8414 §2", "issuer and response_types_supported are REQUIRED, token_endpoint unless there is no grant for it", func(t *testing.T, w rfcWorld) {
			_, m := fetch(w, issuerURL+"/.well-known/oauth-authorization-server")
			if list, ok := m["response_types_supported"].([]any); !ok || len(list) != 0 || m["issuer"] != issuerURL || m["token_endpoint"] == nil {
				t.Error(m)
			}
		}},
		{"RFC 8414 §2", "signing algorithms are REQUIRED where private_key_jwt is named, without none", func(t *testing.T, w rfcWorld) {
			_, m := fetch(w, issuerURL+"/.well-known/oauth-authorization-server")
			if list, _ := m["token_endpoint_auth_signing_alg_values_supported"].([]any); len(list) == 0 {
				t.Error(m)
			}
		}},
		{"RFC 8414 §3.1", "GET, at the well-known path before the issuer's path", func(t *testing.T, w rfcWorld) {
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest("POST", issuerURL+"/.well-known/oauth-authorization-server", nil))
			if resp, _ := fetch(w, issuerURL+"/.well-known/oauth-authorization-server"); resp.StatusCode != 200 || rec.Code != 405 {
				t.Error(resp.StatusCode, rec.Code)
			}
		}},
		{"RFC 8414 §3.2", "200 and application/json; members without elements are left out", func(t *testing.T, _ rfcWorld) {
			st := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.Once, cfg.ClientCert = nil, nil })
			resp, m := fetch(st, issuerURL+"/.well-known/oauth-authorization-server")
			if resp.Header.Get("Content-Type") != "application/json" {
				t.Error(resp.Header)
			}
			for name, value := range m {
				if list, ok := value.([]any); ok && len(list) == 0 && name != "response_types_supported" {
					t.Error(name)
				}
			}
		}},
		{"RFC 8414 §3.3", "issuer MUST be the one of which the URL was made", func(t *testing.T, w rfcWorld) {
			_, m := fetch(w, issuerURL+"/.well-known/oauth-authorization-server")
			if m["issuer"] != w.issuer.URL() || claims(t, w.token, 1)["iss"] != m["issuer"] {
				t.Error(m)
			}
		}},
	} {
		t.Run(tt.section+" "+tt.requirement, func(t *testing.T) {
			w := newWorld(t, nil)
			_, secret := w.create(tokenserver.Client{ID: "worker"})
			tt.check(t, rfcWorld{w, secret, w.get("worker", secret)})
		})
	}
}
