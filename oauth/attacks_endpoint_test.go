package oauth_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/oauth"
)

// endpoints are those that a login asks, in this order.
var endpoints = []string{"/.well-known/openid-configuration", "/token", "/jwks", "/userinfo"}

// asksUserinfo makes p's logins need all endpoints.
func asksUserinfo(p *authntest.Provider) {
	p.OnToken = func(_, c map[string]any) { delete(c, "email"); delete(c, "email_verified"); delete(c, "name") }
}

// logsInOrFails is a login that may fail at its start.
func (b *browser) logsInOrFails() *httptest.ResponseRecorder {
	b.h.t.Helper()
	w := b.get(base + "/op/login")
	to, err := w.Result().Location()
	if err != nil {
		return w
	}
	return b.comes(b.provides(to))
}

// O7: an endpoint that redirects is not followed: neither the secret nor the
// code nor the token go elsewhere.
func TestRedirectingEndpoints(t *testing.T) {
	var stolen atomic.Int64
	evil := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Add(1) }))
	defer evil.Close()
	p := authntest.NewProvider(t)
	asksUserinfo(p)
	for _, path := range endpoints {
		for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
			for _, to := range []string{evil.URL + path, "/elsewhere"} {
				p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == path {
						http.Redirect(w, r, to, status)
						return true
					}
					return false
				}
				h := newHost(t, p)
				w := h.browser().logsInOrFails()
				if w.Code != http.StatusServiceUnavailable && w.Code != http.StatusUnauthorized || len(h.profiles) != 0 {
					t.Errorf("%s by %d: answered by %d", path, status, w.Code)
				}
				if n := h.requests("/elsewhere"); n != 0 || stolen.Load() != 0 {
					t.Errorf("%s by %d: %d requests elsewhere, %d to another host", path, status, n, stolen.Load())
				}
			}
		}
	}
}

// O4: an endpoint that does not stop is cut off at 1 MiB, also when it is small
// on the wire.
func TestHugeAnswers(t *testing.T) {
	p := authntest.NewProvider(t)
	asksUserinfo(p)
	for _, path := range endpoints {
		for _, zipped := range []bool{false, true} {
			var sent atomic.Int64
			p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path != path {
					return false
				}
				w.Header().Set("Content-Type", "application/json")
				out := io.Writer(w)
				if zipped {
					w.Header().Set("Content-Encoding", "gzip")
					z := gzip.NewWriter(w)
					defer z.Close()
					out = z
				}
				fmt.Fprint(out, `{"x":"`)
				chunk := []byte(strings.Repeat("x", 64<<10))
				for range 1 << 10 { // 64 MiB
					n, err := out.Write(chunk)
					if err != nil {
						return true
					}
					sent.Add(int64(n))
				}
				fmt.Fprint(out, `"}`)
				return true
			}
			h := newHost(t, p)
			w := h.browser().logsInOrFails()
			if w.Code != http.StatusServiceUnavailable && w.Code != http.StatusUnauthorized || len(h.profiles) != 0 {
				t.Errorf("%s: answered by %d", path, w.Code)
			}
			if !zipped && sent.Load() > 32<<20 {
				t.Errorf("%s: %d bytes were taken", path, sent.Load())
			}
		}
	}
}

// O4: an endpoint that never answers, or byte by byte, costs ten seconds. Time
// is that of the test: nobody waits.
func TestSlowEndpoints(t *testing.T) {
	p := authntest.NewProvider(t)
	asksUserinfo(p)
	now := time.Now()
	for _, path := range endpoints {
		for name, slow := range map[string]func(r *http.Request) (*http.Response, error){
			"never": func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			},
			"byte by byte": func(r *http.Request) (*http.Response, error) {
				return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: trickle{r}, Request: r}, nil
			},
		} {
			synctest.Test(t, func(t *testing.T) {
				direct := &http.Transport{DisableKeepAlives: true}
				defer direct.CloseIdleConnections()
				h := newHost(t, p, func(c *oauth.Config) {
					c.Now = func() time.Time { return now }
					c.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
						if r.URL.Path == path {
							return slow(r)
						}
						return direct.RoundTrip(r)
					})
				})
				b := h.browser()
				began := time.Now()
				w := b.logsInOrFails()
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || len(h.profiles) != 0 {
					t.Errorf("%s, %s: answered by %d", path, name, w.Code)
				}
				if took := time.Since(began); took < 9*time.Second || took > 11*time.Second {
					t.Errorf("%s, %s: it took %s", path, name, took)
				}
			})
		}
	}
}

// trickle is a body of one byte a second, as long as anybody waits.
type trickle struct{ r *http.Request }

func (b trickle) Read(p []byte) (int, error) {
	select {
	case <-time.After(time.Second):
		return copy(p, " "), nil
	case <-b.r.Context().Done():
		return 0, b.r.Context().Err()
	}
}

func (trickle) Close() error { return nil }

