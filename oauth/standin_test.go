package oauth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/oauth"
)

// standIn answers for a provider under its real addresses, within the process.
type standIn struct {
	t       testing.TB
	answers map[string]answer // by "GET host/path"

	mu    sync.Mutex
	calls []string
	forms []url.Values // of POSTs
	heads []http.Header
}

// answer is a status, a type and a body.
type answer func(r *http.Request) (status int, contentType, body string)

func asJSON(body string) answer {
	return func(*http.Request) (int, string, string) {
		return http.StatusOK, "application/json; charset=utf-8", body
	}
}

func (s *standIn) RoundTrip(r *http.Request) (*http.Response, error) {
	call := r.Method + " " + r.URL.Host + r.URL.Path
	var form url.Values
	if r.Body != nil {
		form, _ = url.ParseQuery(string(authn.Must(io.ReadAll(r.Body))))
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.heads = append(s.heads, r.Header)
	if r.Method == http.MethodPost {
		s.forms = append(s.forms, form)
	}
	a := s.answers[call]
	s.mu.Unlock()
	status, contentType, body := http.StatusNotFound, "text/plain", "not found"
	if a != nil && r.URL.Scheme == "https" {
		status, contentType, body = a(r)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		Status: http.StatusText(status), StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {contentType}}, Body: io.NopCloser(strings.NewReader(body)), Request: r,
	}, nil
}

// made are the calls since the last time.
func (s *standIn) made() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := strings.Join(s.calls, ", ")
	s.calls = nil
	return calls
}

// lastForm is what was posted last.
func (s *standIn) lastForm() url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.forms) == 0 {
		s.t.Fatal("nothing was posted")
	}
	return s.forms[len(s.forms)-1]
}

// lastHead is the header of the last request.
func (s *standIn) lastHead() http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heads[len(s.heads)-1]
}

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey { return authn.Must(rsa.GenerateKey(rand.Reader, 2048)) })

// certs is a JWK Set of rsaKey.
func certs() string {
	k := rsaKey()
	return authn.Must(marshal(map[string]any{"keys": []any{map[string]any{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "7c9c78e3b00e1bb092d246c887b11220c87b7d20",
		"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
	}}}))
}

func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// signedBy rsaKey, as Google does.
func signedBy(claims map[string]any) string {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	t.Header["kid"] = "7c9c78e3b00e1bb092d246c887b11220c87b7d20"
	return authn.Must(t.SignedString(rsaKey()))
}

// comesFrom is a login at a stand-in whose token endpoint answers what reply makes
// of the nonce.
func comesFrom(t *testing.T, s *standIn, p oauth.Provider, endpoint string, reply func(nonce string) string, change ...func(*oauth.Config)) (*host, oauth.Profile) {
	t.Helper()
	s.t = t
	h := newHostOf(t, []oauth.Provider{p}, append([]func(*oauth.Config){func(cfg *oauth.Config) { cfg.Transport = s }}, change...)...)
	b := h.browser()
	to := b.starts(p.Name, "?return_to=/orders")
	q := to.Query()
	s.answers["POST "+endpoint] = asJSON(reply(q.Get("nonce")))
	back := base + "/" + p.Name + "/callback"
	answer := url.Values{"code": {"4/0AfJohXm"}, "state": {q.Get("state")}}
	way := wayBack{url: back + "?" + answer.Encode()}
	if q.Get("response_mode") == "form_post" {
		way = wayBack{url: back, form: answer}
	}
	return h, h.wantIn(t, b.comes(way), 1)
}
