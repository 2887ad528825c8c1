package jwtauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
)

// The issuer of most tests, the service that it makes tokens for, and when.
const (
	ours      = "https://auth.example.com"
	api       = "https://api.example.com"
	noon      = 1795348800 // 2026-11-22 12:00 UTC
	tokenLife = 900 * time.Second
)

var errDown = errors.New("connection refused")

// clock is a Now that tests move.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Unix(noon, 0).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// set is to a fraction of a second after noon.
func (c *clock) set(after time.Duration) { c.ns.Store(time.Unix(noon, 0).Add(after).UnixNano()) }

// spy is what a service asks of the issuer's store: it counts, and answers what
// it is told to.
type spy struct {
	asked  atomic.Int64
	answer func(ref store.TokenRef) (string, error)
}

func (s *spy) TokenRevoked(_ context.Context, ref store.TokenRef, _ time.Time) (string, error) {
	s.asked.Add(1)
	if s.answer == nil {
		return "", nil
	}
	return s.answer(ref)
}

// privates are the issuer's private keys, by the name of their algorithm, which
// is their kid, too. They are as golang-jwt takes them.
var privates = sync.OnceValue(func() map[jwtauth.Algorithm]any {
	rsaKey := authn.Must(rsa.GenerateKey(rand.Reader, 2048))
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	return map[jwtauth.Algorithm]any{
		jwtauth.HS256: []byte(strings.Repeat("0123456789abcdef", 2)),
		jwtauth.HS384: []byte(strings.Repeat("0123456789abcdef", 3)),
		jwtauth.HS512: []byte(strings.Repeat("0123456789abcdef", 4)),
		jwtauth.RS256: rsaKey,
		jwtauth.PS256: rsaKey,
		jwtauth.ES256: authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		jwtauth.ES384: authn.Must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)),
		jwtauth.EdDSA: authn.Must(ed, err),
	}
})

// everyAlgorithm is in an order that does not change.
var everyAlgorithm = []jwtauth.Algorithm{
	jwtauth.HS256, jwtauth.HS384, jwtauth.HS512, jwtauth.RS256, jwtauth.PS256, jwtauth.ES256, jwtauth.ES384, jwtauth.EdDSA,
}

// keyOf is the key of an algorithm, under a kid.
func keyOf(kid string, alg jwtauth.Algorithm) jwtauth.Key {
	if secret, ok := privates()[alg].([]byte); ok {
		return authn.Must(jwtauth.HMACKey(kid, alg, authn.NewSecret(string(secret))))
	}
	return authn.Must(jwtauth.NewKey(kid, alg, privates()[alg].(crypto.Signer)))
}

// ringOf has the keys of these algorithms, or of all.
func ringOf(algs ...jwtauth.Algorithm) *jwtauth.KeyRing {
	if len(algs) == 0 {
		algs = everyAlgorithm
	}
	keys := make([]jwtauth.Key, len(algs))
	for i, alg := range algs {
		keys[i] = keyOf(string(alg), alg)
	}
	return authn.Must(jwtauth.NewKeyRing(keys...))
}

// draft is a token before it is signed, in the bytes that it will have. It
// knows nothing of the package under test.
type draft struct {
	alg             jwtauth.Algorithm // signs
	header, payload string            // JSON, or not
	sign            func(input string) []byte
	mangle          func(segments []string) string // nil: joins them by dots
}

// goodDraft is an access token (RFC 9068) for ada.
func goodDraft(alg jwtauth.Algorithm) *draft {
	return &draft{
		alg:    alg,
		header: fmt.Sprintf(`{"alg":"%[1]s","kid":"%[1]s","typ":"at+jwt"}`, alg),
		payload: fmt.Sprintf(`{"iss":"%s","sub":"ada","aud":"%s","exp":%d,"iat":%d,"jti":"t1","client_id":"app","scope":"orders:read orders:write","ver":1}`,
			ours, api, noon+900, noon),
	}
}

