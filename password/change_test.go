package password_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

var about = password.About{Name: "ada", Email: "ada@example.com", Service: "acme"}

// P7, P13: a changed password ends everything else, before and after; its
// Identity is newer than that.
func TestChange(t *testing.T) {
	h := newHouse(t, nil)
	before := h.hash(t, "ada")
	token := authn.Must(h.links.Issue(t.Context(), password.Link{Purpose: "magic", Subject: "ada"}))
	var hashes []string
	var last time.Time
	h.onRevoke = func() error {
		hashes = append(hashes, h.hash(t, "ada"))
		last = time.Now()
		return nil
	}
	id, err := h.Change(post(), "ada", adasPassword, newPassword, about)
	if err != nil {
		t.Fatal(err)
	}
	if id.Subject != "ada" || !id.VerifiedAt.After(last) {
		t.Errorf("Identity %+v, everything was ended at %s", id, last)
	}
	if _, ok := id.FactorAt("pwd"); !ok {
		t.Error("no factor pwd")
	}
	if len(hashes) != 2 || hashes[0] != before || hashes[1] == before {
		t.Errorf("Revoke was called with the hashes %q: want the old and the new one", hashes)
	}
	if _, err := h.links.Peek(t.Context(), "magic", token.Reveal()); !errors.Is(err, password.ErrToken) {
		t.Errorf("another one-time token: %v", err)
	}
	if got := h.attempts.said(); got != "reserve:ada succeeded unlock:ada" {
		t.Errorf("attempts: %s", got)
	}
	if h.proves(t, adasPassword) || !h.proves(t, newPassword) {
		t.Error("the old password counts, or the new one does not")
	}
	if events := h.events.Events(authn.EventPasswordChanged); len(events) != 1 || events[0].Subject != "ada" {
		t.Errorf("events %+v", events)
	}
}

// P7: the current password is a guess; what is refused changes and ends
// nothing.
func TestChangeRefused(t *testing.T) {
	for _, c := range []struct {
		name, subject, current, next string
		want                         error // nil: a *PolicyError
		reserved                     string
	}{
		{"wrong", "ada", "nope", newPassword, password.ErrWrong, "reserve:ada"},
		{"none", "ada", "", newPassword, password.ErrWrong, "reserve:ada"},
		{"weak", "ada", adasPassword, "password", nil, "reserve:ada succeeded"},
		{"huge", "ada", adasPassword, strings.Repeat("x", 1<<20), nil, "reserve:ada succeeded"},
		{"unknown subject", "nobody", "", newPassword, password.ErrWrong, "reserve()"},
		{"user without one, one given", "bob", "nope", newPassword, password.ErrWrong, "reserve:bob"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHouse(t, nil)
			h.add(t, "bob", "bob@example.com", "")
			before := h.hash(t, "ada")
			id, err := h.Change(post(), c.subject, c.current, c.next, about)
			var policy *password.PolicyError
			if id != nil || c.want != nil && !errors.Is(err, c.want) || c.want == nil && !errors.As(err, &policy) {
				t.Errorf("%v, %v; want %v", id, err, c.want)
			}
			if got := h.attempts.said(); got != c.reserved {
				t.Errorf("attempts: %s, want %s", got, c.reserved)
			}
			if h.hash(t, "ada") != before || h.hash(t, "bob") != "" || len(h.revoked) > 0 {
				t.Errorf("it changed or ended something: %q", h.revoked)
			}
		})
	}
}

// P7: who has no password yet sets the first one.
func TestFirstPassword(t *testing.T) {
	h := newHouse(t, nil)
	h.add(t, "bob", "bob@example.com", "")
	if _, err := h.Change(post(), "bob", "", newPassword, about); err != nil {
		t.Fatal(err)
	}
	if id, err := h.Authenticate(post(), "bob@example.com", newPassword); err != nil || id.Subject != "bob" {
		t.Errorf("%v, %v", id, err)
	}
}

// P7: a password that somebody else changes meanwhile stays theirs: who has the
// old one does not win over the owner's reset.
func TestChangeLosesToAnother(t *testing.T) {
	h := newHouse(t, nil)
	owners := authn.Must(quick.Hash(t.Context(), "what the owner has chosen"))
	var once sync.Once
	h.onRevoke = func() error { // between the proof and the change
		once.Do(func() {
			if err := h.users.ReplacePasswordHash(t.Context(), "ada", h.hash(t, "ada"), owners, time.Now()); err != nil {
				t.Error(err)
			}
		})
		return nil
	}
	if _, err := h.Change(post(), "ada", adasPassword, newPassword, about); !errors.Is(err, store.ErrConflict) {
		t.Errorf("error %v, want ErrConflict", err)
	}
	if h.hash(t, "ada") != owners {
		t.Error("the owner's password was overwritten")
	}
}

