package integration_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
	"github.com/gatehouse-go/authn/store/sqlstore"
)

// sessionDeed is what one request does to its session.
type sessionDeed struct {
	name string
	do   func(p *sessionProcess, w http.ResponseWriter, r *http.Request) error
	ends bool // the token that it came with is dead afterwards
}

var sessionDeeds = []sessionDeed{
	{"Verify", verifyInRace, false},
	{"touch", verifyInRace, false}, // when the last one is long ago
	{"Update", func(p *sessionProcess, w http.ResponseWriter, r *http.Request) error {
		return p.Update(w, r, func(d *session.Data) error {
			n, _, err := racedCount.Get(d)
			return errors.Join(err, racedCount.Set(d, n+1))
		})
	}, false},
	{"Login", func(p *sessionProcess, w http.ResponseWriter, r *http.Request) error {
		id, _ := authn.FromContext(r.Context()) // proven before the race
		_, err := p.Login(w, r, id, session.LoginOptions{})
		return err
	}, true},
	{"AddFactor", func(p *sessionProcess, w http.ResponseWriter, r *http.Request) error {
		_, err := p.AddFactor(w, r, authn.Factor{Name: "otp", At: p.now})
		return err
	}, true},
	{"Logout", func(p *sessionProcess, w http.ResponseWriter, r *http.Request) error { return p.Logout(w, r) }, true},
	{"RevokeSubject", func(p *sessionProcess, _ http.ResponseWriter, r *http.Request) error {
		id, _ := authn.FromContext(r.Context())
		return p.RevokeSubject(r.Context(), id.Subject)
	}, true},
}

func verifyInRace(p *sessionProcess, _ http.ResponseWriter, r *http.Request) error {
	_, err := p.Verify(r)
	return err
}

var racedCount = session.NewKey[int]("count")

// sessionOrders say when one request of two goes on.
var sessionOrders = []string{"both at once", "writes at once", "the second within the first", "the first within the second"}

// S6, S9: of every two things that happen to a session at once, in two
// processes, neither undoes the other, on any store: what was written is there,
// a token that was ended stays dead, and only who was answered so has a new
// one. Nothing that was proven before a revocation outlives it. No request fails
// because another one was there, but where that ended what it is about.
func TestEveryPairOfSessionRequestsRaces(t *testing.T) {
	const rounds = 2 // of each order
	onSessionStores(t, func(t *testing.T, stores [2]store.Sessions) {
		for i, x := range sessionDeeds {
			for _, y := range sessionDeeds[i:] {
				t.Run(x.name+" and "+y.name, func(t *testing.T) {
					for round := range rounds * len(sessionOrders) {
						order := round % len(sessionOrders)
						subject := fmt.Sprintf("%s and %s %d, %s", x.name, y.name, round, sessionOrders[order])
						s := newSessionRace(t, stores, subject, order, [2]sessionDeed{x, y})
						s.run()
						s.settled(t)
					}
				})
			}
		}
	})
}

// onSessionStores runs f with two stores over each of the same records.
func onSessionStores(t *testing.T, f func(t *testing.T, stores [2]store.Sessions)) {
	onSQL(t, func(t *testing.T, b sqlBackend) {
		t.Parallel()
		driver, dsn, schema := b.space(t)
		var stores [2]store.Sessions
		for i := range stores {
			s := newStore(t, openDB(t, driver, dsn), b.dialect, sqlstore.Config{Schema: schema})
			if err := s.Open(t.Context()); err != nil {
				t.Fatal(err)
			}
			stores[i] = s
		}
		f(t, stores)
	})
	for name, open := range redisBackends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			prefix := fmt.Sprintf("sessions%d:", redisPrefixes.Add(1))
			var stores [2]store.Sessions
			for i := range stores {
				stores[i] = openRedis(t, open(t), redisstore.Config{KeyPrefix: prefix})
			}
			f(t, stores)
		})
	}
}

// sessionProcess is a Manager of its own, over a store of its own.
type sessionProcess struct {
	*session.Manager
	st  *heldStore
	now time.Time
}

