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
	"github.com/gatehouse-go/authn/store"
)

// forgot asks for a reset, and answers what was sent.
func forgot(t *testing.T, h *house, name string) (subject, token string) {
	t.Helper()
	err := h.Forgot(post(), name, func(_ context.Context, s string, secret authn.Secret) error {
		subject, token = s, secret.Reveal()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return subject, token
}

// P12, P13: a reset sets the password, ends everything else and unlocks the
// account, once.
func TestReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		subject, token := forgot(t, h, " ADA@example.com")
		if subject != "ada" || len(token) != 43 {
			t.Fatalf("%q was sent %q", subject, token)
		}
		_, another := forgot(t, h, "ada@example.com")
		for range 3 { // mail scanners open links
			if l, err := h.links.Peek(t.Context(), password.PurposeReset, token); err != nil || l.Subject != "ada" {
				t.Errorf("%+v, %v", l, err)
			}
		}
		subject, err := h.Reset(post(), token, newPassword, about)
		if err != nil || subject != "ada" {
			t.Fatalf("%q, %v", subject, err)
		}
		if len(h.revoked) != 2 {
			t.Errorf("ended %d times, want before and after", len(h.revoked))
		}
		if got := h.attempts.said(); got != "unlock:ada" {
			t.Errorf("attempts: %s", got)
		}
		if h.proves(t, adasPassword) || !h.proves(t, newPassword) {
			t.Error("the old password counts, or the new one does not")
		}
		for name, token := range map[string]string{"again": token, "another token": another} {
			if _, err := h.Reset(post(), token, "fourteen doors along a hall", about); !errors.Is(err, password.ErrToken) {
				t.Errorf("%s: %v, want ErrToken", name, err)
			}
		}
	})
}

// P12: what does not fit is ErrToken, and a weak password or another site's
// request uses nothing up.
func TestResetRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		_, token := forgot(t, h, "ada@example.com")
		magic := authn.Must(h.links.Issue(t.Context(), password.Link{Purpose: "magic", Subject: "ada"})).Reveal()
		for _, c := range []struct{ name, token string }{
			{"empty", ""},
			{"short", token[:42]},
			{"long", token + "A"},
			{"huge", strings.Repeat("A", 1<<20)},
			{"made up", strings.Repeat("A", 43)},
			{"not canonical", token[:42] + string(token[42]+1)},
			{"no base64url", strings.Repeat("+", 43)},
			{"another purpose", magic},
		} {
			if _, err := h.Reset(post(), c.token, newPassword, about); !errors.Is(err, password.ErrToken) || authn.AsError(err).Status != http.StatusBadRequest {
				t.Errorf("%s: %v, want ErrToken", c.name, err)
			}
		}
		if _, err := h.Reset(crossSite(), token, newPassword, about); authn.AsError(err).Status != http.StatusForbidden {
			t.Errorf("cross-site: %v", err)
		}
		var weak *password.PolicyError
		if _, err := h.Reset(post(), token, "password", about); !errors.As(err, &weak) {
			t.Errorf("weak: %v", err)
		}
		if len(h.revoked) > 0 || !h.proves(t, adasPassword) {
			t.Error("a refused reset changed or ended something")
		}
		if _, err := h.Reset(post(), token, newPassword, about); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// P12: a token ends with its hour, with a changed password, and with its user.
func TestResetTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		_, token := forgot(t, h, "ada@example.com")
		time.Sleep(time.Hour)
		if _, err := h.Reset(post(), token, newPassword, about); !errors.Is(err, password.ErrToken) {
			t.Errorf("after an hour: %v", err)
		}

		_, token = forgot(t, h, "ada@example.com")
		changed := authn.Must(quick.Hash(t.Context(), newPassword))
		if err := h.users.ReplacePasswordHash(t.Context(), "ada", h.hash(t, "ada"), changed, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Reset(post(), token, newPassword, about); !errors.Is(err, password.ErrToken) {
			t.Errorf("after a change elsewhere: %v", err)
		}

		_, token = forgot(t, h, "ada@example.com")
		if err := h.users.DeletePassword(t.Context(), "ada"); err != nil {
			t.Fatal(err)
		}
		if _, err := h.Reset(post(), token, newPassword, about); !errors.Is(err, password.ErrToken) {
			t.Errorf("of a user who is gone: %v", err)
		}
	})
}

