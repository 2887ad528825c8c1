package password_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// P7: what is unsafe by omission is an error of the constructor, which says
// what to do.
func TestNewRefusesUnsafe(t *testing.T) {
	good := password.Config{Hasher: quick, SkipRevoke: true}
	with := func(change func(cfg *password.Config)) password.Config {
		cfg := good
		change(&cfg)
		return cfg
	}
	users := memstore.New(memstore.Config{})
	for _, c := range []struct {
		name     string
		users    store.Passwords
		attempts authn.AttemptLimiter
		cfg      password.Config
		want     string
	}{
		{"no users", nil, &attempts{}, good, "users' passwords"},
		{"no attempts", users, nil, good, "SkipAttempts"},
		{"attempts and SkipAttempts", users, &attempts{}, with(func(cfg *password.Config) { cfg.SkipAttempts = true }), "SkipAttempts with attempts"},
		{"no Revoke", users, &attempts{}, password.Config{Hasher: quick}, "SkipRevoke"},
		{"Revoke and SkipRevoke", users, &attempts{}, with(func(cfg *password.Config) {
			cfg.Revoke = authn.RevokerFunc(func(context.Context, string) error { return nil })
		}), "SkipRevoke with Revoke"},
		{"nothing to revoke", users, &attempts{}, password.Config{Hasher: quick, Revoke: authn.Revokers{nil, authn.Revokers{}}}, "SkipRevoke"},
		{"fail closed without a list", users, &attempts{}, with(func(cfg *password.Config) { cfg.BreachedFailClosed = true }), "without Breached"},
		{"long cache", users, &attempts{}, with(func(cfg *password.Config) { cfg.BasicCache = time.Minute + 1 }), "BasicCache"},
		{"negative cache", users, &attempts{}, with(func(cfg *password.Config) { cfg.BasicCache = -1 }), "BasicCache"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := password.New(c.users, c.attempts, c.cfg)
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "authn/password: ") {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
	if _, err := password.New(users, nil, with(func(cfg *password.Config) { cfg.SkipAttempts = true })); err != nil {
		t.Error(err)
	}
}

// P7: whatever is wrong, the answer is the same to the byte, and one attempt
// was counted before it was found out.
func TestWrongIsOneAnswer(t *testing.T) {
	h := newHouse(t, nil)
	h.add(t, "bob", "bob@example.com", "")
	h.add(t, "eve", "eve@example.com", "$argon2id$v=19zzz$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA")
	var first string
	for _, c := range []struct{ name, user, password, reserved, reason string }{
		{"wrong password", "ada@example.com", "nope", "reserve:ada", "wrong password"},
		{"empty password", "ada@example.com", "", "reserve:ada", "wrong password"},
		{"huge password", "ada@example.com", strings.Repeat("x", 1<<20), "reserve:ada", "wrong password"},
		{"password with NUL", "ada@example.com", adasPassword + "\x00", "reserve:ada", "wrong password"},
		{"password that is no UTF-8", "ada@example.com", "\xff\xfe", "reserve:ada", "wrong password"},
		{"unknown", "nobody@example.com", "nope", "reserve(nobody@example.com)", "unknown name"},
		{"unknown, another's password", "nobody@example.com", adasPassword, "reserve(nobody@example.com)", "unknown name"},
		{"empty name", "", "nope", "reserve()", "unknown name"},
		{"huge name", strings.Repeat("x", 1<<20), "nope", "reserve()", "unknown name"},
		{"name with NUL", "ada@example.com\x00", "nope", "reserve(ada@example.com\x00)", "unknown name"},
		{"name that is no UTF-8", "\xff", "nope", "reserve()", "unknown name"},
		{"no password", "bob@example.com", "nope", "reserve:bob", "no password"},
		{"no password, none given", "bob@example.com", "", "reserve:bob", "no password"},
		{"damaged hash", "eve@example.com", "nope", "reserve:eve", "damaged hash"},
	} {
		t.Run(c.name, func(t *testing.T) {
			id, err := h.Authenticate(post(), c.user, c.password)
			if id != nil || !errors.Is(err, password.ErrWrong) {
				t.Fatalf("%v, %v; want ErrWrong", id, err)
			}
			if got := h.attempts.said(); got != c.reserved {
				t.Errorf("attempts: %s, want %s", got, c.reserved)
			}
			if e := authn.AsError(err); e.Reason != c.reason || !e.Reported {
				t.Errorf("reason %q, reported %t; want %q", e.Reason, e.Reported, c.reason)
			}
			subject, known := strings.CutPrefix(c.reserved, "reserve:")
			refused := h.events.Events(authn.EventRefused)
			if e := refused[len(refused)-1]; known && e.Subject != subject || !known && e.Subject != "" || e.Reason != c.reason {
				t.Errorf("event %+v", e)
			}
			w := httptest.NewRecorder()
			authn.WriteError(w, nil, err)
			answer := w.Result().Status + w.Body.String()
			if first == "" {
				first = answer
			}
			if answer != first {
				t.Errorf("answer %s, another was %s", answer, first)
			}
		})
	}
	if events := h.events.Events(authn.EventWarning); len(events) != 1 || events[0].Subject != "eve" || events[0].Reason != "damaged hash" || events[0].Err == nil {
		t.Errorf("events %+v, want one of the damaged hash", events)
	}
}

// P7: the Identity is for a Login: its proof began before the user was read.
func TestAuthenticate(t *testing.T) {
	h := newHouse(t, nil)
	began := time.Now()
	for _, name := range []string{"ada@example.com", " Ada@Example.COM\t"} {
		id, err := h.Authenticate(post(), name, adasPassword)
		if err != nil {
			t.Fatal(err)
		}
		at, ok := id.FactorAt("pwd")
		if id.Subject != "ada" || id.Kind != authn.KindUser || id.Method != "password" || !ok || at.Before(began) ||
			id.VerifiedAt.Before(began) || id.VerifiedAt.After(time.Now()) || len(id.Pending) > 0 {
			t.Errorf("Identity %+v", id)
		}
		if got := h.attempts.said(); got != "reserve:ada succeeded" {
			t.Errorf("attempts: %s", got)
		}
	}
	if events := h.events.Events(); len(events) > 0 {
		t.Errorf("events %+v", events)
	}
}

// P5: a password that was typed on another system is the same one.
func TestNormalisedPassword(t *testing.T) {
	h := newHouse(t, nil)
	h.add(t, "zoe", "zo\u00eb@example.com", authn.Must(quick.Hash(t.Context(), "caf\u00e9 by the river")))
	if _, err := h.Authenticate(post(), "ZOE\u0308@example.com", "cafe\u0301 by the river"); err != nil {
		t.Error(err)
	}
}

// P7: an outage, a full queue and a lock are what they are, and are no guess.
func TestOutageIsNoWrongPassword(t *testing.T) {
	h := newHouse(t, nil)
	h.users.reads.Store(true)
	if _, err := h.Authenticate(post(), "ada@example.com", adasPassword); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("users down: %v", err)
	}
	if _, err := h.Confirm(post(), "ada", adasPassword); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("users down: Confirm: %v", err)
	}
	if _, err := h.Change(post(), "ada", adasPassword, newPassword, about); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("users down: Change: %v", err)
	}
	if got := h.attempts.said(); got != "" {
		t.Errorf("users down: attempts %s", got)
	}
	if events := h.events.Events(authn.EventOutage); len(events) != 3 {
		t.Errorf("users down: events %+v", events)
	}
	h.users.reads.Store(false)

	h.attempts.refuse = &authn.Error{Status: http.StatusTooManyRequests, Code: "quota_exceeded", RetryAfter: time.Minute}
	if _, err := h.Authenticate(post(), "ada@example.com", adasPassword); !errors.Is(err, h.attempts.refuse) {
		t.Errorf("locked: %v", err)
	}
	h.attempts.refuse = nil

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, reserved := range map[string]string{"ada@example.com": "reserve:ada", "nobody": "reserve(nobody)"} {
		if _, err := h.Authenticate(post().WithContext(ctx), name, adasPassword); err == nil || errors.Is(err, password.ErrWrong) {
			t.Errorf("cancelled, %s: %v", name, err)
		}
		if got := h.attempts.said(); got != reserved+" cancelled" {
			t.Errorf("cancelled, %s: attempts %s", name, got)
		}
	}
}

