package session_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	site       = "https://app.example"
	cookieName = "__Host-session"
)

var errDown = errors.New("connection refused")

// clock is a Now that tests move. The store's clock follows it.
type clock struct{ ns atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.ns.Store(time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *clock) Now() time.Time          { return time.Unix(0, c.ns.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.ns.Add(int64(d)) }
func (c *clock) offset() time.Duration   { return time.Until(c.Now()) }

// spy counts calls, fails when it is told to, and lets something happen in
// between.
type spy struct {
	store.Sessions
	mu     sync.Mutex
	calls  []string
	fails  map[string]error  // by the name of the call; "" is all
	late   bool              // it fails after it took effect
	before func(call string) // is not called from within itself
	inside atomic.Bool
	answer func(s store.Session) (store.Session, error) // of SessionByRef
}

func (s *spy) call(name string, f func() error) error {
	s.mu.Lock()
	s.calls = append(s.calls, name)
	fails, late, before := s.fails[name], s.late, s.before
	if fails == nil {
		fails = s.fails[""]
	}
	s.mu.Unlock()
	if before != nil && s.inside.CompareAndSwap(false, true) {
		before(name)
		s.inside.Store(false)
	}
	if fails == nil {
		return f()
	}
	if late {
		_ = f() // the caller does not learn of it
	}
	return fails
}

// reset counts from here on, and nothing fails.
func (s *spy) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls, s.fails, s.late, s.before, s.answer = nil, nil, false, nil, nil
}

// fail lets the call of this name fail, all of "".
func (s *spy) fail(name string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fails = map[string]error{name: err}
}

func (s *spy) called(names ...string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, call := range s.calls {
		if len(names) == 0 || slices.Contains(names, call) {
			n++
		}
	}
	return n
}

// asked is what was called since reset.
func (s *spy) asked() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.calls, " ")
}

func (s *spy) CreateSession(ctx context.Context, n store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	return s.call("Create", func() error { return s.Sessions.CreateSession(ctx, n, replaces, most, proofAge, now) })
}

func (s *spy) SessionByRef(ctx context.Context, ref store.SessionRef, now time.Time) (found store.Session, err error) {
	err = s.call("Read", func() (err error) {
		found, err = s.Sessions.SessionByRef(ctx, ref, now)
		if err == nil && s.answer != nil {
			found, err = s.answer(found)
		}
		return err
	})
	return found, err
}

func (s *spy) RotateSession(ctx context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	return s.call("Rotate", func() error { return s.Sessions.RotateSession(ctx, ref, next, now) })
}

func (s *spy) UpdateSessionData(ctx context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	return s.call("Update", func() error { return s.Sessions.UpdateSessionData(ctx, ref, revision, data, now) })
}

func (s *spy) TouchSession(ctx context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	return s.call("Touch", func() error { return s.Sessions.TouchSession(ctx, ref, idleUntil, now) })
}

func (s *spy) DeleteSession(ctx context.Context, ref store.SessionRef) error {
	return s.call("Delete", func() error { return s.Sessions.DeleteSession(ctx, ref) })
}

func (s *spy) RevokeSession(ctx context.Context, subject, id string, now time.Time) error {
	return s.call("Revoke", func() error { return s.Sessions.RevokeSession(ctx, subject, id, now) })
}

func (s *spy) RevokeSessionsOf(ctx context.Context, subject, except string) error {
	return s.call("RevokeOf", func() error { return s.Sessions.RevokeSessionsOf(ctx, subject, except) })
}

func (s *spy) ListSessions(ctx context.Context, subject string, p store.Page, now time.Time) (ss []store.Session, next string, err error) {
	err = s.call("List", func() (err error) { ss, next, err = s.Sessions.ListSessions(ctx, subject, p, now); return err })
	return ss, next, err
}

// world is a service with sessions.
type world struct {
	t      testing.TB
	clock  *clock
	st     *spy
	events *authntest.Recorder
	*session.Manager
}

func newWorld(t testing.TB, change func(cfg *session.Config)) *world {
	t.Helper()
	w := &world{t: t, clock: newClock(), events: &authntest.Recorder{}}
	w.st = &spy{Sessions: memstore.New(memstore.Config{ClockOffset: w.clock.offset})}
	w.Manager = w.instance(change)
	return w
}