// P12: of many resets by one token one wins.
func TestResetsRace(t *testing.T) {
	h := newHouse(t, nil)
	_, token := forgot(t, h, "ada@example.com")
	var won atomic.Int64
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if _, err := h.Reset(post(), token, newPassword+string(rune('a'+i)), about); err == nil {
				won.Add(1)
			} else if !errors.Is(err, password.ErrToken) && !errors.Is(err, password.ErrBusy) {
				t.Errorf("loser: %v", err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 {
		t.Errorf("%d resets won", won.Load())
	}
}

// P13: Forgot answers alike and takes the same time, whoever the name is and
// whatever becomes of the mail.
func TestForgotTellsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		for _, c := range []struct {
			name string
			send func(ctx context.Context, subject string, token authn.Secret) error
		}{
			{"ada@example.com", func(context.Context, string, authn.Secret) error { return nil }},
			{"ada@example.com", func(context.Context, string, authn.Secret) error { return errServer }},
			{"ada@example.com", func(context.Context, string, authn.Secret) error { time.Sleep(150 * time.Millisecond); return nil }},
			{"nobody@example.com", nil},
			{"", nil},
			{strings.Repeat("x", 1<<20), nil},
			{"\xff", nil},
		} {
			began := time.Now()
			if err := h.Forgot(post(), c.name, c.send); err != nil || time.Since(began) != 200*time.Millisecond {
				t.Errorf("%.20q: %v after %s, want nil after 200ms", c.name, err, time.Since(began))
			}
		}
		if events := h.events.Events(); len(events) != 1 || events[0].Kind != authn.EventWarning || events[0].Subject != "ada" || !errors.Is(events[0].Err, errServer) {
			t.Errorf("events %+v, want one of the mail", events)
		}
		h.users.reads.Store(true)
		for _, name := range []string{"ada@example.com", "nobody@example.com", ""} {
			if err := h.Forgot(post(), name, nil); authn.AsError(err).Status != http.StatusServiceUnavailable {
				t.Errorf("users down, %q: %v", name, err)
			}
		}
	})
}

// P12: who asks for mails to another's address again and again gets five, and
// those stay good.
func TestForgotIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		var tokens []string
		for range 20 {
			if _, token := forgot(t, h, "ada@example.com"); token != "" {
				tokens = append(tokens, token)
			}
		}
		if events := h.events.Events(); len(tokens) != 5 || len(events) > 0 {
			t.Fatalf("%d mails, want 5; events %+v", len(tokens), events)
		}
		if _, err := h.Reset(post(), tokens[0], newPassword, about); err != nil {
			t.Errorf("the first token: %v", err)
		}
	})
}

// P12: tokens of the host's own links.
func TestOneTime(t *testing.T) {
	h := newHouse(t, nil)
	link := password.Link{Purpose: "verify-email", Subject: "ada", Bound: "new@example.com"}
	token := authn.Must(h.links.Issue(t.Context(), link)).Reveal()
	if _, err := h.links.Consume(post(), "magic", token); !errors.Is(err, password.ErrToken) {
		t.Errorf("another purpose: %v", err)
	}
	if _, err := h.links.Consume(crossSite(), "verify-email", token); authn.AsError(err).Status != http.StatusForbidden {
		t.Errorf("cross-site: %v", err)
	}
	if got, err := h.links.Consume(post(), "verify-email", token); err != nil || got != link {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := h.links.Consume(post(), "verify-email", token); !errors.Is(err, password.ErrToken) {
		t.Errorf("again: %v", err)
	}
	token = authn.Must(h.links.Issue(t.Context(), link)).Reveal()
	if err := h.links.RevokeSubject(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.links.Peek(t.Context(), "verify-email", token); !errors.Is(err, password.ErrToken) {
		t.Errorf("revoked: %v", err)
	}
	if err := h.links.RevokeSubject(t.Context(), "\x00"); err != nil {
		t.Errorf("nobody: %v", err)
	}
	for i := range 6 {
		token, err := h.links.Issue(t.Context(), link)
		if i < 5 && err != nil || i == 5 && (!errors.Is(err, store.ErrLimit) || token.Reveal() != "") {
			t.Errorf("token %d: %v, want ErrLimit after 5", i+1, err)
		}
	}
}

// P12: Forgot's purpose is its own.
func TestPurposeResetIsForgots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		_, token := forgot(t, h, "ada@example.com")
		if _, err := h.links.Consume(post(), password.PurposeReset, token); authn.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("Consume: %v", err)
		}
		if _, err := h.links.Issue(t.Context(), password.Link{Purpose: password.PurposeReset, Subject: "ada"}); authn.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("Issue: %v", err)
		}
		if _, err := h.Reset(post(), token, newPassword, about); err != nil {
			t.Error(err)
		}
	})
}

