package tokenserver_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	issuerURL = "https://auth.example"
	orders    = "https://orders.example"
	bills     = "https://bills.example"
)

var errDown = errors.New("connection refused")

// counted is a store that counts calls, and is down when it is told to be.
type counted struct {
	*memstore.Store
	mu     sync.Mutex
	calls  []string
	down   string // the call that fails; "all"
	err    error  // by which it does; nil is errDown
	before func(call string)
}

func (s *counted) call(name string) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	down, before, err := s.down == name || s.down == "all", s.before, cmp.Or(s.err, errDown)
	s.mu.Unlock()
	if before != nil {
		before(name)
	}
	if down {
		return err
	}
	return nil
}

// made are the calls since the last time.
func (s *counted) made() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.calls, " ")
	s.calls = nil
	return all
}

func (s *counted) fail(call string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = call
}

func (s *counted) OAuthClient(ctx context.Context, id string) (store.OAuthClient, error) {
	if err := s.call("client"); err != nil {
		return store.OAuthClient{}, err
	}
	return s.Store.OAuthClient(ctx, id)
}

func (s *counted) CreateOAuthClient(ctx context.Context, c store.OAuthClient) error {
	if err := s.call("create"); err != nil {
		return err
	}
	return s.Store.CreateOAuthClient(ctx, c)
}

func (s *counted) ListOAuthClients(ctx context.Context, p store.Page) ([]store.OAuthClient, string, error) {
	if err := s.call("list"); err != nil {
		return nil, "", err
	}
	return s.Store.ListOAuthClients(ctx, p)
}

func (s *counted) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	if err := s.call("claim"); err != nil {
		return err
	}
	return s.Store.ClaimOnce(ctx, purpose, d, until, now)
}

func (s *counted) TokenVersion(ctx context.Context, subject string, age time.Duration) (int64, error) {
	if err := s.call("version"); err != nil {
		return 0, err
	}
	return s.Store.TokenVersion(ctx, subject, age)
}

func (s *counted) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if err := s.call("revoked"); err != nil {
		return "", err
	}
	return s.Store.TokenRevoked(ctx, t, now)
}

func (s *counted) RevokeToken(ctx context.Context, t store.TokenRef, until time.Time) error {
	if err := s.call("revoke"); err != nil {
		return err
	}
	return s.Store.RevokeToken(ctx, t, until)
}

func (s *counted) RevokeTokensOf(ctx context.Context, subject string) error {
	if err := s.call("revoke all"); err != nil {
		return err
	}
	return s.Store.RevokeTokensOf(ctx, subject)
}

// world is a Server with its Issuer, over one store and one clock.
type world struct {
	*tokenserver.Server
	t      testing.TB
	st     *counted
	issuer *jwtauth.Issuer
	events authntest.Recorder
	cert   *x509.Certificate // what requests come over

	mu     sync.Mutex
	from   time.Time
	passed time.Duration
}

func newWorld(t testing.TB, set func(cfg *tokenserver.Config, icfg *jwtauth.IssuerConfig)) *world {
	t.Helper()
	w := &world{t: t, from: time.Now().Truncate(time.Second)}
	w.st = &counted{Store: memstore.New(memstore.Config{ClockOffset: w.elapsed})}
	icfg := jwtauth.IssuerConfig{Issuer: issuerURL, Audience: []string{orders, bills}, Now: w.now}
	cfg := tokenserver.Config{
		Once: w.st, ClientCert: func(*http.Request) *x509.Certificate { return w.cert }, OnEvent: w.events.OnEvent, Now: w.now,
	}
	if set != nil {
		set(&cfg, &icfg)
	}
	w.issuer = must(t)(jwtauth.NewIssuer(ring, w.st, authn.GenerateKeychain(), icfg))
	var err error
	if w.Server, err = tokenserver.New(w.st, w.issuer, cfg); err != nil {
		t.Fatal(err)
	}
	return w
}

func must(t testing.TB) func(i *jwtauth.Issuer, err error) *jwtauth.Issuer {
	return func(i *jwtauth.Issuer, err error) *jwtauth.Issuer {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
}

// ring signs for all worlds.
var ring = authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))

func (w *world) elapsed() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.passed
}

func (w *world) now() time.Time { return w.from.Add(w.elapsed()) }

// forward lets d pass.
func (w *world) forward(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.passed += d
}

// create makes a client of some scopes, for orders and bills.
func (w *world) create(c tokenserver.Client) (tokenserver.Client, string) {
	w.t.Helper()
	if c.Scopes == nil {
		c.Scopes = []string{"orders:read", "orders:write"}
	}
	if c.Audience == nil {
		c.Audience = []string{orders, bills}
	}
	c, secret, err := w.CreateClient(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	return c, secret.Reveal()
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.body[name].(string)
	return s
}

// is fails unless a is that error, in the form of RFC 6749 §5.2.
func (a answer) is(t testing.TB, what string, status int, code string) {
	t.Helper()
	if a.status != status || a.text("error") != code {
		t.Errorf("%s: %d %s, want %d %s", what, a.status, a.raw, status, code)
	}
	if code == "" {
		return
	}
	if description := a.text("error_description"); len(a.body) != 2 || description == "" || strings.ContainsFunc(description, func(c rune) bool {
		return c < ' ' || c > '~' || c == '"' || c == '\\'
	}) {
		t.Errorf("%s: %s", what, a.raw)
	}
	if got := a.header.Get("Content-Type"); got != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: Content-Type %q, X-Content-Type-Options %q", what, got, a.header.Get("X-Content-Type-Options"))
	}
	if retry := a.header.Get("Retry-After"); (status == 429 || status == 503) != (retry != "") {
		t.Errorf("%s: %d with Retry-After %q", what, status, retry)
	}
	if challenge := a.header.Get("WWW-Authenticate"); (status == 401) != strings.HasPrefix(challenge, `Basic realm="`) {
		t.Errorf("%s: %d with WWW-Authenticate %q", what, status, challenge)
	}
}