// instance is another Manager of the same service.
func (w *world) instance(change func(cfg *session.Config)) *session.Manager {
	w.t.Helper()
	cfg := session.Config{OnEvent: w.events.OnEvent, Now: w.clock.Now}
	if change != nil {
		change(&cfg)
	}
	m, err := session.New(w.st, cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// user has just proven a password.
func (w *world) user(subject string) *authn.Identity {
	now := w.clock.Now()
	return &authn.Identity{
		Subject: subject, Kind: authn.KindUser, Method: "password", Scopes: []string{"orders:read"}, Roles: []string{"editor"},
		Factors: []authn.Factor{{Name: "pwd", At: now}}, VerifiedAt: now, Attributes: map[string]string{"team": "north"},
	}
}

// tab is a browser's: it keeps cookies.
type tab struct {
	*world
	cookies map[string]string
}

func (w *world) tab() *tab { return &tab{w, map[string]string{}} }

// clone has the same cookies now.
func (b *tab) clone() *tab {
	c := b.tab()
	for name, value := range b.cookies {
		c.cookies[name] = value
	}
	return c
}

func (b *tab) request(method string, header ...string) *http.Request {
	return b.requestTo(method, site+"/", header...)
}

func (b *tab) requestTo(method, target string, header ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	names := make([]string, 0, len(b.cookies))
	for name := range b.cookies {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		r.AddCookie(&http.Cookie{Name: name, Value: b.cookies[name]})
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// take does what the answer says.
func (b *tab) take(rec *httptest.ResponseRecorder) {
	for _, c := range rec.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		} else {
			b.cookies[c.Name] = c.Value
		}
	}
}

// begin is a login that must succeed.
func (b *tab) begin(id *authn.Identity, o session.LoginOptions) *authn.Identity {
	b.t.Helper()
	got, rec, err := b.login(id, o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.take(rec)
	return got
}

func (b *tab) login(id *authn.Identity, o session.LoginOptions) (*authn.Identity, *httptest.ResponseRecorder, error) {
	rec := httptest.NewRecorder()
	got, err := b.Login(rec, b.request(http.MethodPost), id, o)
	return got, rec, err
}

// in is a tab in which the subject is signed in.
func (w *world) in(subject string) *tab {
	w.t.Helper()
	b := w.tab()
	b.begin(w.user(subject), session.LoginOptions{})
	return b
}

func (b *tab) verify() (*authn.Identity, error) { return b.Verify(b.request(http.MethodGet)) }

// good is whose the session is.
func (b *tab) good(what string) *authn.Identity {
	b.t.Helper()
	id, err := b.verify()
	if err != nil {
		b.t.Fatalf("%s: %v", what, err)
	}
	return id
}

// dead fails unless the session is none, for this reason.
func (b *tab) dead(what, reason string) {
	b.t.Helper()
	id, err := b.verify()
	if id != nil {
		b.t.Fatalf("%s: still %s", what, id.Subject)
	}
	wantErr(b.t, what, err, http.StatusUnauthorized, "", reason)
	if !errors.Is(err, authn.ErrNoCredential) {
		b.t.Errorf("%s: %v is not absent", what, err)
	}
}

// update is Update outside Require.
func (b *tab) update(f func(d *session.Data) error) error {
	rec := httptest.NewRecorder()
	err := b.Update(rec, b.request(http.MethodPost), f)
	b.take(rec)
	return err
}

func (b *tab) factor(name string) (*authn.Identity, error) {
	rec := httptest.NewRecorder()
	id, err := b.AddFactor(rec, b.request(http.MethodPost), authn.Factor{Name: name, At: b.clock.Now()})
	b.take(rec)
	return id, err
}

func (b *tab) logout() error {
	rec := httptest.NewRecorder()
	err := b.Logout(rec, b.request(http.MethodPost))
	b.take(rec)
	return err
}

// ctx is that of a handler behind Require.
func (b *tab) ctx() context.Context {
	b.t.Helper()
	return authn.NewContext(context.Background(), b.good("a context"))
}

// signedIn is a request as a handler behind Require has it.
func (b *tab) signedIn(method string) *http.Request {
	b.t.Helper()
	return authntest.Request(b.request(method), b.good("a request"))
}

var (
	count = session.NewKey[int]("count")
	name  = session.NewKey[string]("name")
)

func add(d *session.Data) error {
	n, _, err := count.Get(d)
	if err != nil {
		return err
	}
	return count.Set(d, n+1)
}

// counted is the count in the session's data.
func (b *tab) counted() int {
	b.t.Helper()
	d, err := b.Data(b.request(http.MethodGet))
	if err != nil {
		b.t.Fatal(err)
	}
	n, _, err := count.Get(d)
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// wantErr fails unless err is an *authn.Error of that status, code and, if it
// is not "*", reason.
func wantErr(t testing.TB, what string, err error, status int, code, reason string) {
	t.Helper()
	var e *authn.Error
	if !errors.As(err, &e) {
		t.Errorf("%s: got %v, want %d %q", what, err, status, code)
		return
	}
	if e.Status != status || e.Code != code || reason != "*" && e.Reason != reason {
		t.Errorf("%s: got %d %q %q (%v), want %d %q %q", what, e.Status, e.Code, e.Reason, err, status, code, reason)
	}
}

// answer is what a client sees behind m.
func answer(m func(http.Handler) http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	m(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, ok := authn.FromContext(r.Context()); ok {
			_, _ = w.Write([]byte(id.Subject))
		}
	})).ServeHTTP(rec, r)
	return rec
}