// P12: mistakes of the host are 500 or errors of the constructor, before the
// store is asked.
func TestOneTimeRefusesNonsense(t *testing.T) {
	for _, c := range []struct {
		name string
		st   store.OneTime
		ttl  time.Duration
	}{{"no store", nil, 0}, {"over a day", oneTimeDown{}, 24*time.Hour + 1}, {"under a minute", oneTimeDown{}, time.Minute - 1}, {"negative", oneTimeDown{}, -time.Hour}} {
		if _, err := password.NewOneTime(c.st, password.OneTimeConfig{TTL: c.ttl}); err == nil || !strings.HasPrefix(err.Error(), "authn/password: ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, ttl := range []time.Duration{time.Minute, 24 * time.Hour} {
		if _, err := password.NewOneTime(oneTimeDown{}, password.OneTimeConfig{TTL: ttl}); err != nil {
			t.Errorf("%s: %v", ttl, err)
		}
	}
	links := authn.Must(password.NewOneTime(oneTimeDown{}, password.OneTimeConfig{}))
	for _, l := range []password.Link{
		{Subject: "ada"},
		{Purpose: strings.Repeat("p", 65), Subject: "ada"},
		{Purpose: "p\xff", Subject: "ada"},
		{Purpose: "magic"},
		{Purpose: "magic", Subject: "\x00"},
		{Purpose: "magic", Subject: strings.Repeat("x", 256)},
		{Purpose: "magic", Subject: "ada", Bound: strings.Repeat("x", 513)},
		{Purpose: "magic", Subject: "ada", Bound: "\x00"},
	} {
		if _, err := links.Issue(t.Context(), l); authn.AsError(err).Status != http.StatusInternalServerError {
			t.Errorf("%.40q: %v", l, err)
		}
	}
	// What could be good is asked for, and the answer is an outage.
	for _, l := range []password.Link{
		{Purpose: "magic", Subject: "ada"},
		{Purpose: strings.Repeat("p", 64), Subject: strings.Repeat("x", 255), Bound: strings.Repeat("x", 512)},
	} {
		if _, err := links.Issue(t.Context(), l); authn.AsError(err).Status != http.StatusServiceUnavailable {
			t.Errorf("Issue of %.40q: %v", l, err)
		}
	}
	if _, err := links.Peek(t.Context(), "magic", strings.Repeat("A", 42)+"\n"); !errors.Is(err, password.ErrToken) {
		t.Errorf("Peek of 31 bytes and a line end: %v", err)
	}
	if _, err := links.Peek(t.Context(), "magic", strings.Repeat("A", 43)); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("Peek: %v", err)
	}
	if _, err := links.Consume(post(), "magic", strings.Repeat("A", 43)); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("Consume: %v", err)
	}
	if err := links.RevokeSubject(t.Context(), "ada"); authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("RevokeSubject: %v", err)
	}
}

// oneTimeDown is a store whose server is down.
type oneTimeDown struct{}

func (oneTimeDown) CreateOneTime(context.Context, store.OneTimeToken, int, time.Time) error {
	return errServer
}