func newSessionProcess(t *testing.T, st store.Sessions, now time.Time) *sessionProcess {
	t.Helper()
	p := &sessionProcess{st: &heldStore{Sessions: st, held: func() {}}, now: now}
	m, err := session.New(p.st, session.Config{
		Now: func() time.Time { return p.now },
		OnEvent: func(_ context.Context, e authn.Event) {
			// Also of a touch that failed, or that left a piece of a dead session.
			if e.Kind == authn.EventOutage || e.Kind == authn.EventWarning || errors.Is(e.Err, store.ErrDamaged) {
				t.Errorf("%s %s: %s: %v", e.Kind, e.Subject, e.Reason, e.Err)
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Manager = m
	return p
}

// heldStore calls held before each write.
type heldStore struct {
	store.Sessions
	held func()
}

func (s *heldStore) CreateSession(ctx context.Context, n store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	s.held()
	return s.Sessions.CreateSession(ctx, n, replaces, most, proofAge, now)
}

func (s *heldStore) RotateSession(ctx context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	s.held()
	return s.Sessions.RotateSession(ctx, ref, next, now)
}

func (s *heldStore) UpdateSessionData(ctx context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	s.held()
	return s.Sessions.UpdateSessionData(ctx, ref, revision, data, now)
}

func (s *heldStore) TouchSession(ctx context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	s.held()
	return s.Sessions.TouchSession(ctx, ref, idleUntil, now)
}

func (s *heldStore) DeleteSession(ctx context.Context, ref store.SessionRef) error {
	s.held()
	return s.Sessions.DeleteSession(ctx, ref)
}

func (s *heldStore) RevokeSession(ctx context.Context, subject, id string, now time.Time) error {
	s.held()
	return s.Sessions.RevokeSession(ctx, subject, id, now)
}

func (s *heldStore) RevokeSessionsOf(ctx context.Context, subject, except string) error {
	s.held()
	return s.Sessions.RevokeSessionsOf(ctx, subject, except)
}

// sessionRace is of two requests with one cookie.
type sessionRace struct {
	deeds     [2]sessionDeed
	order     int // of sessionOrders
	processes [2]*sessionProcess
	subject   string
	began     time.Time
	cookie    string
	id        string // of the session
	requests  [2]*http.Request

	// What came of them: errs, and the cookies that they set.
	errs  [2]error
	after [2]string
}

// newSessionRace logs in. Then it is a minute later, or so late that a touch is
// due, with both requests as they are behind Require.
func newSessionRace(t *testing.T, stores [2]store.Sessions, subject string, order int, deeds [2]sessionDeed) *sessionRace {
	t.Helper()
	s := &sessionRace{deeds: deeds, order: order, subject: subject, began: time.Now().UTC().Truncate(time.Microsecond)}
	for k := range s.processes {
		s.processes[k] = newSessionProcess(t, stores[k], s.began)
	}
	id := &authn.Identity{
		Subject: subject, Kind: authn.KindUser, Method: "password",
		Factors: []authn.Factor{{Name: "pwd", At: s.began}}, VerifiedAt: s.began,
	}
	w := httptest.NewRecorder()
	if _, err := s.processes[0].Login(w, sessionRequest(""), id, session.LoginOptions{}); err != nil {
		t.Fatalf("%s: %v", subject, err)
	}
	s.cookie = cookieSet(w)
	later := time.Minute
	if deeds[0].name == "touch" || deeds[1].name == "touch" {
		later = 10 * time.Minute
	}
	for k, p := range s.processes {
		r := sessionRequest(s.cookie)
		id, err := p.Verify(r)
		if err != nil {
			t.Fatalf("%s: process %d: %v", subject, k, err)
		}
		s.id, s.requests[k] = id.CredentialID, r.WithContext(authn.NewContext(r.Context(), id))
		p.now = s.began.Add(later)
	}
	return s
}

func sessionRequest(cookie string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/", nil)
	if cookie != "" {
		r.AddCookie(&http.Cookie{Name: "__Host-session", Value: cookie})
	}
	return r
}

// cookieSet is that of an answer, "" if there is none or it takes it away.
func cookieSet(w *httptest.ResponseRecorder) string {
	for _, c := range w.Result().Cookies() {
		if c.MaxAge >= 0 {
			return c.Value
		}
	}
	return ""
}

// run makes both requests in their order.
func (s *sessionRace) run() {
	var writes, ends [2]chan struct{} // are closed when it is about to write, and when it has ended
	for k := range s.deeds {
		writes[k], ends[k] = make(chan struct{}), make(chan struct{})
	}
	var wg sync.WaitGroup
	for k, p := range s.processes {
		other := 1 - k
		about := sync.OnceFunc(func() { close(writes[k]) })
		p.st.held = sync.OnceFunc(func() {
			about()
			switch s.order {
			case 1:
				<-writes[other]
			case 2 + k:
				<-ends[other]
			}
		})
		wg.Go(func() {
			defer close(ends[k])
			defer about()
			if s.order == 2+other {
				<-writes[other]
			}
			w := httptest.NewRecorder()
			s.errs[k] = s.deeds[k].do(p, w, s.requests[k])
			s.after[k] = cookieSet(w)
		})
	}
	wg.Wait()
}

// did reports whether the k-th did the deed.
func (s *sessionRace) did(k int, name string) bool {
	return s.deeds[k].name == name && s.errs[k] == nil
}

// settled judges the answers, and what is there when both are done.
func (s *sessionRace) settled(t *testing.T) {
	t.Helper()
	for k := range s.deeds {
		if !s.mayAnswer(k) {
			t.Errorf("%s: %s: %v", s.subject, s.deeds[k].name, s.errs[k])
		}
	}
	if s.did(0, "AddFactor") && s.did(1, "AddFactor") {
		t.Errorf("%s: one token was rotated twice", s.subject)
	}
	// Listed first: Verify touches.
	p := s.processes[0]
	infos, _, err := p.List(t.Context(), s.subject, store.Page{})
	if err != nil {
		t.Fatalf("%s: %v", s.subject, err)
	}
	listed := map[string]session.Info{}
	for _, info := range infos {
		listed[info.ID] = info
	}
	alive := 0
	if s.checkFirst(t) {
		alive++
	}
	for k := range s.after {
		if s.after[k] != "" && s.checkAfter(t, k, listed) {
			alive++
		}
	}
	if len(infos) != alive {
		t.Errorf("%s: %d sessions are listed, %d tokens are good", s.subject, len(infos), alive)
	}
	if info, ok := listed[s.id]; ok && !info.SeenAt.Equal(s.seen()) {
		t.Errorf("%s: seen at %s, want %s", s.subject, info.SeenAt, s.seen())
	}
	if (s.did(0, "RevokeSubject") || s.did(1, "RevokeSubject")) && alive != 0 {
		t.Errorf("%s: %d sessions outlive the revocation", s.subject, alive)
	}
}

// mayAnswer reports whether the k-th may have ended as it did, beside the other.
func (s *sessionRace) mayAnswer(k int) bool {
	err, other := s.errs[k], s.deeds[1-k]
	if err == nil {
		return true
	}
	switch s.deeds[k].name {
	case "Login":
		return other.name == "RevokeSubject" && errors.Is(err, store.ErrConflict) && authn.AsError(err).Status == http.StatusUnauthorized
	case "Logout", "RevokeSubject":
		return false
	default:
		return other.ends && errors.Is(err, authn.ErrNoCredential)
	}
}

// checkFirst is whether the token of before is good: as long as nobody ended it.
func (s *sessionRace) checkFirst(t *testing.T) (good bool) {
	t.Helper()
	_, err := s.processes[1].Verify(sessionRequest(s.cookie))
	if err != nil && !errors.Is(err, authn.ErrNoCredential) {
		t.Fatalf("%s: %v", s.subject, err)
	}
	ended := s.deeds[0].ends && s.errs[0] == nil || s.deeds[1].ends && s.errs[1] == nil
	if good := err == nil; good == ended {
		t.Errorf("%s: the token of before is good: %v, was ended: %v", s.subject, good, ended)
	}
	if err == nil {
		s.checkCount(t, s.cookie, s.writes())
	}
	return err == nil
}

// checkAfter is whether the token that the k-th got is good, in the other
// process: unless the other deed ended it, too. Logout and Login end a session
// that was there when they looked, also under a new token; both at once, they may
// look later.
func (s *sessionRace) checkAfter(t *testing.T, k int, listed map[string]session.Info) (good bool) {
	t.Helper()
	deed, other := s.deeds[k].name, s.deeds[1-k].name
	loggedOut := deed == "AddFactor" && (other == "Logout" || other == "Login")
	id, err := s.processes[1-k].Verify(sessionRequest(s.after[k]))
	if err != nil {
		mayEnd := other == "RevokeSubject" || loggedOut
		if !mayEnd || !errors.Is(err, authn.ErrNoCredential) {
			t.Errorf("%s: %s gave a token: %v", s.subject, deed, err)
		}
		return false
	}
	if loggedOut && s.order != 0 {
		t.Errorf("%s: the new token outlives %s", s.subject, other)
	}
	if _, ok := listed[id.CredentialID]; !ok || id.Subject != s.subject {
		t.Errorf("%s: %s gave %s of %s, listed: %v", s.subject, deed, id.CredentialID, id.Subject, ok)
	}
	_, otp := id.FactorAt("otp")
	if rotated := deed == "AddFactor"; rotated != (id.CredentialID == s.id) || rotated != otp {
		t.Errorf("%s: %s gave %s with the factor %v, before it %s", s.subject, deed, id.CredentialID, otp, s.id)
	}
	want := 0
	if deed == "AddFactor" {
		want = s.writes()
	}
	s.checkCount(t, s.after[k], want)
	return true
}

// writes is how many Updates were answered well.
func (s *sessionRace) writes() (n int) {
	for k := range s.deeds {
		if s.did(k, "Update") {
			n++
		}
	}
	return n
}

// seen is when the session was last, as the store is to know.
func (s *sessionRace) seen() time.Time {
	for k := range s.deeds {
		if s.did(k, "touch") || s.did(k, "AddFactor") {
			return s.processes[k].now
		}
	}
	return s.began
}

// checkCount wants that all writes are in the session's data.
func (s *sessionRace) checkCount(t *testing.T, cookie string, want int) {
	t.Helper()
	d, err := s.processes[0].Data(sessionRequest(cookie))
	if err != nil {
		t.Fatalf("%s: %v", s.subject, err)
	}
	if n, _, err := racedCount.Get(d); err != nil || n != want {
		t.Errorf("%s: %d writes are there, %d were answered (%v)", s.subject, n, want, err)
	}
}