// P13: of many changes at once one wins, and its password is the one that counts.
func TestChangesRace(t *testing.T) {
	h := newHouse(t, nil)
	var won atomic.Int64
	var winner atomic.Value
	var all sync.WaitGroup
	for i := range 20 {
		next := newPassword + string(rune('a'+i))
		all.Go(func() {
			if _, err := h.Change(post(), "ada", adasPassword, next, about); err == nil {
				won.Add(1)
				winner.Store(next)
			} else if !errors.Is(err, store.ErrConflict) && !errors.Is(err, password.ErrWrong) && !errors.Is(err, password.ErrBusy) {
				t.Errorf("loser: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Fatalf("%d changes won", won.Load())
	}
	if !h.proves(t, winner.Load().(string)) || h.proves(t, adasPassword) {
		t.Error("another password counts than the winner's")
	}
}

// P13: what cannot be ended keeps the old password, and can be tried again;
// when it fails afterwards, that is said.
func TestRevokeFails(t *testing.T) {
	h := newHouse(t, nil)
	calls, failing := 0, 1
	h.onRevoke = func() error {
		if calls++; calls == failing {
			return errServer
		}
		return nil
	}
	if _, err := h.Change(post(), "ada", adasPassword, newPassword, about); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("error %v, want 503", err)
	}
	if !h.proves(t, adasPassword) {
		t.Fatal("the password was changed before everything was ended")
	}
	if _, err := h.Change(post(), "ada", adasPassword, newPassword, about); err != nil {
		t.Errorf("again: %v", err)
	}

	calls, failing = 0, 2
	if _, err := h.Change(post(), "ada", newPassword, adasPassword, about); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("error %v, want 503", err)
	}
}

// P13: a session that a thief makes with the old password while it is being
// changed does not outlive the change, and the owner's next one does.
func TestThiefsLoginDuringAChange(t *testing.T) {
	st := memstore.New(memstore.Config{})
	sessions := authn.Must(session.New(st, session.Config{}))
	h := newHouse(t, func(cfg *password.Config) { cfg.Revoke = nil; cfg.SkipRevoke = true })
	var thief, late *authn.Identity
	var cookie string
	signIn := func(id *authn.Identity) (string, error) {
		w := newRecorder()
		_, err := sessions.Login(w, post(), id, session.LoginOptions{})
		return strings.SplitN(w.Header().Get("Set-Cookie"), ";", 2)[0], err
	}
	calls := 0
	revoke := func(ctx context.Context, subject string) error {
		calls++
		err := sessions.RevokeSubject(ctx, subject)
		if calls == 1 { // the hash is the old one still
			thief = authn.Must(h.Authenticate(post(), "ada@example.com", adasPassword))
			late = authn.Must(h.Authenticate(post(), "ada@example.com", adasPassword))
			var e error
			if cookie, e = signIn(thief); e != nil {
				t.Errorf("the thief's login fails already: %v", e)
			}
		}
		return err
	}
	a := authn.Must(password.New(h.users, h.attempts, password.Config{Hasher: quick, Revoke: authn.RevokerFunc(revoke)}))
	id, err := a.Change(post(), "ada", adasPassword, newPassword, about)
	if err != nil {
		t.Fatal(err)
	}
	r := post()
	r.Header.Set("Cookie", cookie)
	if got, err := sessions.Verify(r); err == nil {
		t.Errorf("the thief's session lives: %+v", got)
	}
	if _, err := signIn(late); err == nil {
		t.Error("a login by the old password becomes a session after the change")
	}
	if _, err := signIn(id); err != nil {
		t.Errorf("the owner's login: %v", err)
	}
}

// P9, P10: all that is wrong is said at once, with what is breached; a list
// that is down is an event, or 503 where the host wants it.
func TestPrepare(t *testing.T) {
	list := &breached{n: 7}
	h := newHouse(t, func(cfg *password.Config) { cfg.Breached = list })
	_, err := h.Prepare(t.Context(), "ada@example.com", about)
	var weak *password.PolicyError
	if !errors.As(err, &weak) {
		t.Fatal(err)
	}
	var codes []string
	for _, v := range weak.Violations {
		codes = append(codes, v.Code)
	}
	if got := strings.Join(codes, " "); !strings.Contains(got, "similar") || !strings.HasSuffix(got, "breached") {
		t.Errorf("violations: %s", got)
	}
	if authn.AsError(err).Status != http.StatusUnprocessableEntity {
		t.Errorf("status %d, want 422", authn.AsError(err).Status)
	}
	if _, err := h.Prepare(t.Context(), newPassword, about); !errors.As(err, &weak) || len(weak.Violations) != 1 || weak.Violations[0].Code != "breached" {
		t.Errorf("error %v, want breached only", err)
	}

	list.n = 0
	hash, err := h.Prepare(t.Context(), newPassword, about)
	if err != nil || !strings.HasPrefix(hash, "$argon2id$") {
		t.Errorf("%.12s, %v", hash, err)
	}

	list.err = errServer
	if _, err := h.Prepare(t.Context(), newPassword, about); err != nil {
		t.Errorf("fail open: %v", err)
	}
	if events := h.events.Events(authn.EventOutage); len(events) != 1 || !errors.Is(events[0].Err, errServer) {
		t.Errorf("events %+v", events)
	}
	closed := newHouse(t, func(cfg *password.Config) { cfg.Breached = list; cfg.BreachedFailClosed = true })
	if _, err := closed.Prepare(t.Context(), newPassword, about); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("fail closed: %v", err)
	}
	if _, err := closed.Prepare(t.Context(), "short", about); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("fail closed, weak: %v", err)
	}
}