func (oneTimeDown) OneTimeByDigest(context.Context, store.Digest, time.Time) (store.OneTimeToken, error) {
	return store.OneTimeToken{}, errServer
}

func (oneTimeDown) ClaimOneTime(context.Context, store.Digest, time.Time) (store.OneTimeToken, error) {
	return store.OneTimeToken{}, errServer
}
func (oneTimeDown) RevokeOneTimeOf(context.Context, string) error { return errServer }

// P12: without OneTime there is no Forgot and no Reset, which is the host's
// mistake.
func TestForgotWithoutOneTime(t *testing.T) {
	h := newHouse(t, func(cfg *password.Config) { cfg.OneTime = nil })
	if err := h.Forgot(post(), "ada@example.com", nil); authn.AsError(err).Status != http.StatusInternalServerError {
		t.Error(err)
	}
	if _, err := h.Reset(post(), "", newPassword, about); authn.AsError(err).Status != http.StatusInternalServerError {
		t.Error(err)
	}
}

// P13: OneTime may be among what Config.Revoke ends: that ends the other
// tokens, and not the one that resets.
func TestOneTimeAmongTheRevokers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, func(cfg *password.Config) { cfg.Revoke = authn.Revokers{cfg.Revoke, cfg.OneTime} })
		_, token := forgot(t, h, "ada@example.com")
		magic := authn.Must(h.links.Issue(t.Context(), password.Link{Purpose: "magic", Subject: "ada"})).Reveal()
		if _, err := h.Reset(post(), token, newPassword, about); err != nil {
			t.Errorf("a good token resets nothing: %v", err)
		}
		if _, err := h.links.Peek(t.Context(), "magic", magic); !errors.Is(err, password.ErrToken) {
			t.Errorf("another token: %v", err)
		}
	})
}

// P12: what opens links uses nothing up, also where a host has mounted it so.
func TestLinksUseNothingUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t, nil)
		magic := authn.Must(h.links.Issue(t.Context(), password.Link{Purpose: "magic", Subject: "ada"})).Reveal()
		_, token := forgot(t, h, "ada@example.com")
		for _, method := range []string{http.MethodGet, http.MethodHead, ""} {
			r := crossSite()
			r.Method = method
			if _, err := h.links.Consume(r, "magic", magic); authn.AsError(err).Status != http.StatusMethodNotAllowed {
				t.Errorf("Consume by %q: %v, want 405", method, err)
			}
			if _, err := h.Reset(r, token, newPassword, about); authn.AsError(err).Status != http.StatusMethodNotAllowed {
				t.Errorf("Reset by %q: %v, want 405", method, err)
			}
		}
		if _, err := h.links.Consume(post(), "magic", magic); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if _, err := h.Reset(post(), token, newPassword, about); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// nobody is a host's table that answers no error where there is no row.
type nobody struct{ store.Passwords }

func (nobody) PasswordBySubject(context.Context, string) (store.Password, error) {
	return store.Password{}, nil
}

// P12: a token of a user who is gone resets nothing and ends nothing of "".
func TestResetOfNobody(t *testing.T) {
	h := newHouse(t, nil)
	h.add(t, "bob", "bob", "")
	_, token := forgot(t, h, "bob")
	a := authn.Must(password.New(nobody{h.users}, h.attempts, password.Config{Hasher: quick, OneTime: h.links, Revoke: authn.RevokerFunc(h.revoke)}))
	if _, err := a.Reset(post(), token, newPassword, about); !errors.Is(err, password.ErrToken) || len(h.revoked) > 0 {
		t.Errorf("%v, ended %q", err, h.revoked)
	}
}

// P12: a token that is revoked while it resets, resets nothing.
func TestATokenIsClaimedBeforeItResets(t *testing.T) {
	h := newHouse(t, nil)
	_, token := forgot(t, h, "ada@example.com")
	h.onRevoke = func() error { return h.links.RevokeSubject(context.Background(), "ada") }
	if _, err := h.Reset(post(), token, newPassword, about); !errors.Is(err, password.ErrToken) || !h.proves(t, adasPassword) {
		t.Errorf("%v, want ErrToken and the old password", err)
	}
}

