package authn_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// C11: what the Guard reports: refusals, denials and outages, with what is
// known, once.
func TestGuardReportsWhatNobodyHas(t *testing.T) {
	var events authntest.Recorder
	id := &authn.Identity{Subject: "ada", Kind: authn.KindUser, Method: "session", CredentialID: "s1"}
	reported := authn.Refused("revoked", nil)
	reported.Reported = true
	tests := []struct {
		name string
		id   *authn.Identity
		err  error
		want *authn.Event
	}{
		{"accepted", id, nil, nil},
		{"nobody", nil, authn.ErrNoCredential, nil},
		{"reported by the verifier", nil, reported, nil},
		{"refused", nil, authn.Refused("revoked", errDown), &authn.Event{Kind: authn.EventRefused, Reason: "revoked", Err: errDown}},
		{"outage", nil, errDown, &authn.Event{Kind: authn.EventOutage, Reason: "outage", Err: errDown}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := len(events.Events())
			serve(authn.Guard{Verifier: authntest.Verifier(tt.id, tt.err), OnEvent: events.OnEvent}.Require()(who), request())
			got := events.Events()[before:]
			if tt.want == nil {
				if len(got) != 0 {
					t.Errorf("events %+v, want none", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != tt.want.Kind || got[0].Reason != tt.want.Reason || !errors.Is(got[0].Err, tt.want.Err) ||
				got[0].Addr != netip.MustParseAddr("192.0.2.1") || got[0].At.IsZero() {
				t.Errorf("events %+v, want %+v", got, tt.want)
			}
		})
	}
	serve(authn.Guard{Verifier: authntest.Verifier(id, nil), OnEvent: events.OnEvent}.Require(authn.AnyRole("x"))(who), request())
	denied := events.Events(authn.EventDenied)
	if len(denied) != 1 || denied[0].Subject != "ada" || denied[0].SubjectKind != authn.KindUser || denied[0].Actor != "ada" ||
		denied[0].Method != "session" || denied[0].CredentialID != "s1" || denied[0].Reason != "missing role" {
		t.Errorf("denials %+v", denied)
	}
	// Shared sentinels stay as they are.
	if e := authn.AsError(authn.ErrNoCredential); e.Reported || e.Challenges != nil {
		t.Errorf("ErrNoCredential was changed: %+v", e)
	}
}

// C11: what one Guard has reported another around it does not report again.
func TestNestedGuardsReportOnce(t *testing.T) {
	var events authntest.Recorder
	inner := authn.Guard{Verifier: header("X-A"), Rules: []authn.Rule{authn.Scopes("b")}, OnEvent: events.OnEvent}
	v := verifierFunc(func(r *http.Request) (*authn.Identity, error) { return inner.Check(r) })
	h := authn.Guard{Verifier: v, OnEvent: events.OnEvent}.Require()(who)
	for i, value := range []string{"bad", "good a", "down"} {
		serve(h, request("X-A", value))
		if n := len(events.Events()); n != i+1 {
			t.Errorf("%s: %d events, want %d", value, n, i+1)
		}
	}
}

// C11: attributes for whoever reads logs by program; levels for whoever is woken.
func TestSlogWritesAttributes(t *testing.T) {
	var out bytes.Buffer
	log := authn.Slog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})))
	at := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	log(t.Context(), authn.Event{
		Kind: authn.EventExpiring, At: at, Subject: "ada", SubjectKind: authn.KindKey, Name: "mac", Actor: "eve", Method: "apikey",
		CredentialID: "key_1", Addr: netip.MustParseAddr("192.0.2.1"), Reason: "within 24h0m0s", ExpiresAt: at,
	})
	log(t.Context(), authn.Event{Kind: authn.EventOutage, Err: errDown})
	log(t.Context(), authn.Event{Kind: authn.EventRefused, Reason: "two\nlines"})
	want := `level=INFO msg=authn event=expiring subject=ada subject_kind=key name_mac=mac actor=eve method=apikey credential_id=key_1 addr=192.0.2.1 reason="within 24h0m0s" expires_at=2026-11-22T12:00:00.000Z
level=ERROR msg=authn event=outage error="dial tcp 10.1.2.3:5432: connection refused"
level=WARN msg=authn event=refused reason="two\nlines"
`
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	quiet := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelError + 1}))
	out.Reset()
	authn.Slog(quiet)(t.Context(), authn.Event{Kind: authn.EventOutage})
	authn.Slog(nil)(t.Context(), authn.Event{Kind: authn.EventLogin, Subject: "a nil logger is slog.Default()"})
	if out.Len() != 0 {
		t.Errorf("a level that is off wrote %s", &out)
	}
}

