package password_test

import (
	"context"
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
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

const (
	adasPassword = "a lamp beside the harbour"
	newPassword  = "seven kites above the quarry"
)

// quick is a hasher for tests.
var quick = hasherOf(password.HasherConfig{Argon2: password.Params{MemoryKiB: 64, Time: 1, Threads: 1}, InsecureParams: true})

func hasherOf(cfg password.HasherConfig) *password.Hasher {
	return authn.Must(password.NewHasher(cfg))
}

// house is a host with one user, ada, and what it was told to end.
type house struct {
	*password.Authenticator
	users    *users
	attempts *attempts
	links    *password.OneTime
	events   *authntest.Recorder
	mu       sync.Mutex
	revoked  []string
	onRevoke func() error
	now      atomic.Int64 // an offset
}

func (h *house) clock() time.Time { return time.Now().Add(time.Duration(h.now.Load())) }

func (h *house) revoke(_ context.Context, subject string) error {
	h.mu.Lock()
	h.revoked = append(h.revoked, subject)
	f := h.onRevoke
	h.mu.Unlock()
	if f != nil {
		return f()
	}
	return nil
}

// newHouse is a house with what change makes of its Config.
func newHouse(t *testing.T, change func(cfg *password.Config)) *house {
	t.Helper()
	st := memstore.New(memstore.Config{})
	h := &house{users: &users{PasswordTable: st}, attempts: &attempts{}, events: &authntest.Recorder{}}
	h.links = authn.Must(password.NewOneTime(st, password.OneTimeConfig{OnEvent: h.events.OnEvent, Now: h.clock}))
	cfg := password.Config{
		Hasher: quick, OneTime: h.links, Revoke: authn.RevokerFunc(h.revoke), OnEvent: h.events.OnEvent, Now: h.clock,
	}
	if change != nil {
		change(&cfg)
	}
	a, err := password.New(h.users, h.attempts, cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.Authenticator = a
	h.add(t, "ada", "ada@example.com", authn.Must(cfg.Hasher.Hash(t.Context(), adasPassword)))
	return h
}

func (h *house) add(t *testing.T, subject, name, hash string) {
	t.Helper()
	if err := h.users.CreatePassword(t.Context(), store.Password{Subject: subject, Name: name, Hash: hash}, h.clock()); err != nil {
		t.Fatal(err)
	}
}

func (h *house) hash(t *testing.T, subject string) string {
	t.Helper()
	rec, err := h.users.PasswordBySubject(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Hash
}

// proves reports whether password is that of ada.
func (h *house) proves(t *testing.T, pw string) bool {
	t.Helper()
	id, err := h.Authenticate(post(), "ada@example.com", pw)
	switch {
	case err == nil && id.Subject == "ada":
		return true
	case errors.Is(err, password.ErrWrong):
		return false
	}
	t.Fatalf("%v, %v", id, err)
	return false
}

// post is a request of the site's own page.
func post() *http.Request {
	r := httptest.NewRequest(http.MethodPost, "https://app.example/login", strings.NewReader(""))
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// crossSite is one that another site made a browser send.
func crossSite() *http.Request {
	r := post()
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return r
}

var errServer = errors.New("connection refused")

// users is a table whose server can be told to fail.
type users struct {
	store.PasswordTable
	reads, writes atomic.Bool
	calls         atomic.Int64
	beforeReplace func()
}

func (u *users) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	u.calls.Add(1)
	if u.reads.Load() {
		return store.Password{}, errServer
	}
	return u.PasswordTable.PasswordByName(ctx, name)
}

func (u *users) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	u.calls.Add(1)
	if u.reads.Load() {
		return store.Password{}, errServer
	}
	return u.PasswordTable.PasswordBySubject(ctx, subject)
}

func (u *users) ReplacePasswordHash(ctx context.Context, subject, old, next string, now time.Time) error {
	if u.beforeReplace != nil {
		u.beforeReplace()
	}
	if u.writes.Load() {
		return errServer
	}
	return u.PasswordTable.ReplacePasswordHash(ctx, subject, old, next, now)
}

// attempts says what was reserved and what became of it.
type attempts struct {
	mu     sync.Mutex
	log    []string
	refuse error
}

func (a *attempts) say(what string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.log = append(a.log, what)
}

// said is the log, which is then empty.
func (a *attempts) said() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := strings.Join(a.log, " ")
	a.log = nil
	return s
}

func (a *attempts) Reserve(_ *http.Request, subject, name string) (authn.Attempt, error) {
	if a.refuse != nil {
		return nil, a.refuse
	}
	if subject == "" {
		a.say("reserve(" + name + ")")
	} else {
		a.say("reserve:" + subject)
	}
	return reserved{a}, nil
}

func (a *attempts) Unlock(_ context.Context, subject string) error {
	a.say("unlock:" + subject)
	return nil
}

type reserved struct{ a *attempts }

func (r reserved) Succeeded(context.Context) error {
	r.a.say("succeeded")
	return nil
}

func (r reserved) Cancelled(context.Context) error {
	r.a.say("cancelled")
	return nil
}