// P10: a login asks no list.
func TestBreachesAreNotAskedAtLogin(t *testing.T) {
	list := &breached{n: 1}
	h := newHouse(t, func(cfg *password.Config) { cfg.Breached = list })
	if !h.proves(t, adasPassword) || list.calls != 0 {
		t.Errorf("%d calls", list.calls)
	}
}

type breached struct {
	n, calls int
	err      error
}

func (b *breached) Count(context.Context, [20]byte) (int, error) {
	b.calls++
	return b.n, b.err
}

// P13: whatever a Revoker answers is an outage, and its error stays its own.
func TestAnErrorOfRevokeIsAnOutage(t *testing.T) {
	shared := &authn.Error{Status: http.StatusUnauthorized, Code: "invalid_token"}
	h := newHouse(t, nil)
	h.onRevoke = func() error { return shared }
	_, err := h.Change(post(), "ada", adasPassword, newPassword, about)
	if authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, shared) {
		t.Errorf("error %v, want 503", err)
	}
	if shared.Reported {
		t.Error("an error that is shared was changed")
	}
}

// P13: a client that goes away stops no change halfway, and what fails then is
// an event all the same.
func TestAClientThatGoesStopsNoChange(t *testing.T) {
	for _, fails := range []error{nil, errServer} {
		h := newHouse(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		h.onRevoke = func() error {
			cancel()
			if len(h.revoked) == 2 {
				return fails
			}
			return nil
		}
		_, err := h.Change(post().WithContext(ctx), "ada", adasPassword, newPassword, about)
		if !h.proves(t, newPassword) || len(h.revoked) != 2 {
			t.Errorf("halfway: ended %d times, %v", len(h.revoked), err)
		}
		if events := h.events.Events(authn.EventOutage); fails != nil && (len(events) != 1 || !errors.Is(events[0].Err, errServer)) {
			t.Errorf("events %+v", events)
		}
	}
}

// P9: nobody's password is the name that they sign in with, also where the
// host does not say it.
func TestTheOwnNameIsNoPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		var weak *password.PolicyError
		for _, about := range []password.About{{Service: "shop"}, {Name: "Countess Lovelace", Service: "shop"}} {
			if _, err := h.Change(post(), "ada", adasPassword, "ada@example.com", about); !errors.As(err, &weak) {
				t.Errorf("Change, %+v: %v", about, err)
			}
			_, token := forgot(t, h, "ada@example.com")
			if _, err := h.Reset(post(), token, "ada@example.com", about); !errors.As(err, &weak) {
				t.Errorf("Reset, %+v: %v", about, err)
			}
		}
	})
}

