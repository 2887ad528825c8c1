package session_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// C11, S8, S9: each thing that happens is one event, with whom it is about, which
// session, and from where.
func TestEvents(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(w *world, b *tab, ctx context.Context)
		kind   authn.EventKind
		reason string
		about  string // whose it is
		id     bool   // it names the session
		addr   bool
	}{
		{"Login", func(w *world, _ *tab, _ context.Context) { w.in("ada") }, authn.EventLogin, "", "ada", true, true},
		{"Logout", func(w *world, b *tab, _ context.Context) { logoutOf(b) }, authn.EventLogout, "", "ada", true, true},
		{"AddFactor", func(w *world, b *tab, _ context.Context) { _, _ = b.factor("otp") }, authn.EventFactorProven, "*", "ada", true, true},
		{"Revoke", func(w *world, b *tab, ctx context.Context) { _ = w.Revoke(ctx, "ada", b.good("").CredentialID) }, authn.EventRevoked, "session", "ada", true, false},
		{"RevokeOthers", func(w *world, b *tab, ctx context.Context) { _ = w.RevokeOthers(ctx) }, authn.EventRevoked, "other sessions", "ada", false, false},
		{"RevokeSubject", func(w *world, b *tab, ctx context.Context) { _ = w.RevokeSubject(ctx, "ada") }, authn.EventRevoked, "subject", "ada", false, false},
		{"unknown", func(w *world, b *tab, _ context.Context) {
			other := b.clone()
			other.cookies[cookieName] = strings.Repeat("A", 8) + "." + strings.Repeat("A", 43)
			_, _ = other.verify()
		}, authn.EventRefused, "unknown, expired or revoked", "", false, true},
		{"malformed", func(w *world, b *tab, _ context.Context) {
			other := b.clone()
			other.cookies[cookieName] = "x"
			_, _ = other.verify()
		}, authn.EventRefused, "malformed", "", false, true},
		{"Verify of another site's", func(w *world, b *tab, _ context.Context) {
			_, _ = w.Verify(b.request(http.MethodPost, "Sec-Fetch-Site", "cross-site"))
		}, authn.EventRefused, "cross-origin", "ada", true, true},
		{"Login of another site's", func(w *world, b *tab, _ context.Context) {
			_, _ = w.Login(httptest.NewRecorder(), b.request(http.MethodPost, "Sec-Fetch-Site", "cross-site"), w.user("ada"), session.LoginOptions{})
		}, authn.EventRefused, "cross-origin", "*", false, true},
		{"Login revoked meanwhile", func(w *world, b *tab, _ context.Context) {
			id := w.user("ada")
			w.clock.advance(1e9)
			w.st.before = func(call string) {
				if call == "Create" {
					_ = w.st.RevokeSessionsOf(context.Background(), "ada", "")
				}
			}
			_, _, _ = b.login(id, session.LoginOptions{})
		}, authn.EventRefused, "revoked during the login", "ada", false, true},
		{"Verify, down", func(w *world, b *tab, _ context.Context) { w.st.fail("Read", errDown); _, _ = b.verify() }, authn.EventOutage, "store", "", false, true},
		{"Login, down", func(w *world, b *tab, _ context.Context) {
			w.st.fail("Create", errDown)
			_, _, _ = b.login(w.user("ada"), session.LoginOptions{})
		}, authn.EventOutage, "store", "*", false, true},
		{"Logout, down", func(w *world, b *tab, _ context.Context) { w.st.fail("Revoke", errDown); _ = b.logout() }, authn.EventOutage, "store", "*", false, true},
		{"AddFactor, down", func(w *world, b *tab, _ context.Context) { w.st.fail("Rotate", errDown); _, _ = b.factor("otp") }, authn.EventOutage, "store", "*", false, true},
		{"Update, down", func(w *world, b *tab, _ context.Context) { w.st.fail("Update", errDown); _ = b.update(add) }, authn.EventOutage, "store", "*", false, true},
		{"RevokeSubject, down", func(w *world, b *tab, ctx context.Context) { w.st.fail("", errDown); _ = w.RevokeSubject(ctx, "ada") }, authn.EventOutage, "store", "*", false, false},
		{"Login that owes", func(w *world, _ *tab, _ context.Context) {
			id := w.user("ada")
			id.Pending = []string{"otp", "hwk"}
			w.tab().begin(id, session.LoginOptions{})
		}, authn.EventLogin, "owes otp, hwk", "ada", true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			b := w.in("ada")
			ctx := b.ctx()
			before := len(w.events.Events())
			c.do(w, b, ctx)
			got := w.events.Events()[before:]
			if len(got) != 1 {
				t.Fatalf("%d events: %+v", len(got), got)
			}
			e := got[0]
			if e.Kind != c.kind || c.reason != "*" && e.Reason != c.reason || c.about != "*" && e.Subject != c.about || e.Method != "session" ||
				c.id && e.CredentialID == "" || c.addr != e.Addr.IsValid() || !e.At.Equal(w.clock.Now()) {
				t.Errorf("%+v", e)
			}
			if e.Kind == authn.EventRevoked && e.Actor != "ada" {
				t.Errorf("actor %q", e.Actor)
			}
		})
	}
}