// P7: a right password renews an old hash, once, and in the way of nobody.
func TestRehash(t *testing.T) {
	old := hasherOf(password.HasherConfig{BcryptCost: 4, InsecureParams: true})
	hash := authn.Must(old.Hash(t.Context(), "tall ships at noon"))

	h := newHouse(t, nil)
	h.add(t, "bob", "bob", hash)
	for range 2 {
		if _, err := h.Authenticate(post(), "bob", "tall ships at noon"); err != nil {
			t.Fatal(err)
		}
		if got := h.hash(t, "bob"); !strings.HasPrefix(got, "$argon2id$") {
			t.Errorf("hash %.12s was not renewed", got)
		}
	}

	h.add(t, "zoe", "zoe", hash)
	if _, err := h.Confirm(post(), "zoe", "tall ships at noon"); err != nil || !strings.HasPrefix(h.hash(t, "zoe"), "$argon2id$") {
		t.Errorf("Confirm renews no hash: %v", err)
	}

	h.add(t, "eve", "eve", hash)
	h.users.writes.Store(true)
	if _, err := h.Authenticate(post(), "eve", "tall ships at noon"); err != nil {
		t.Errorf("a hash that cannot be renewed fails the login: %v", err)
	}
	if events := h.events.Events(authn.EventWarning); len(events) != 1 || !errors.Is(events[0].Err, errServer) || events[0].Subject != "eve" {
		t.Errorf("events %+v", events)
	}
	h.users.writes.Store(false)

	changed := authn.Must(quick.Hash(t.Context(), newPassword))
	h.users.beforeReplace = func() {
		h.users.beforeReplace = nil
		if err := h.users.ReplacePasswordHash(t.Context(), "eve", hash, changed, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if _, err := h.Authenticate(post(), "eve", "tall ships at noon"); err != nil {
		t.Error(err)
	}
	if h.hash(t, "eve") != changed {
		t.Error("renewing a hash overwrote a password that was changed meanwhile")
	}
	if events := h.events.Events(authn.EventWarning); len(events) != 1 {
		t.Errorf("events %+v: who was quicker is none", events)
	}
}

// P7: Confirm is a guess as any, and proves the factor only.
func TestConfirm(t *testing.T) {
	h := newHouse(t, nil)
	began := time.Now()
	f, err := h.Confirm(post(), "ada", adasPassword)
	if err != nil || f.Name != "pwd" || f.At.Before(began) {
		t.Errorf("%+v, %v", f, err)
	}
	for _, subject := range []string{"ada", "nobody", "", strings.Repeat("x", 256)} {
		if f, err := h.Confirm(post(), subject, "nope"); !errors.Is(err, password.ErrWrong) || f.Name != "" {
			t.Errorf("%q: %+v, %v", subject, f, err)
		}
	}
	if got := h.attempts.said(); got != "reserve:ada succeeded reserve:ada reserve() reserve() reserve()" {
		t.Errorf("attempts: %s", got)
	}
}

// P7: a name that nobody has is in no event, since people type their passwords
// there; the same one is recognised.
func TestUnknownNamesAreHashedInEvents(t *testing.T) {
	h := newHouse(t, nil)
	for _, name := range []string{"hunter2hunter2", "hunter2hunter2", "other"} {
		_, _ = h.Authenticate(post(), name, "nope")
	}
	events := h.events.Events(authn.EventRefused)
	if len(events) != 3 {
		t.Fatalf("%d events", len(events))
	}
	if e := events[0]; e.Name == "" || strings.Contains(e.Name, "hunter2") || e.Name != events[1].Name || e.Name == events[2].Name || e.Subject != "" || !e.Addr.IsValid() {
		t.Errorf("events %+v", events)
	}
	other := newHouse(t, nil) // another process
	_, _ = other.Authenticate(post(), "hunter2hunter2", "nope")
	if e := other.events.Events(authn.EventRefused); len(e) != 1 || e[0].Name == events[0].Name {
		t.Errorf("events %+v: a list of passwords would find the name", e)
	}
}

// foundNot is a host's table that answers the row of a disabled user beside
// ErrNotFound.
type foundNot struct{ store.Passwords }

func (f foundNot) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	p, err := f.Passwords.PasswordByName(ctx, name)
	return p, errors.Join(err, store.ErrNotFound)
}

func (f foundNot) PasswordBySubject(ctx context.Context, subject string) (store.Password, error) {
	p, err := f.Passwords.PasswordBySubject(ctx, subject)
	return p, errors.Join(err, store.ErrNotFound)
}

// P7: who is not found is nobody, whatever stands beside the error.
func TestARowBesideErrNotFoundIsNobody(t *testing.T) {
	h := newHouse(t, nil)
	a := authn.Must(password.New(foundNot{h.users}, h.attempts, password.Config{Hasher: quick, SkipRevoke: true}))
	if _, err := a.Authenticate(post(), "ada@example.com", adasPassword); !errors.Is(err, password.ErrWrong) {
		t.Errorf("Authenticate: %v, want ErrWrong", err)
	}
	if _, err := a.Confirm(post(), "ada", adasPassword); !errors.Is(err, password.ErrWrong) {
		t.Errorf("Confirm: %v, want ErrWrong", err)
	}
	if _, err := a.Change(post(), "ada", adasPassword, newPassword, about); !errors.Is(err, password.ErrWrong) {
		t.Errorf("Change: %v, want ErrWrong", err)
	}
}

// P7: a name is one name however it is typed, at the registration, too.
func TestNormalName(t *testing.T) {
	for typed, want := range map[string]string{
		" Ada@Example.com\t": "ada@example.com", "ZOE\u0308": "zo\u00eb", "\u212a": "k", "A\u030a": "\u00e5",
		"": "", " ": "", "\x00": "", "\xff": "",
		strings.Repeat("x", 255): strings.Repeat("x", 255), strings.Repeat("x", 256): "",
		strings.Repeat(" ", 1021) + "ada": "ada", strings.Repeat(" ", 1022) + "ada": "", // which is not even trimmed
	} {
		got, ok := password.NormalName(typed)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%.20q: %q, %t; want %q", typed, got, ok, want)
		}
		if again, _ := password.NormalName(got); ok && again != got {
			t.Errorf("%q: then %q", got, again)
		}
	}
}