// swap replaces what is there once in the header or the payload.
func (d *draft) swap(old, replacement string) *draft {
	switch strings.Count(d.header, old)*10 + strings.Count(d.payload, old) {
	case 10:
		d.header = strings.Replace(d.header, old, replacement, 1)
	case 1:
		d.payload = strings.Replace(d.payload, old, replacement, 1)
	default:
		panic(fmt.Sprintf("%q is not there once in %s %s", old, d.header, d.payload))
	}
	return d
}

// head and claim put members in front.
func (d *draft) head(members string) *draft  { return d.swap(`{"alg"`, `{`+members+`,"alg"`) }
func (d *draft) claim(members string) *draft { return d.swap(`{"iss"`, `{`+members+`,"iss"`) }

// token signs, by golang-jwt.
func (d *draft) token() string {
	segments := []string{encode(d.header), encode(d.payload)}
	sign := d.sign
	if sign == nil {
		sign = func(input string) []byte {
			return authn.Must(jwt.GetSigningMethod(string(d.alg)).Sign(input, privates()[d.alg]))
		}
	}
	segments = append(segments, encode(string(sign(segments[0]+"."+segments[1]))))
	if d.mangle != nil {
		return d.mangle(segments)
	}
	return strings.Join(segments, ".")
}

func encode(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// service is one that verifies.
type service struct {
	clock  *clock
	rev    *spy
	events *authntest.Recorder
	*jwtauth.Verifier
}

// newService trusts ours, with a key of every algorithm.
func newService(t testing.TB, change func(cfg *jwtauth.VerifierConfig)) *service {
	t.Helper()
	s := &service{clock: newClock(), rev: &spy{}, events: &authntest.Recorder{}}
	cfg := jwtauth.VerifierConfig{
		Trust:   []jwtauth.Trust{{Issuer: ours, Audiences: []string{"https://api.example.org", api}, Keys: ringOf()}},
		OnEvent: s.events.OnEvent, Now: s.clock.Now,
	}
	if change != nil {
		change(&cfg)
	}
	v, err := jwtauth.NewVerifier(s.rev, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Verifier = v
	return s
}

// verify is of a token in Authorization.
func (s *service) verify(token string) (*authn.Identity, error) { return s.Verify(bearer(token)) }

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://api.example.com/orders", nil)
	r.Header["Authorization"] = []string{"Bearer " + token}
	return r
}

// wantRefused is 401 invalid_token for the reason, and nothing asked of the
// store.
func (s *service) wantRefused(t *testing.T, token, reason string) {
	t.Helper()
	asked := s.rev.asked.Load()
	id, err := s.verify(token)
	var e *authn.Error
	switch {
	case id != nil || !errors.As(err, &e):
		t.Fatalf("got %+v, %v, want a refusal for %q", id, err, reason)
	case e.Status != http.StatusUnauthorized || e.Code != "invalid_token" || e.Reason != reason || errors.Is(err, authn.ErrNoCredential):
		t.Fatalf("got %d %s %q (%v), want 401 invalid_token %q", e.Status, e.Code, e.Reason, err, reason)
	}
	if n := s.rev.asked.Load() - asked; n != 0 {
		t.Errorf("the store was asked %d times", n)
	}
}

// wantGood answers whose the token is.
func (s *service) wantGood(t *testing.T, token string) *authn.Identity {
	t.Helper()
	id, err := s.verify(token)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// answer is what a client sees of a handler behind m.
func answer(m func(http.Handler) http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	m(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := authn.FromContext(r.Context()); ok {
			_, _ = w.Write([]byte(id.Subject))
		}
	})).ServeHTTP(w, r)
	return w
}

// wire is all of an answer as text, to compare.
func wire(w *httptest.ResponseRecorder) string {
	return fmt.Sprintf("%d %v %s", w.Code, w.Header(), w.Body)
}