// P13: the owner's reset, while a thief's change is not over, ends what the
// thief's change would become.
func TestResetDuringAThiefsChange(t *testing.T) {
	st := memstore.New(memstore.Config{})
	sessions := authn.Must(session.New(st, session.Config{}))
	links := authn.Must(password.NewOneTime(st, password.OneTimeConfig{}))
	owner := authn.Must(password.New(st, &attempts{}, password.Config{Hasher: quick, Revoke: sessions, OneTime: links}))
	calls := 0
	thief := authn.Must(password.New(st, &attempts{}, password.Config{
		Hasher: quick,
		Revoke: authn.RevokerFunc(func(ctx context.Context, subject string) error {
			if calls++; calls == 2 { // the thief's password counts now
				var token string
				err := owner.Forgot(post(), "ada@example.com", func(_ context.Context, _ string, s authn.Secret) error {
					token = s.Reveal()
					return nil
				})
				if _, e := owner.Reset(post(), token, "what the owner has chosen", about); err != nil || e != nil {
					t.Error(err, e)
				}
			}
			return sessions.RevokeSubject(ctx, subject)
		}),
	}))
	hash := authn.Must(quick.Hash(t.Context(), adasPassword))
	if err := st.CreatePassword(t.Context(), store.Password{Subject: "ada", Name: "ada@example.com", Hash: hash}, time.Now()); err != nil {
		t.Fatal(err)
	}
	id, err := thief.Change(post(), "ada", adasPassword, newPassword, about)
	if id != nil || !errors.Is(err, store.ErrConflict) {
		t.Errorf("%+v, %v; want ErrConflict: its Login would outlive the owner's reset", id, err)
	}
}

// P9: what the host does to its words afterwards changes no Authenticator.
func TestForbiddenWordsAreCopied(t *testing.T) {
	words := []string{"tuatara"}
	h := newHouse(t, func(cfg *password.Config) { cfg.Policy.Forbidden = words })
	words[0] = "osprey"
	var weak *password.PolicyError
	if _, err := h.Prepare(t.Context(), "tuatara-tuataras", about); !errors.As(err, &weak) || codes(weak.Violations) != "similar:forbidden" {
		t.Errorf("error %v, want similar", err)
	}
}

// P10, P6: what ends a request is neither an outage of the list nor a password
// that is weak.
func TestPrepareOfARequestThatEnds(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, list := range map[string]*breached{"no list": nil, "list": {}, "list down": {err: errServer}} {
		h := newHouse(t, func(cfg *password.Config) {
			if list != nil {
				cfg.Breached = list
			}
		})
		if hash, err := h.Prepare(ended, newPassword, about); hash != "" || !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %q, %v, want that it was cancelled", name, hash, err)
		}
		if events := h.events.Events(); len(events) > 0 {
			t.Errorf("%s: events %+v", name, events)
		}
	}
}

// P3: a new password that is too long for bcrypt is refused as one that is too
// long.
func TestPrepareForBcrypt(t *testing.T) {
	h := newHouse(t, func(cfg *password.Config) {
		cfg.Hasher = hasherOf(password.HasherConfig{BcryptCost: 4, InsecureParams: true})
	})
	long := strings.Repeat("seven kites ", 6) // 72 bytes
	if hash, err := h.Prepare(t.Context(), long, about); err != nil || !strings.HasPrefix(hash, "$2") {
		t.Errorf("72 bytes: %.4s, %v", hash, err)
	}
	_, err := h.Prepare(t.Context(), long+"!", about)
	var weak *password.PolicyError
	if !errors.As(err, &weak) || len(weak.Violations) != 1 || weak.Violations[0].Code != "too_long" || weak.Violations[0].Args["max"] != 72 {
		t.Errorf("73 bytes: %v, want too_long", err)
	}
}

// P9: the name that the host gives counts, also where it is not the one that
// the user signs in with.
func TestTheNameOfTheHostIsNoPassword(t *testing.T) {
	h := newHouse(t, nil)
	var weak *password.PolicyError
	if _, err := h.Change(post(), "ada", adasPassword, "Countess-Lovelace", password.About{Name: "Countess Lovelace"}); !errors.As(err, &weak) {
		t.Errorf("Change: %v, want similar", err)
	}
}

// P13: a table that is down while the password is changed is an outage, before
// it is written, or when it is read again.
func TestUsersAreDownDuringAChange(t *testing.T) {
	for name, down := range map[string]func(h *house){
		"written":    func(h *house) { h.users.writes.Store(true) },
		"read again": func(h *house) { h.users.reads.Store(true) },
	} {
		h := newHouse(t, nil)
		h.onRevoke = func() error { down(h); return nil }
		id, err := h.Change(post(), "ada", adasPassword, newPassword, about)
		if id != nil || authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
			t.Errorf("%s: %+v, %v, want 503", name, id, err)
		}
		if events := h.events.Events(authn.EventOutage); len(events) != 1 || !errors.Is(events[0].Err, errServer) {
			t.Errorf("%s: events %+v", name, events)
		}
	}
}
