package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// S11: Check tells a handler that runs for long when its session has ended; it
// is no use of it, and it sees what another instance does.
func TestCheckOfALongConnection(t *testing.T) {
	for what, end := range map[string]func(w *world, b *tab){
		"idle":     func(w *world, b *tab) { w.clock.advance(time.Hour) },
		"absolute": func(w *world, b *tab) { w.clock.advance(24 * time.Hour) },
		"revoked":  func(w *world, b *tab) { _ = w.Revoke(context.Background(), "ada", b.good("").CredentialID) },
		"all":      func(w *world, b *tab) { _ = w.instance(nil).RevokeSubject(context.Background(), "ada") },
		"logout":   func(w *world, b *tab) { _ = b.logout() },
		"rotated":  func(w *world, b *tab) { _, _ = b.factor("otp") },
		"login":    func(w *world, b *tab) { b.begin(w.user("ada"), session.LoginOptions{}) },
	} {
		w := newWorld(t, nil)
		b := w.in("ada")
		ctx := b.ctx()
		for range 5 {
			w.clock.advance(10 * time.Minute)
			w.st.reset()
			if err := w.Check(ctx); err != nil || w.st.asked() != "Read" {
				t.Fatalf("%s: %v, asked %s", what, err, w.st.asked())
			}
		}
		end(w, b)
		err := w.Check(ctx)
		wantErr(t, what, err, http.StatusUnauthorized, "", "unknown, expired or revoked")
		if !errors.Is(err, authn.ErrNoCredential) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// S11, S13: an outage is no end, and a context without a session is a mistake.
func TestCheckOfAnOutage(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	ctx := b.ctx()
	w.st.fail("Read", errDown)
	err := w.Check(ctx)
	wantErr(t, "down", err, http.StatusServiceUnavailable, "unavailable", "store")
	if errors.Is(err, authn.ErrNoCredential) || !errors.Is(err, errDown) {
		t.Errorf("%v", err)
	}
	w.st.reset()
	for what, ctx := range map[string]context.Context{
		"nobody":         t.Context(),
		"another method": authn.NewContext(t.Context(), w.user("ada")),
	} {
		wantErr(t, what, w.Check(ctx), http.StatusInternalServerError, "internal", "*")
	}
	wantErr(t, "another Manager", w.instance(nil).Check(ctx), http.StatusInternalServerError, "internal", "*")
}

// S11, S15: the upgrade to a WebSocket is a GET that reads and writes: of
// another site it is 403, also by Optional.
func TestWebSocketOfAnotherSite(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	for _, c := range []struct {
		name   string
		header []string
		want   int
	}{
		{"same origin", []string{"Upgrade", "websocket", "Sec-Fetch-Site", "same-origin"}, 200},
		{"same origin, older browser", []string{"Upgrade", "websocket", "Origin", site}, 200},
		{"no browser", []string{"Upgrade", "websocket"}, 200},
		{"another site", []string{"Upgrade", "websocket", "Sec-Fetch-Site", "cross-site"}, 403},
		{"another host of the site", []string{"Upgrade", "websocket", "Sec-Fetch-Site", "same-site"}, 403},
		{"another origin, older browser", []string{"Upgrade", "websocket", "Origin", "https://evil.example"}, 403},
		{"null", []string{"Upgrade", "websocket", "Origin", "null"}, 403},
		{"another case", []string{"Upgrade", "WebSocket", "Origin", "https://evil.example"}, 403},
		{"in a list", []string{"Upgrade", "h2c, websocket", "Origin", "https://evil.example"}, 403},
		{"with spaces", []string{"Upgrade", " websocket\t", "Origin", "https://evil.example"}, 403},
		{"no upgrade", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 200},
		{"another upgrade", []string{"Upgrade", "h2c", "Sec-Fetch-Site", "cross-site"}, 200},
	} {
		for name, m := range map[string]func(http.Handler) http.Handler{"Require": authn.Require(w), "Optional": authn.Optional(w)} {
			if rec := answer(m, b.request(http.MethodGet, c.header...)); rec.Code != c.want {
				t.Errorf("%s, %s: %d, want %d", c.name, name, rec.Code, c.want)
			}
		}
	}
	r := b.request(http.MethodGet, "Origin", "https://evil.example")
	r.Header["Upgrade"] = []string{"h2c", "websocket"}
	if rec := answer(authn.Require(w), r); rec.Code != http.StatusForbidden {
		t.Errorf("in a second line: %d", rec.Code)
	}
	r = b.request(http.MethodConnect, "Sec-Fetch-Site", "cross-site") // HTTP/2, RFC 8441
	if rec := answer(authn.Require(w), r); rec.Code != http.StatusForbidden {
		t.Errorf("by CONNECT: %d", rec.Code)
	}
}
