package jwtauth_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

var issuerAddr = netip.MustParseAddr("203.0.113.7")

// log is the events, as an audit log has them.
func (w *issuerWorld) log() string {
	var b strings.Builder
	out := authn.Slog(slog.New(slog.NewTextHandler(&b, nil)))
	for _, e := range w.events.Events() {
		out(issuerCtx, e)
		fmt.Fprintf(&b, "%+v\n", e)
	}
	return b.String()
}

// C11, J12, J21, J24, J26: each thing that happens is one event, with whom it
// is about, who did it and from where; and no event has a token in it.
func TestEvents(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	seen := 0
	ctx := authn.NewContext(authn.WithClient(issuerCtx, authn.NewClient(issuerAddr)), &authn.Identity{Subject: "admin", Kind: authn.KindUser})
	var secrets []string
	step := func(name, want string, do func()) {
		t.Helper()
		do()
		var kinds []string
		for _, e := range w.events.Events()[seen:] {
			seen++
			kinds = append(kinds, strings.TrimSpace(fmt.Sprint(e.Kind, " ", e.Reason)))
			if e.Method != "jwt" || !e.At.Equal(w.clock.Now()) {
				t.Errorf("%s: %+v", name, e)
			}
			if !e.Addr.IsValid() {
				t.Errorf("%s: no address: %+v", name, e)
			}
		}
		if got := strings.Join(kinds, ", "); got != want {
			t.Errorf("%s: events %q, want %q", name, got, want)
		}
	}
	issue := func(refresh bool) (set jwtauth.TokenSet) {
		set, err := w.issuer.Issue(ctx, jwtauth.Grant{Identity: w.ada(), Refresh: refresh})
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, set.Access.Reveal(), set.Refresh.Reveal())
		return set
	}
	var set, next jwtauth.TokenSet
	use := func(token string) error {
		got, err := w.issuer.Refresh(ctx, token, jwtauth.Grant{})
		if err == nil {
			next = got
			secrets = append(secrets, got.Access.Reveal(), got.Refresh.Reveal())
		}
		return err
	}
	serve := func(h http.Handler, r *http.Request) func() {
		return func() { issuerServe(h, r.WithContext(ctx)) }
	}
	step("access token", "created", func() { set = issue(false) })
	step("its revocation", "revoked token", func() { _ = w.issuer.RevokeToken(ctx, set.Access.Reveal(), "") })
	step("login", "login", func() { set = issue(true) })
	step("refresh", "refreshed", func() { _ = use(set.Refresh.Reveal()) })
	step("grace", "refreshed", func() { _ = use(set.Refresh.Reveal()) })
	w.clock.advance(time.Minute)
	step("reuse", "reuse reuse", func() { _ = use(set.Refresh.Reveal()) })
	step("of a dead login", "refused revoked", func() { _ = use(next.Refresh.Reveal()) })
	step("forged", "refused malformed", func() { _ = use(set.Refresh.Reveal() + "A") })
	step("login", "login", func() { set = issue(true) })
	step("its end", "revoked login", func() { _ = w.issuer.RevokeToken(ctx, set.Refresh.Reveal(), "") })
	step("subject", "revoked subject", func() { _ = w.issuer.RevokeSubject(ctx, "ada") })
	w.clock.advance(time.Minute)
	step("login", "login", func() { set = issue(true) })
	cookies := "__Secure-refresh=" + set.Refresh.Reveal() + "; __Host-access=" + set.Access.Reveal()
	step("cross-site", "refused cross-origin", serve(w.issuer.RefreshHandler(), issuerPost("", "", "Cookie", cookies, "Sec-Fetch-Site", "cross-site")))
	step("logout", "logout login, revoked token", serve(w.issuer.LogoutHandler(), issuerPost("", "", "Cookie", cookies)))
	step("login", "login", func() { set = issue(true) })
	body := "refresh_token=" + set.Refresh.Reveal()
	step("malformed request", "refused body", serve(w.issuer.RefreshHandler(), issuerForm(body+"&"+body)))
	w.st.down(true)
	step("outage", "outage store", func() { _ = use(set.Refresh.Reveal()) })
	step("outage at the handler", "outage store", serve(w.issuer.RefreshHandler(), issuerForm(body)))
	step("outage of a logout", "outage store", serve(w.issuer.LogoutHandler(), issuerForm(body)))
	w.st.down(false)

	for _, e := range w.events.Events() {
		switch e.Kind {
		case authn.EventRefused, authn.EventOutage: // of whoever asked
		default:
			if e.Actor != "admin" || e.Subject != "ada" || e.Reason != "subject" && e.CredentialID == "" {
				t.Errorf("by nobody or about nobody: %+v", e)
			}
		}
	}
	log := w.log()
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		for part := range strings.SplitSeq(secret, ".") {
			if len(part) > 22 && strings.Contains(log, part) || len(part) == 22 && strings.Contains(log, part) {
				t.Errorf("a token is in the log: %s", part)
			}
		}
	}
	if sid := issuerClaims(t, set)["sid"].(string); !strings.Contains(log, sid) {
		t.Error("the log does not say which login it was")
	}
}