// readsThen is a table after whose reading something else happens.
type readsThen struct {
	store.Passwords
	then func()
}

func (u readsThen) PasswordByName(ctx context.Context, name string) (store.Password, error) {
	p, err := u.Passwords.PasswordByName(ctx, name)
	u.then()
	return p, err
}

// P7, P13: a login that read the old hash before everything was ended, and
// proves it afterwards, becomes no session.
func TestALoginInFlightIsRevoked(t *testing.T) {
	h := newHouse(t, nil)
	sessions := authn.Must(session.New(memstore.New(memstore.Config{}), session.Config{}))
	a := authn.Must(password.New(readsThen{h.users, func() {
		if err := sessions.RevokeSubject(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
	}}, h.attempts, password.Config{Hasher: quick, SkipRevoke: true}))
	id := authn.Must(a.Authenticate(post(), "ada@example.com", adasPassword))
	if _, err := sessions.Login(newRecorder(), post(), id, session.LoginOptions{}); err == nil {
		t.Error("it becomes a session")
	}
}

// strict is attempts that want a live context, as every store does.
type strict struct{ attempts }

type strictly struct{ s *strict }

func (s *strict) Reserve(*http.Request, string, string) (authn.Attempt, error) {
	return strictly{s}, nil
}

func (a strictly) Succeeded(ctx context.Context) error { a.s.say("succeeded"); return ctx.Err() }

func (a strictly) Cancelled(ctx context.Context) error { a.s.say("cancelled"); return ctx.Err() }

// ungrateful are attempts that cannot be given back.
type ungrateful struct{ attempts }

func (u *ungrateful) Reserve(*http.Request, string, string) (authn.Attempt, error) { return u, nil }

func (*ungrateful) Succeeded(context.Context) error { return errServer }

func (*ungrateful) Cancelled(context.Context) error { return errServer }

// P7: a client that goes away gets its attempt back all the same, and one that
// cannot be given back is an event and refuses nobody.
func TestAttemptsAreGivenBackToWhoHasGone(t *testing.T) {
	h := newHouse(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	a := authn.Must(password.New(readsThen{h.users, cancel}, &strict{}, password.Config{Hasher: quick, SkipRevoke: true, OnEvent: h.events.OnEvent}))
	_, _ = a.Authenticate(post().WithContext(ctx), "ada@example.com", adasPassword)
	if events := h.events.Events(authn.EventWarning); len(events) > 0 {
		t.Errorf("events %+v", events)
	}
	a = authn.Must(password.New(h.users, &ungrateful{}, password.Config{Hasher: quick, SkipRevoke: true, OnEvent: h.events.OnEvent}))
	if _, err := a.Authenticate(post(), "ada@example.com", adasPassword); err != nil {
		t.Errorf("who is right is refused: %v", err)
	}
	if events := h.events.Events(authn.EventWarning); len(events) != 1 || events[0].Subject != "ada" || !errors.Is(events[0].Err, errServer) {
		t.Errorf("events %+v, want one of the attempt", events)
	}
}