// do sends a form; parameters are names and values.
func (w *world) do(path string, set func(r *http.Request), parameters ...string) answer {
	w.t.Helper()
	f := url.Values{}
	for i := 0; i < len(parameters); i += 2 {
		f.Add(parameters[i], parameters[i+1])
	}
	r := httptest.NewRequest(http.MethodPost, issuerURL+path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if set != nil {
		set(r)
	}
	return w.serve(r)
}

func (w *world) serve(r *http.Request) answer {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.ServeHTTP(rec, r)
	a := answer{status: rec.Code, header: rec.Header(), raw: strings.TrimSpace(rec.Body.String())}
	if a.raw != "" && json.Unmarshal([]byte(a.raw), &a.body) != nil {
		w.t.Errorf("%d %q is no JSON", a.status, a.raw)
	}
	if r.Method == http.MethodPost && a.header.Get("Cache-Control") != "no-store" {
		w.t.Errorf("%d %s may be cached", a.status, a.raw)
	}
	return a
}

// basic authenticates.
func basic(id, secret string) func(r *http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret)) }
}

// ask is /token by client credentials and Basic.
func (w *world) ask(id, secret string, parameters ...string) answer {
	w.t.Helper()
	return w.do("/token", basic(id, secret), append([]string{"grant_type", "client_credentials"}, parameters...)...)
}

// get is the token of an ask that must succeed.
func (w *world) get(id, secret string, parameters ...string) string {
	w.t.Helper()
	a := w.ask(id, secret, parameters...)
	if a.status != http.StatusOK || a.text("access_token") == "" {
		w.t.Fatalf("%d %s", a.status, a.raw)
	}
	return a.text("access_token")
}

// login is a user's, by client.
func (w *world) login(client string, change ...func(g *jwtauth.Grant)) jwtauth.TokenSet {
	w.t.Helper()
	g := jwtauth.Grant{
		Identity: &authn.Identity{Subject: "ada", Kind: authn.KindUser, Scopes: []string{"orders:read", "orders:write"}, VerifiedAt: w.now()},
		ClientID: client, Refresh: true,
	}
	for _, f := range change {
		f(&g)
	}
	set, err := w.issuer.Issue(w.t.Context(), g)
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

// active is what introspection by Basic says.
func (w *world) active(id, secret, token string) bool {
	w.t.Helper()
	a := w.do("/introspect", basic(id, secret), "token", token)
	if a.status != http.StatusOK {
		w.t.Fatalf("%d %s", a.status, a.raw)
	}
	return a.body["active"] == true
}

// reason is that of the last refusal.
func (w *world) reason() string {
	refused := w.events.Events(authn.EventRefused, authn.EventOutage)
	if len(refused) == 0 {
		return ""
	}
	return refused[len(refused)-1].Reason
}

// claims are a token's, without a look at its signature.
func claims(t testing.TB, token string, segment int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	var m map[string]any
	text, err := base64.RawURLEncoding.DecodeString(parts[segment])
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// signer is a client's key.
type signer struct {
	key crypto.Signer
	kid string
}

func newSigner(kid string) signer {
	return signer{authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), kid}
}

// jwks has the public keys of all.
func jwks(all ...signer) []byte {
	keys := []map[string]string{}
	for _, s := range all {
		point := authn.Must(s.key.Public().(*ecdsa.PublicKey).Bytes())
		b64 := base64.RawURLEncoding.EncodeToString
		keys = append(keys, map[string]string{"kty": "EC", "crv": "P-256", "kid": s.kid, "alg": "ES256", "x": b64(point[1:33]), "y": b64(point[33:])})
	}
	return authn.Must(json.Marshal(map[string]any{"keys": keys}))
}

// sign is an assertion of header and claims, of which change may take some away.
func (s signer) sign(header, claims map[string]any) string {
	t := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims(claims))
	t.Header = header
	return authn.Must(t.SignedString(s.key))
}

// assertion is a good one, unless change makes it another.
func (w *world) assertion(s signer, client string, change ...func(header, claims map[string]any)) string {
	header := map[string]any{"alg": "ES256", "kid": s.kid}
	now := w.now().Unix()
	claims := map[string]any{"iss": client, "sub": client, "aud": issuerURL, "exp": now + 60, "iat": now, "jti": rand.Text()}
	for _, f := range change {
		f(header, claims)
	}
	return s.sign(header, claims)
}

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// askBy is /token by an assertion.
func (w *world) askBy(assertion string, parameters ...string) answer {
	w.t.Helper()
	return w.do("/token", nil, append([]string{
		"grant_type", "client_credentials", "client_assertion_type", jwtBearer, "client_assertion", assertion,
	}, parameters...)...)
}

// certificate is a self-signed one: that a CA vouches is the host's to check.
func certificate(name pkix.Name) *x509.Certificate {
	return certificateOf(&x509.Certificate{Subject: name})
}

func certificateOf(template *x509.Certificate) *x509.Certificate {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template.SerialNumber, template.NotAfter = big.NewInt(1), time.Now().Add(time.Hour)
	der := authn.Must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))
	return authn.Must(x509.ParseCertificate(der))
}

// sorted is for comparing lists of JSON.
func sorted(list any) []string {
	var texts []string
	all, _ := list.([]any)
	for _, v := range all {
		s, _ := v.(string)
		texts = append(texts, s)
	}
	slices.Sort(texts)
	return texts
}