// P12: a password that is changed while a token resets it stays as it was
// changed, and a table that is down then is an outage.
func TestResetLosesToAnother(t *testing.T) {
	h := newHouse(t, nil)
	_, token := forgot(t, h, "ada@example.com")
	changed := authn.Must(quick.Hash(t.Context(), "what the owner has chosen"))
	h.users.beforeReplace = func() {
		h.users.beforeReplace = nil
		if err := h.users.ReplacePasswordHash(t.Context(), "ada", h.hash(t, "ada"), changed, time.Now()); err != nil {
			t.Error(err)
		}
	}
	if subject, err := h.Reset(post(), token, newPassword, about); subject != "" || !errors.Is(err, password.ErrToken) {
		t.Errorf("%q, %v, want ErrToken", subject, err)
	}
	if h.hash(t, "ada") != changed {
		t.Error("the other password was overwritten")
	}

	_, token = forgot(t, h, "ada@example.com")
	h.users.writes.Store(true)
	if subject, err := h.Reset(post(), token, newPassword, about); subject != "" || authn.AsError(err).Status != http.StatusServiceUnavailable {
		t.Errorf("users down: %q, %v, want 503", subject, err)
	}
}

// textOnly is a table that takes no other text for a name, as PostgreSQL does,
// and has a row for every name that it takes, as some hosts' have.
type textOnly struct {
	store.Passwords
	row store.Password
	err error
}

func (u textOnly) PasswordByName(_ context.Context, name string) (store.Password, error) {
	if _, ok := password.NormalName(name); !ok {
		return store.Password{}, errServer
	}
	return u.row, u.err
}

// P13: Forgot sends nothing for what is no name, for a user who is disabled, and
// for nobody, and they are no event; a store that is down is one.
func TestForgotSendsNobodyAnything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ada := store.Password{Subject: "ada"}
		for _, c := range []struct {
			what, name string
			users      textOnly
			down       bool // the tokens' store
			sent       bool
		}{
			{"a user", "ada", textOnly{row: ada}, false, true},
			{"no UTF-8", "\xff", textOnly{row: ada}, false, false},
			{"NUL", "ada\x00", textOnly{row: ada}, false, false},
			{"256 bytes", strings.Repeat("x", 256), textOnly{row: ada}, false, false},
			{"disabled", "ada", textOnly{row: ada, err: store.ErrNotFound}, false, false},
			{"nobody, without an error", "ada", textOnly{}, false, false},
			{"tokens down", "ada", textOnly{row: ada}, true, false},
		} {
			h := newHouse(t, nil)
			links := h.links
			if c.down {
				links = authn.Must(password.NewOneTime(oneTimeDown{}, password.OneTimeConfig{}))
			}
			a := authn.Must(password.New(c.users, h.attempts, password.Config{Hasher: quick, OneTime: links, SkipRevoke: true, OnEvent: h.events.OnEvent}))
			sent := false
			err := a.Forgot(post(), c.name, func(context.Context, string, authn.Secret) error { sent = true; return nil })
			if err != nil || sent != c.sent {
				t.Errorf("%s: sent %t, %v", c.what, sent, err)
			}
			if events := h.events.Events(); c.down != (len(events) == 1) || c.down && !errors.Is(events[0].Err, errServer) {
				t.Errorf("%s: events %+v", c.what, events)
			}
		}
	})
}

// P12: a table that is down when a token comes back is an outage, and the token
// is good still.
func TestResetWithoutUsersIsAnOutage(t *testing.T) {
	h := newHouse(t, nil)
	_, token := forgot(t, h, "ada@example.com")
	h.users.reads.Store(true)
	if _, err := h.Reset(post(), token, newPassword, about); authn.AsError(err).Status != http.StatusServiceUnavailable || !errors.Is(err, errServer) {
		t.Errorf("users down: %v, want 503", err)
	}
	h.users.reads.Store(false)
	if _, err := h.Reset(post(), token, newPassword, about); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