// C11: what is the daily business of every page is no event, and a client that
// has gone makes no outage.
func TestNoEvents(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	n := len(w.events.Events())
	b.good("Verify")
	_ = b.update(add)
	_, _ = w.tab().verify()
	_ = w.tab().logout()
	answer(authn.Guard{Verifier: w, OnEvent: w.events.OnEvent}.Require(), w.tab().request(http.MethodGet))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w.st.fail("", context.Canceled)
	_, _ = w.Verify(b.request(http.MethodGet).WithContext(ctx))
	if got := w.events.Events()[n:]; len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// C11: a refusal is reported once, by who knows it; without OnEvent the Guard
// reports it.
func TestRefusalIsReportedOnce(t *testing.T) {
	for _, own := range []bool{true, false} {
		w := newWorld(t, func(cfg *session.Config) {
			if !own {
				cfg.OnEvent = nil
			}
		})
		b := w.tab()
		b.cookies[cookieName] = "x"
		answer(authn.Guard{Verifier: w, OnEvent: w.events.OnEvent}.Require(), b.request(http.MethodGet))
		if got := w.events.Events(); len(got) != 1 || got[0].Reason != "malformed" {
			t.Errorf("own %v: %+v", own, got)
		}
	}
}

// C11, S1: no secret is in any event, error, log or list.
func TestSecretsShowNowhere(t *testing.T) {
	var log bytes.Buffer
	var shown []string
	kc := authn.GenerateKeychain()
	w := newWorld(t, nil)
	w.Manager = w.instance(func(cfg *session.Config) {
		cfg.Keychain, cfg.RequireCSRFToken = kc, true
		cfg.OnEvent = authn.Tee(w.events.OnEvent, authn.Slog(slog.New(slog.NewJSONHandler(&log, nil))))
	})
	b := w.in("ada")
	tabs, csrf := []*tab{b.clone()}, b.token()
	note := func(err error) { shown = append(shown, fmt.Sprintf("%v %+v %#v", err, err, err)) }
	_, err := b.factor("otp")
	note(err)
	tabs = append(tabs, b.clone())
	_, err = tabs[0].verify()
	note(err)
	bad := b.clone()
	bad.cookies[cookieName] += "A"
	_, err = bad.verify()
	note(err)
	_, err = w.Verify(b.request(http.MethodPost, "X-CSRF-Token", csrf))
	note(err)
	_, err = w.Verify(b.request(http.MethodPost, "Sec-Fetch-Site", "cross-site"))
	note(err)
	w.st.fail("", errDown)
	_, err = b.verify()
	note(err)
	note(b.update(add))
	w.st.reset()
	note(w.Revoke(t.Context(), "ada", b.good("").CredentialID))
	for _, e := range w.events.Events() {
		shown = append(shown, fmt.Sprintf("%+v", e))
	}
	all := strings.Join(shown, "\n") + log.String()
	for _, b := range tabs {
		if value := b.cookies[cookieName]; strings.Contains(all, value[9:52]) || strings.Contains(all, value[62:]) {
			t.Error("a token is shown")
		}
	}
	if strings.Contains(all, csrf[9:52]) || strings.Contains(all, csrf[52:]) {
		t.Error("a CSRF token is shown")
	}
	if log.Len() == 0 {
		t.Error("nothing is logged")
	}
}
