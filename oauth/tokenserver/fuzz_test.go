package tokenserver_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// O11, O12: whatever a body is, the answer is a token or an error of the RFCs, and a
// token comes only of a form in which a slow and obvious reader finds everything once.
func FuzzForm(f *testing.F) {
	w := newWorld(f, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.OnEvent = nil })
	_, secret := w.create(tokenserver.Client{ID: "worker", AuthMethod: tokenserver.SecretPost})
	f.Fuzz(func(t *testing.T, body string) {
		w.t = t
		body = strings.ReplaceAll(body, "SECRET", secret) // another one at each run
		r := httptest.NewRequest(http.MethodPost, issuerURL+"/token", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		a := w.serve(r)
		if a.status == http.StatusOK {
			values := map[string][]string{}
			for part := range strings.SplitSeq(body, "&") {
				name, value, _ := strings.Cut(part, "=")
				name, err := url.QueryUnescape(name)
				value, err2 := url.QueryUnescape(value)
				if err != nil || err2 != nil || strings.Contains(part, ";") {
					t.Fatalf("%q is no form, and gets a token", body)
				}
				if part != "" {
					values[name] = append(values[name], value)
				}
			}
			for name, want := range map[string]string{"grant_type": "client_credentials", "client_id": "worker", "client_secret": secret} {
				if got := values[name]; len(got) != 1 || got[0] != want {
					t.Fatalf("%q has %s %q, and gets a token", body, name, got)
				}
			}
			return
		}
		judge(t, body, a)
	})
}

// O11: whatever stands in Authorization, only the client and its secret get a token.
func FuzzBasic(f *testing.F) {
	w := newWorld(f, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.OnEvent = nil })
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	f.Fuzz(func(t *testing.T, scheme, halves string) {
		w.t = t
		halves = strings.ReplaceAll(halves, "SECRET", secret)
		for _, value := range []string{scheme + halves, scheme + base64.StdEncoding.EncodeToString([]byte(halves))} {
			a := w.do("/token", func(r *http.Request) { r.Header["Authorization"] = []string{value} }, "grant_type", "client_credentials")
			if a.status != http.StatusOK {
				judge(t, value, a)
				continue
			}
			fields := strings.Fields(value)
			decoded, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
			id, got, ok := strings.Cut(string(decoded), ":")
			id, err2 := url.QueryUnescape(id)
			got, err3 := url.QueryUnescape(got)
			if err != nil || err2 != nil || err3 != nil || !ok || id != "worker" || got != secret || !strings.EqualFold(fields[0], "Basic") {
				t.Fatalf("%q gets a token", value)
			}
		}
	})
}

// judge wants an error of the RFCs.
func judge(t *testing.T, input string, a answer) {
	t.Helper()
	codes := map[string]int{
		"invalid_request": 400, "invalid_client": 401, "invalid_grant": 400, "unsupported_grant_type": 400, "invalid_scope": 400, "invalid_target": 400,
	}
	status, ok := codes[a.text("error")]
	if !ok {
		t.Fatalf("%q: %d %s", input, a.status, a.raw)
	}
	a.is(t, input, status, a.text("error"))
}
