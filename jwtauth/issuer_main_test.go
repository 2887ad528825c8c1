package jwtauth_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	issuerURL  = "https://auth.example"
	issuerAPI  = "https://api.example"
	issuerDocs = "https://docs.example"
	issuerDay  = 24 * time.Hour
)

var (
	issuerCtx     = context.Background()
	errIssuerDown = errors.New("connection refused")
	issuerSecret  = strings.Repeat("k3y-of-the-tests", 4)
)

// issuerClock is a Now that tests move. The store's clock follows it.
type issuerClock struct{ ns atomic.Int64 }

func newIssuerClock() *issuerClock {
	c := &issuerClock{}
	c.ns.Store(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *issuerClock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *issuerClock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// offset makes a memstore's clock this one. It is exact within
// synctest.Test, where time stands still.
func (c *issuerClock) offset() time.Duration { return time.Until(c.Now()) }

// issuerStore counts calls, and fails when it is told to.
type issuerStore struct {
	store.Tokens
	mu     sync.Mutex
	calls  []string
	failAt int  // the failAt-th call from reset fails; -1: all
	late   bool // it fails after it took effect
	before func(call string)
}

// reset counts from here on.
func (s *issuerStore) reset(failAt int, late bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.failAt, s.late = nil, failAt, late
}

func (s *issuerStore) down(down bool) {
	s.reset(0, false)
	if down {
		s.reset(-1, false)
	}
}

func (s *issuerStore) called() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

func (s *issuerStore) call(name string, f func() error) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	fails, late, before := s.failAt == -1 || s.failAt == len(s.calls), s.late, s.before
	s.mu.Unlock()
	if before != nil {
		before(name)
	}
	if fails && !late {
		return errIssuerDown
	}
	if err := f(); !fails {
		return err
	}
	return errIssuerDown
}

func (s *issuerStore) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (reason string, err error) {
	err = s.call("TokenRevoked", func() (err error) { reason, err = s.Tokens.TokenRevoked(ctx, t, now); return err })
	return reason, err
}

func (s *issuerStore) RevokeToken(ctx context.Context, t store.TokenRef, until time.Time) error {
	return s.call("RevokeToken", func() error { return s.Tokens.RevokeToken(ctx, t, until) })
}

func (s *issuerStore) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	return s.call("CreateFamily", func() error { return s.Tokens.CreateFamily(ctx, f) })
}

func (s *issuerStore) Family(ctx context.Context, ref store.FamilyRef) (f store.RefreshFamily, err error) {
	err = s.call("Family", func() (err error) { f, err = s.Tokens.Family(ctx, ref); return err })
	return f, err
}

func (s *issuerStore) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (f store.RefreshFamily, err error) {
	err = s.call("AdvanceFamily", func() (err error) { f, err = s.Tokens.AdvanceFamily(ctx, ref, a); return err })
	return f, err
}

func (s *issuerStore) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	return s.call("RevokeFamily", func() error { return s.Tokens.RevokeFamily(ctx, ref, now) })
}

func (s *issuerStore) TokenVersion(ctx context.Context, subject string, proofAge time.Duration) (n int64, err error) {
	err = s.call("TokenVersion", func() (err error) { n, err = s.Tokens.TokenVersion(ctx, subject, proofAge); return err })
	return n, err
}

func (s *issuerStore) RevokeTokensOf(ctx context.Context, subject string) error {
	return s.call("RevokeTokensOf", func() error { return s.Tokens.RevokeTokensOf(ctx, subject) })
}

// issuerWorld is one service that logs people in.
type issuerWorld struct {
	t      testing.TB
	clock  *issuerClock
	st     *issuerStore
	ring   *jwtauth.KeyRing
	kc     *authn.Keychain
	events *authntest.Recorder
	issuer *jwtauth.Issuer
}

func newIssuerWorld(t testing.TB, change func(cfg *jwtauth.IssuerConfig)) *issuerWorld {
	t.Helper()
	w := &issuerWorld{t: t, clock: newIssuerClock(), kc: authn.GenerateKeychain(), events: &authntest.Recorder{}}
	w.st = &issuerStore{Tokens: memstore.New(memstore.Config{ClockOffset: w.clock.offset})}
	w.ring = issuerRing(t)
	w.issuer = w.instance(change)
	return w
}