// O7: a configuration that lies about where things are, or is none, is an
// outage: nobody is sent there.
func TestLyingConfiguration(t *testing.T) {
	p := authntest.NewProvider(t)
	set := func(name string, value any) func(map[string]any) {
		return func(a map[string]any) { a[name] = value }
	}
	for _, tt := range []struct {
		name   string
		change func(map[string]any)
	}{
		{"no authorization_endpoint", set("authorization_endpoint", nil)},
		{"no token_endpoint", set("token_endpoint", "")},
		{"no jwks_uri", set("jwks_uri", nil)},
		{"a script", set("authorization_endpoint", "javascript:alert(1)")},
		{"data", set("authorization_endpoint", "data:text/html,x")},
		{"a path", set("authorization_endpoint", "/authorize")},
		{"no scheme", set("token_endpoint", "//evil.example/token")},
		{"plain http", set("token_endpoint", "http://evil.example/token")},
		{"plain http, for keys", set("jwks_uri", "http://evil.example/jwks")},
		{"plain http, for userinfo", set("userinfo_endpoint", "http://evil.example/userinfo")},
		{"plain http, for revocation", set("revocation_endpoint", "http://evil.example/revoke")},
		{"plain http, for the logout", set("end_session_endpoint", "http://evil.example/bye")},
		{"a file", set("jwks_uri", "file:///etc/passwd")},
		{"a password", set("token_endpoint", "https://a:b@evil.example/token")},
		{"a fragment", set("authorization_endpoint", "https://evil.example/#x")},
		{"no URL", set("token_endpoint", "https://%zz")},
		{"a number", set("token_endpoint", 7)},
		{"a list", set("authorization_endpoint", []string{"https://evil.example"})},
		{"clients by certificate only", set("token_endpoint_auth_methods_supported", []string{"tls_client_auth"})},
		{"only symmetric algorithms", set("id_token_signing_alg_values_supported", []string{"HS256", "none"})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answers("/.well-known/openid-configuration", func(_ *authntest.Provider, a map[string]any) { tt.change(a) })(p)
			h := newHost(t, p)
			b := h.browser()
			w := b.get(base + "/op/login")
			h.wantRefused(t, w, http.StatusServiceUnavailable, "unavailable", "")
			if len(b.jar) != 0 || w.Header().Get("Location") != "" {
				t.Errorf("%v", w.Header())
			}
		})
	}
	p.OnAnswer = nil
	for _, path := range endpoints {
		for _, nonsense := range []string{"", "null", "[]", `"x"`, "{", "<html>", `{}{}`, `{"keys":7}`, `{"keys":[null,7,{}]}`, "\x00", strings.Repeat("[", 100_000)} {
			asksUserinfo(p)
			p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					w.Header().Set("Content-Type", "application/json")
					fmt.Fprint(w, nonsense)
					return true
				}
				return false
			}
			h := newHost(t, p)
			if w := h.browser().logsInOrFails(); w.Code != http.StatusServiceUnavailable && w.Code != http.StatusUnauthorized || len(h.profiles) != 0 {
				t.Errorf("%s says %.20q: answered by %d", path, nonsense, w.Code)
			}
		}
	}
}

// O7: NewLogin asks nobody. A provider that is down makes its own routes 503,
// and no other's; it is asked less and less often; when it is back, so is the
// login.
func TestProviderIsDownAtStart(t *testing.T) {
	p, other := authntest.NewProvider(t), authntest.NewProvider(t)
	p.OnRequest = func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusBadGateway)
		return true
	}
	h := newHostOf(t, []oauth.Provider{openID("op", p), openID("other", other)})
	h.wantOffline(t, 0)
	other.OnRequest = nil
	ask := func() int { return h.requests("/.well-known/openid-configuration") }
	for range 50 {
		w := h.browser().get(base + "/op/login")
		h.wantRefused(t, w, http.StatusServiceUnavailable, "unavailable", "")
		if w.Header().Get("Retry-After") == "" {
			t.Fatal("no Retry-After")
		}
	}
	if n := ask(); n != 1 {
		t.Errorf("50 logins in one moment ask %d times, want once", n)
	}
	h.browser().starts("other", "")
	before := ask()
	for range 300 { // five minutes, and a login each second
		h.advance(time.Second)
		h.browser().get(base + "/op/login")
	}
	if n := ask() - before; n < 5 || n > 30 {
		t.Errorf("in five minutes it is asked %d times", n)
	}
	if n := len(h.events.Events(authn.EventOutage)); n == 0 {
		t.Error("no event says so")
	}
	p.OnRequest = nil
	h.advance(time.Minute)
	h.wantIn(t, h.browser().logsIn(), 1)
}

// O7, O8: an outage in the middle of a login is no refusal, costs one token
// request, and says nothing of itself.
func TestOutageInTheMiddle(t *testing.T) {
	p := authntest.NewProvider(t)
	asksUserinfo(p)
	for _, path := range endpoints[1:] {
		for _, status := range []int{http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusTooManyRequests} {
			p.OnRequest = func(w http.ResponseWriter, r *http.Request) bool {
				if r.URL.Path == path {
					w.WriteHeader(status)
					fmt.Fprint(w, "our database is on fire")
					return true
				}
				return false
			}
			h := newHost(t, p)
			b := h.browser()
			w := b.logsIn()
			h.wantRefused(t, w, http.StatusServiceUnavailable, "unavailable", "")
			if w.Header().Get("Retry-After") == "" || len(h.events.Events(authn.EventOutage)) != 1 {
				t.Errorf("%s: %d: Retry-After %q, events %+v", path, status, w.Header().Get("Retry-After"), h.events.Events())
			}
			if n := h.requests("/token"); n != 1 {
				t.Errorf("%s: %d: %d token requests", path, status, n)
			}
			p.OnRequest = nil
			h.advance(time.Minute)
			h.wantIn(t, b.logsIn(), 1)
		}
	}
}