func TestTeeHandsEventsToEach(t *testing.T) {
	var a, b authntest.Recorder
	authn.Tee(a.OnEvent, nil, b.OnEvent)(t.Context(), authn.Event{Kind: authn.EventLogin})
	if len(a.Events()) != 1 || len(b.Events()) != 1 {
		t.Errorf("%v, %v", a.Events(), b.Events())
	}
	authn.Tee()(t.Context(), authn.Event{})
}

// C9: the end of a method is announced to those who use it, and counted.
func TestSunset(t *testing.T) {
	var events authntest.Recorder
	end := time.Date(2027, 1, 31, 23, 59, 59, 0, time.FixedZone("CET", 3600))
	g := authn.Guard{
		Verifier: authn.FirstOf(header("X-A"), header("X-B")),
		OnAccept: authn.Sunset("X-A", end, "https://acme.example/migrate", events.OnEvent),
	}
	w := serve(g.Require()(who), request("X-A", "good"))
	if got, want := w.Header().Get("Sunset"), "Sun, 31 Jan 2027 22:59:59 GMT"; got != want {
		t.Errorf("Sunset %q, want %q", got, want)
	}
	if got, want := w.Header().Get("Link"), `<https://acme.example/migrate>; rel="sunset"`; got != want {
		t.Errorf("Link %q, want %q", got, want)
	}
	serve(g.Require()(who), request("X-A", "bad"))
	if w := serve(g.Require()(who), request("X-B", "good")); w.Header().Get("Sunset") != "" {
		t.Error("the new method is announced")
	}
	if got := events.Events(); len(got) != 1 || got[0].Kind != authn.EventAccepted || got[0].Method != "X-A" || got[0].Reason != "sunset" {
		t.Errorf("events %+v, want one", got)
	}
	mustPanic(t, func() { authn.Sunset("x", end, "x>\r\nSet-Cookie: y", nil) })
}

// C11: events, limits and sessions see one address.
func TestClientOf(t *testing.T) {
	tests := []struct{ remote, addr, group string }{
		{"192.0.2.7:1234", "192.0.2.7", "192.0.2.7/32"},
		{"[2001:db8:1:2:3:4:5:6]:1234", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"},
		{"[::ffff:192.0.2.7]:1234", "192.0.2.7", "192.0.2.7/32"},
		{"[fe80::1%eth0]:1234", "fe80::1", "fe80::/64"},
		{"@", "invalid IP", "invalid Prefix"},
		{"", "invalid IP", "invalid Prefix"},
		{"192.0.2.7", "invalid IP", "invalid Prefix"},
		{"example.com:80", "invalid IP", "invalid Prefix"},
	}
	for _, tt := range tests {
		t.Run(tt.remote, func(t *testing.T) {
			r := request("X-Forwarded-For", "203.0.113.9", "Forwarded", "for=203.0.113.9", "X-Real-IP", "203.0.113.9")
			r.RemoteAddr = tt.remote
			c := authn.ClientOf(r)
			if c.Addr.String() != tt.addr || c.Group.String() != tt.group {
				t.Errorf("got %v %v, want %s %s", c.Addr, c.Group, tt.addr, tt.group)
			}
		})
	}
	found := authn.Client{Addr: netip.MustParseAddr("203.0.113.9"), Group: netip.MustParsePrefix("203.0.113.9/32")}
	r := request()
	r = r.WithContext(authn.WithClient(r.Context(), found))
	if c := authn.ClientOf(r); c != found {
		t.Errorf("the host's own: %v", c)
	}
}

// C11: code that has only the context finds the client of the request.
func TestClientFromContextBehindRequire(t *testing.T) {
	if _, ok := authn.ClientFromContext(context.Background()); ok {
		t.Error("a client out of nothing")
	}
	var seen authn.Client
	h := authn.Require(header("X-A"))(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var known bool
		if seen, known = authn.ClientFromContext(r.Context()); !known {
			t.Error("no client")
		}
	}))
	h.ServeHTTP(httptest.NewRecorder(), request("X-A", "good"))
	if seen.Addr.String() != "192.0.2.1" {
		t.Errorf("client %v, want 192.0.2.1", seen)
	}
	found := authn.Client{Addr: netip.MustParseAddr("203.0.113.9")}
	r := request("X-A", "good")
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(authn.WithClient(r.Context(), found)))
	if seen != found {
		t.Errorf("client %v, want the host's own", seen)
	}
}

// Events of the library have kinds that read well in a log.
func TestEventKindsAreWords(t *testing.T) {
	for _, k := range []authn.EventKind{authn.EventLogin, authn.EventFactorProven, authn.EventFirstUse, authn.EventWarning} {
		if strings.ToLower(string(k)) != string(k) || strings.ContainsAny(string(k), " -") {
			t.Errorf("%q", k)
		}
	}
}