func issuerRing(t testing.TB) *jwtauth.KeyRing {
	t.Helper()
	key, err := jwtauth.HMACKey("k1", jwtauth.HS256, authn.NewSecret(issuerSecret))
	if err != nil {
		t.Fatal(err)
	}
	ring, err := jwtauth.NewKeyRing(key)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// instance is another Issuer of the same service: another process, as far as it
// can tell.
func (w *issuerWorld) instance(change func(cfg *jwtauth.IssuerConfig)) *jwtauth.Issuer {
	w.t.Helper()
	cfg := jwtauth.IssuerConfig{
		Issuer: issuerURL, Audience: []string{issuerAPI, issuerDocs}, OnEvent: w.events.OnEvent, Now: w.clock.Now,
	}
	if change != nil {
		change(&cfg)
	}
	issuer, err := jwtauth.NewIssuer(w.ring, w.st, w.kc, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return issuer
}

// ada has just proven her password.
func (w *issuerWorld) ada() *authn.Identity {
	now := w.clock.Now()
	return &authn.Identity{
		Subject: "ada", Kind: authn.KindUser, Method: "password", Scopes: []string{"orders:read", "orders:write"},
		Roles: []string{"editor"}, Factors: []authn.Factor{{Name: "pwd", At: now}}, VerifiedAt: now,
		Attributes: map[string]string{"team": "north"},
	}
}

func (w *issuerWorld) issue(change ...func(g *jwtauth.Grant)) jwtauth.TokenSet {
	w.t.Helper()
	g := jwtauth.Grant{Identity: w.ada()}
	for _, f := range change {
		f(&g)
	}
	set, err := w.issuer.Issue(issuerCtx, g)
	if err != nil {
		w.t.Fatal(err)
	}
	return set
}

// login is with a refresh token.
func (w *issuerWorld) login(change ...func(g *jwtauth.Grant)) jwtauth.TokenSet {
	w.t.Helper()
	set := w.issue(append([]func(g *jwtauth.Grant){func(g *jwtauth.Grant) { g.Refresh = true }}, change...)...)
	if set.Refresh.IsZero() {
		w.t.Fatal("no refresh token")
	}
	return set
}

func (w *issuerWorld) refresh(set jwtauth.TokenSet) jwtauth.TokenSet {
	w.t.Helper()
	next, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	if err != nil {
		w.t.Fatal(err)
	}
	return next
}

// refuses fails unless the refresh token of set is refused as that.
func (w *issuerWorld) refuses(set jwtauth.TokenSet, code, reason string) {
	w.t.Helper()
	got, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{})
	issuerWant(w.t, "Refresh", err, 400, code, reason)
	if !got.Access.IsZero() || !got.Refresh.IsZero() {
		w.t.Error("a refusal with tokens")
	}
}

// alive is why the access token of set is refused, "" if it is good.
func (w *issuerWorld) alive(set jwtauth.TokenSet) string {
	w.t.Helper()
	return issuerReason(w.issuer.Verifier(), set.Access.Reveal())
}

func issuerReason(v *jwtauth.Verifier, access string) string {
	if _, err := v.Verify(issuerBearer(access)); err != nil {
		return authn.AsError(err).Reason
	}
	return ""
}

func issuerBearer(access string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+access)
	return r
}

// issuerWant fails unless err is that; a reason of "" is not looked at.
func issuerWant(t testing.TB, what string, err error, status int, code, reason string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error, want %d %s", what, status, code)
		return
	}
	e := authn.AsError(err)
	if e.Status != status || e.Code != code || reason != "" && e.Reason != reason {
		t.Errorf("%s: %d %s %q (%v), want %d %s %q", what, e.Status, e.Code, e.Reason, err, status, code, reason)
	}
}

// issuerDecoded is a segment of a token: 0 the header, 1 the claims.
func issuerDecoded(t testing.TB, token string, segment int) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%d segments", len(parts))
	}
	text, err := base64.RawURLEncoding.Strict().DecodeString(parts[segment])
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return object
}

func issuerClaims(t testing.TB, set jwtauth.TokenSet) map[string]any {
	t.Helper()
	return issuerDecoded(t, set.Access.Reveal(), 1)
}

// issuerBy is a Grant's change.
func issuerBy(f func(id *authn.Identity)) func(g *jwtauth.Grant) {
	return func(g *jwtauth.Grant) { f(g.Identity) }
}