// C11, J12: a login that is refused is an event about who it would have been; where
// ctx does not say who asks, the request does.
func TestRefusedLoginsAreEvents(t *testing.T) {
	w := newIssuerWorld(t, nil)
	r := httptest.NewRequest(http.MethodPost, "/login", nil)
	known := authn.WithClient(issuerCtx, authn.NewClient(issuerAddr))
	for _, tt := range []struct {
		ctx  context.Context
		r    *http.Request
		addr string
	}{{issuerCtx, r, "192.0.2.1"}, {known, r, "203.0.113.7"}, {known, nil, "203.0.113.7"}, {issuerCtx, nil, "invalid IP"}} {
		before := len(w.events.Events())
		_, err := w.issuer.Issue(tt.ctx, jwtauth.Grant{Identity: w.ada(), Scopes: []string{"admin"}, Request: tt.r})
		issuerWant(t, "Issue", err, 400, "invalid_scope", "")
		if _, err := w.issuer.Issue(tt.ctx, jwtauth.Grant{Identity: w.ada(), Request: tt.r}); err != nil {
			t.Error(err)
		}
		events := w.events.Events()[before:]
		if len(events) != 2 || events[0].Kind != authn.EventRefused || events[0].Reason != "scope" || events[1].Kind != authn.EventCreated {
			t.Fatalf("events %+v", events)
		}
		for _, e := range events {
			if e.Subject != "ada" || e.SubjectKind != authn.KindUser || e.Addr.String() != tt.addr {
				t.Errorf("event %+v, want one from %s", e, tt.addr)
			}
		}
	}
	issuerServe(w.issuer.RefreshHandler(), issuerForm("refresh_token="+w.login().Refresh.Reveal()))
	if e := w.events.Events(authn.EventRefreshed); len(e) != 1 || e[0].Addr.String() != "192.0.2.1" {
		t.Errorf("events %+v", e)
	}
}

// J20, C12: what a login answers prints nowhere.
func TestTokensPrintNowhere(t *testing.T) {
	w := newIssuerWorld(t, issuerWithCookies)
	set := w.login()
	shown := fmt.Sprintf("%v %+v %#v %x", set, set, set, set.Refresh) + string(authn.Must(json.Marshal(set)))
	for _, secret := range []string{set.Access.Reveal(), set.Refresh.Reveal()} {
		if parts := strings.Split(secret, "."); strings.Contains(shown, parts[len(parts)-1]) {
			t.Errorf("shown: %s", shown)
		}
	}
	for _, err := range []error{
		func() error {
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal()+"A", jwtauth.Grant{})
			return err
		}(),
		func() error {
			_, err := w.issuer.Refresh(issuerCtx, set.Refresh.Reveal(), jwtauth.Grant{ClientID: "x"})
			return err
		}(),
		func() error { _, err := w.issuer.Introspect(issuerCtx, set.Access.Reveal()+"A"); return err }(),
	} {
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, set.Refresh.Reveal()[50:80]) || strings.Contains(text, set.Access.Reveal()[50:80]) {
			t.Errorf("shown: %s", text)
		}
	}
}

// C11: an issuer without OnEvent does all the same.
func TestEventsAreOptional(t *testing.T) {
	w := newIssuerWorld(t, func(cfg *jwtauth.IssuerConfig) { cfg.OnEvent = nil })
	set := w.refresh(w.login())
	if err := w.issuer.RevokeSubject(issuerCtx, "ada"); err != nil {
		t.Error(err)
	}
	w.refuses(set, "invalid_grant", "")
}
