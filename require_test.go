package authn_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

var errDown = errors.New("dial tcp 10.1.2.3:5432: connection refused")

// C4: what each outcome looks like on the wire. Bodies and challenges are
// fixed: nothing of the request or the cause is in them.
func TestAnswersAreFixed(t *testing.T) {
	ada := authn.User("ada", "test")
	pending := authn.User("ada", "test")
	pending.Pending = []string{"otp"}
	tests := []struct {
		name      string
		id        *authn.Identity
		err       error
		rules     []authn.Rule
		status    int
		challenge string
		body      string
	}{
		{
			"nobody", nil, authn.ErrNoCredential, nil, 401, `Bearer realm="api"`,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Authentication is required."}`,
		},
		{
			"bad", nil, authn.Refused("revoked by ada@example.com", errDown), nil, 401,
			`Bearer realm="api", error="invalid_token", error_description="The credential is malformed, expired, revoked or unknown."`,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"The credential is malformed, expired, revoked or unknown.","error":"invalid_token"}`,
		},
		{
			"malformed", nil, authn.Malformed("two keys", errDown), nil, 400, "",
			`{"type":"about:blank","title":"Bad Request","status":400,"detail":"The request is malformed or ambiguous.","error":"invalid_request"}`,
		},
		{
			"down", nil, errDown, nil, 503, "",
			`{"type":"about:blank","title":"Service Unavailable","status":503,"detail":"A backend is not available. Try again later.","error":"unavailable"}`,
		},
		{
			"a verifier that answers nothing", nil, nil, nil, 500, "",
			`{"type":"about:blank","title":"Internal Server Error","status":500,"detail":"The server is misconfigured.","error":"internal"}`,
		},
		{
			"scope", ada, nil,
			[]authn.Rule{authn.Scopes("orders:read", "orders:write"), authn.Scopes("admin")},
			403,
			`Bearer realm="api", error="insufficient_scope", error_description="The credential lacks a scope that is needed here.", scope="orders:read orders:write admin"`,
			`{"type":"about:blank","title":"Forbidden","status":403,"detail":"The credential lacks a scope that is needed here.","error":"insufficient_scope","scope":"orders:read orders:write admin"}`,
		},
		{
			"role", ada, nil,
			[]authn.Rule{authn.AnyRole("admin")},
			403, "",
			`{"type":"about:blank","title":"Forbidden","status":403,"detail":"This is not allowed.","error":"forbidden"}`,
		},
		{
			"pending", pending, nil, nil, 401,
			`Bearer realm="api", error="insufficient_user_authentication", error_description="Another or a more recent proof of identity is needed.", factor="otp"`,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Another or a more recent proof of identity is needed.","error":"insufficient_user_authentication","factor":"otp"}`,
		},
		{
			"step-up", ada, nil,
			[]authn.Rule{authn.Within(90*time.Second, "otp")},
			401,
			`Bearer realm="api", error="insufficient_user_authentication", error_description="Another or a more recent proof of identity is needed.", factor="otp", max_age="90"`,
			`{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Another or a more recent proof of identity is needed.","error":"insufficient_user_authentication","factor":"otp","max_age":90}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := request("X-Evil", `"</script>`)
			r.URL.RawQuery = "secret=hunter2"
			w := serve(authn.Require(authntest.Verifier(tt.id, tt.err), tt.rules...)(who), r)
			if w.Code != tt.status {
				t.Errorf("status %d, want %d", w.Code, tt.status)
			}
			if got := w.Header().Get("WWW-Authenticate"); got != tt.challenge {
				t.Errorf("challenge\n got %s\nwant %s", got, tt.challenge)
			}
			if got := strings.TrimSpace(w.Body.String()); got != tt.body {
				t.Errorf("body\n got %s\nwant %s", got, tt.body)
			}
			if !json.Valid(w.Body.Bytes()) {
				t.Error("the body is not JSON")
			}
			for field, want := range map[string]string{
				"Content-Type": "application/problem+json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
			} {
				if got := w.Header().Get(field); got != want {
					t.Errorf("%s: %q, want %q", field, got, want)
				}
			}
			if retry := w.Header().Get("Retry-After"); (retry != "") != (tt.status == 503) {
				t.Errorf("Retry-After: %q", retry)
			}
		})
	}
}

// C4: each method that could have been used has its challenge, in the Guard's
// realm, and no value can end a field or begin another.
func TestChallengesAreQuoted(t *testing.T) {
	odd := &fake{"X-A", "x", authn.Description{Challenges: []authn.Challenge{
		{Scheme: "ApiKey", Params: map[string]string{"b": "2", "a": "1\"\\\r\nSet-Cookie: x=ä", "c": " ~\x1f\x7f", "not a token": "3"}},
		{Scheme: "Ba sic"},
		{Scheme: "Basic"},
	}}}
	w := serve(authn.Guard{Verifier: odd, Realm: "acme \"x\"\x00"}.Require()(who), request())
	want := []string{
		`ApiKey realm="acme \"x\"?", a="1\"\\??Set-Cookie: x=??", b="2", c=" ~??"`,
		`Basic realm="acme \"x\"?"`,
	}
	if got := w.Header()["Www-Authenticate"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("challenges\n got %q\nwant %q", got, want)
	}
}

// C4: names of auth-params are tokens, of the characters of RFC 9110 §5.6.2.
func TestNamesInChallengesAreTokens(t *testing.T) {
	const token = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	for c := range 256 {
		name := string([]byte{byte(c)})
		v := &fake{"X-A", "x", authn.Description{Challenges: []authn.Challenge{{Scheme: "X", Params: map[string]string{name: "v"}}}}}
		want := `X realm="api"`
		if strings.Contains(token, name) {
			want += ", " + name + `="v"`
		}
		if got := serve(authn.Require(v)(who), request()).Header().Get("WWW-Authenticate"); got != want {
			t.Errorf("%q: %s", name, got)
		}
	}
}

// C4, C5: a verifier's bug lets nobody through: no identity, no Kind, no Subject.
func TestIncompleteIdentityIsRefused(t *testing.T) {
	tests := map[string]*authn.Identity{
		"nil":           nil,
		"zero Kind":     {Subject: "ada"},
		"unknown Kind":  {Subject: "ada", Kind: 9},
		"first unknown": {Subject: "ada", Kind: authn.KindKey + 1},
		"no Subject":    {Kind: authn.KindUser},
	}
	for name, id := range tests {
		t.Run(name, func(t *testing.T) {
			var events authntest.Recorder
			g := authn.Guard{Verifier: authntest.Verifier(id, nil), OnEvent: events.OnEvent}
			for _, h := range []http.Handler{g.Require()(who), g.Optional()(who)} {
				if w := serve(h, request()); w.Code != http.StatusInternalServerError {
					t.Errorf("status %d, want 500", w.Code)
				}
			}
			if _, err := g.Check(request()); authn.AsError(err).Status != http.StatusInternalServerError {
				t.Errorf("Check: %v", err)
			}
			if n := len(events.Events(authn.EventOutage)); n != 3 {
				t.Errorf("%d events, want 3", n)
			}
		})
	}
}

// C4: a route without a check cannot be built.
func TestMiddlewareOfNilPanics(t *testing.T) {
	v := authntest.Verifier(nil, authn.ErrNoCredential)
	var nilRule authn.RuleFunc
	var careless *lax
	tests := map[string]func(){
		"Require(nil)":           func() { authn.Require(nil) },
		"Optional(nil)":          func() { authn.Optional(nil) },
		"Check(nil)":             func() { _, _ = authn.Check(nil, request()) },
		"Check of a nil pointer": func() { _, _ = authn.Check(careless, request()) },
		"a nil pointer":          func() { authn.Require(careless) },
		"Enrich(nil)":            func() { authn.Enrich(nil, noEnrich) },
		"Enrich without func":    func() { authn.Enrich(v, nil) },
		"zero Guard":             func() { authn.Guard{}.Require() },
		"nil rule":               func() { authn.Require(v, nil) },
		"nil RuleFunc":           func() { authn.Allow(nilRule) },
		"nil handler":            func() { authn.Require(v)(nil) },
		"nil handler, Optional":  func() { authn.Optional(v)(nil) },
		"nil handler, Allow":     func() { authn.Allow()(nil) },
		"CacheEnrich of nothing": func() { authn.CacheEnrich(nil, time.Second) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) { mustPanic(t, f) })
	}
}

// C4: who hangs up is no outage.
func TestRequestThatItsClientCancelledIsNoEvent(t *testing.T) {
	var events authntest.Recorder
	slow := verifierFunc(func(r *http.Request) (*authn.Identity, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	h := authn.Guard{Verifier: slow, OnEvent: events.OnEvent}.Require()(who)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if w := serve(h, request().WithContext(ctx)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d", w.Code)
	}
	if got := events.Events(); len(got) != 0 {
		t.Errorf("a client that hung up made events: %+v", got)
	}
	ctx, cancel = context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	serve(h, request().WithContext(ctx))
	if n := len(events.Events(authn.EventOutage)); n != 1 {
		t.Errorf("a server's own timeout made %d outages, want 1", n)
	}
}

// lax knows everybody, also as a nil pointer.
type lax struct{}

func (*lax) Verify(*http.Request) (*authn.Identity, error) { return authn.User("ada", "lax"), nil }

type verifierFunc func(r *http.Request) (*authn.Identity, error)

func (f verifierFunc) Verify(r *http.Request) (*authn.Identity, error) { return f(r) }

func noEnrich(_ context.Context, id *authn.Identity) (*authn.Identity, error) { return id, nil }

// C5: half a login is no login, unless the route says so.
func TestPendingIdentityIsRefused(t *testing.T) {
	id := authn.User("ada", "session", authn.Factor{Name: "pwd", At: time.Now()})
	id.Pending = []string{"otp"}
	both := id.Clone()
	both.Pending = []string{"otp", "hwk"}
	v := func(id *authn.Identity) authn.Verifier { return authntest.Verifier(id, nil) }
	outer := authn.Require(v(id), authn.AllowPending("otp"))
	tests := []struct {
		name string
		h    http.Handler
		want string
	}{
		{"Require", authn.Require(v(id))(who), "401"},
		{"Require, other factor allowed", authn.Require(v(id), authn.AllowPending("hwk"))(who), "401"},
		{"Require, allowed", authn.Require(v(id), authn.AllowPending("otp"))(who), "200 ada by session"},
		{"Require, one of two allowed", authn.Require(v(both), authn.AllowPending("otp"))(who), "401"},
		{"Require, both allowed", authn.Require(v(both), authn.AllowPending("otp", "hwk"))(who), "200 ada by session"},
		{"Require, allowed, but another rule refuses", authn.Require(v(id), authn.AllowPending("otp"), authn.AnyRole("admin"))(who), "403"},
		{"Require, allowed after another rule", authn.Require(v(id), authn.OfKind(authn.KindUser), authn.AllowPending("otp"))(who), "200 ada by session"},
		{"Optional", authn.Optional(v(id))(who), "200 nobody"},
		{"Optional, allowed", authn.Guard{Verifier: v(id), Rules: []authn.Rule{authn.AllowPending("otp")}}.Optional()(who), "200 ada by session"},
		{"Optional inside Require", outer(authn.Optional(v(id))(who)), "200 nobody"},
		{"Allow", outer(authn.Allow()(who)), "401"},
		{"Allow, allowed", outer(authn.Allow(authn.AllowPending("otp"))(who)), "200 ada by session"},
		{"Require behind Enrich", authn.Require(authn.Enrich(v(id), func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
			id.Pending = nil
			return id, nil
		}))(who), "401"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(tt.h, request())
			got := fmt.Sprint(w.Code)
			if w.Code == http.StatusOK {
				got += " " + w.Body.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := authn.Check(v(id), request()); authn.AsError(err).Factor != "otp" {
		t.Errorf("Check: %v, want a step-up to otp", err)
	}
}

// C7: anonymous passes, a bad explicit credential does not, an outage is 503.
func TestOptional(t *testing.T) {
	v := authn.FirstOf(header("X-A"), cookie())
	tests := []struct {
		name    string
		request *http.Request
		want    string
	}{
		{"nothing", request(), "200 nobody"},
		{"good", request("X-A", "good"), "200 ada by X-A"},
		{"bad", request("X-A", "bad"), "401"},
		{"down", request("X-A", "down"), "503"},
		{"good cookie", request("Cookie", "good"), "200 ada by Cookie"},
		{"stale cookie", request("Cookie", "bad"), "200 nobody"},
		{"cookie store down", request("Cookie", "down"), "503"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := serve(authn.Optional(v)(who), tt.request)
			got := fmt.Sprint(w.Code)
			if w.Code == http.StatusOK {
				got += " " + w.Body.String()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	var events authntest.Recorder
	g := authn.Guard{Verifier: header("X-A"), Rules: []authn.Rule{authn.Scopes("b")}, Realm: "acme", OnEvent: events.OnEvent}
	w := serve(g.Optional()(who), request("X-A", "good"))
	if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusForbidden || !strings.HasPrefix(got, `X-A realm="acme"`) {
		t.Errorf("the Guard's rules: status %d, want 403; challenge %s", w.Code, got)
	}
	if denied := events.Events(); len(denied) != 1 || denied[0].Kind != authn.EventDenied || denied[0].Subject != "ada" {
		t.Errorf("events %+v, want one denial of ada", denied)
	}
}

// C6, C9: Allow judges who an outer Require let in, and answers as that does.
func TestAllowAnswersAsTheOuterGuard(t *testing.T) {
	var events authntest.Recorder
	outer := authn.Guard{
		Verifier: header("X-A"), Realm: "acme", OnEvent: events.OnEvent,
		OnError: func(w http.ResponseWriter, r *http.Request, err *authn.Error) {
			w.Header().Set("X-Own", "yes")
			authn.WriteError(w, r, err)
		},
	}
	h := outer.Require(authn.Scopes("a"))(authn.Allow(authn.Scopes("b"))(who))
	w := serve(h, request("X-A", "good a"))
	want := `X-A realm="acme", error="insufficient_scope", error_description="The credential lacks a scope that is needed here.", scope="b"`
	if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusForbidden || got != want || w.Header().Get("X-Own") != "yes" {
		t.Errorf("status %d, challenge %s, own %q", w.Code, got, w.Header().Get("X-Own"))
	}
	if denied := events.Events(authn.EventDenied); len(denied) != 1 || denied[0].Subject != "ada" {
		t.Errorf("events %+v, want one denial of ada", denied)
	}
	if w := serve(h, request("X-A", "good a b")); w.Code != http.StatusOK {
		t.Errorf("with both scopes: status %d", w.Code)
	}
	if w := serve(authn.Allow()(who), request("X-A", "good")); w.Code != http.StatusUnauthorized {
		t.Errorf("Allow behind nothing: status %d, want 401", w.Code)
	}
	if w := serve(authn.Optional(header("X-A"))(authn.Allow()(who)), request()); w.Code != http.StatusUnauthorized {
		t.Errorf("Allow behind Optional, anonymous: status %d, want 401", w.Code)
	}
}

// C9: an Allow with any answer of its own answers by itself, and calls OnAccept.
func TestAllowWithFieldsOfItsOwn(t *testing.T) {
	var outside, inside authntest.Recorder
	accepted := 0
	outer := authn.Guard{Verifier: header("X-A"), Realm: "acme", OnEvent: outside.OnEvent}
	for name, g := range map[string]authn.Guard{
		"Verifier": {Verifier: header("X-A")},
		"OnError":  {OnError: func(w http.ResponseWriter, r *http.Request, err *authn.Error) { authn.WriteError(w, r, err) }},
		"OnEvent":  {OnEvent: inside.OnEvent},
		"Realm":    {Realm: "own"},
	} {
		g.OnAccept = func(http.ResponseWriter, *http.Request, *authn.Identity) { accepted++ }
		h := outer.Require()(g.Allow(authn.Scopes("b"))(who))
		w := serve(h, request("X-A", "good a"))
		if got := w.Header().Get("WWW-Authenticate"); w.Code != http.StatusForbidden || !strings.Contains(got, ` realm="`) || strings.Contains(got, "acme") {
			t.Errorf("%s: status %d, challenge %s", name, w.Code, got)
		}
		if w := serve(h, request("X-A", "good b")); w.Code != http.StatusOK {
			t.Errorf("%s: status %d", name, w.Code)
		}
	}
	if len(outside.Events()) != 0 || len(inside.Events(authn.EventDenied)) != 1 || accepted != 4 {
		t.Errorf("events outside %v, inside %v, %d accepted", outside.Events(), inside.Events(), accepted)
	}
}

// C9: Check and Refuse are Require in two steps, for routers of another shape.
func TestCheckAndRefuseAnswerAsRequire(t *testing.T) {
	g := authn.Guard{Verifier: authn.FirstOf(header("X-A"), cookie()), Realm: "acme", Rules: []authn.Rule{authn.Scopes("a")}}
	require := g.Require(authn.Scopes("b"))(who)
	for _, r := range []*http.Request{
		request(), request("X-A", "bad"), request("X-A", "good"), request("X-A", "down"), request("X-A", "x"), request("X-A", "1", "X-A", "2"),
	} {
		want := serve(require, r)
		got := httptest.NewRecorder()
		_, err := g.Check(r, authn.Scopes("b"))
		g.Refuse(got, r, err)
		if got.Code != want.Code || got.Body.String() != want.Body.String() || fmt.Sprint(got.Header()) != fmt.Sprint(want.Header()) {
			t.Errorf("%v:\nCheck   %d %v %s\nRequire %d %v %s", r.Header, got.Code, got.Header(), got.Body, want.Code, want.Header(), want.Body)
		}
	}
	if id, err := g.Check(request("X-A", "good a b"), authn.Scopes("b")); err != nil || id.Subject != "ada" {
		t.Errorf("Check = %v, %v", id, err)
	}
}

// C10: caches hear what the answer depends on, whether or not it was there.
func TestCachesAreTold(t *testing.T) {
	bearer := &fake{"Authorization", "x", authn.Description{Credentials: []string{"authorization"}}}
	cert := &fake{"X-None", "x", authn.Description{Private: true}}
	set := func(field, value string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.Header().Set(field, value) }
	}
	tests := []struct {
		name         string
		v            authn.Verifier
		before       http.Header
		next         http.HandlerFunc
		vary, caches string
	}{
		{"bearer", bearer, nil, who, "Authorization", ""},
		{"key", header("X-Api-Key"), nil, who, "X-Api-Key", "private"},
		{"cookie", cookie(), nil, who, "Cookie", "private"},
		{"certificate", cert, nil, who, "", "private"},
		{"certificate or bearer", authn.FirstOf(cert, bearer), nil, who, "Authorization", "private"},
		{"bearer or certificate", authn.FirstOf(bearer, cert), nil, who, "Authorization", "private"},
		{"bearer or bearer", authn.FirstOf(bearer, bearer), nil, who, "Authorization", ""},
		{"all", authn.FirstOf(cookie(), bearer, header("X-Api-Key")), nil, who, "Authorization, X-Api-Key, Cookie", "private"},
		{"handler's own", cookie(), nil, set("Cache-Control", "public"), "Cookie", "public"},
		{"outer middleware's own", cookie(), http.Header{"Cache-Control": {"no-store"}}, who, "Cookie", "no-store"},
		{"merged", cookie(), http.Header{"Vary": {"Accept, Origin"}}, who, "Accept, Origin|Cookie", "private"},
		{"there already", cookie(), http.Header{"Vary": {"accept,cookie"}}, who, "accept,cookie", "private"},
		{"all there already", cookie(), http.Header{"Vary": {"*"}}, who, "*", "private"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			for field, values := range tt.before {
				w.Header()[field] = values
			}
			authn.Optional(tt.v)(tt.next).ServeHTTP(w, request())
			if got := strings.Join(w.Header()["Vary"], "|"); got != tt.vary {
				t.Errorf("Vary %q, want %q", got, tt.vary)
			}
			if got := w.Header().Get("Cache-Control"); got != tt.caches {
				t.Errorf("Cache-Control %q, want %q", got, tt.caches)
			}
		})
	}
	w := httptest.NewRecorder()
	authn.Guard{Verifier: cookie(), OnError: func(w http.ResponseWriter, _ *http.Request, err *authn.Error) { w.WriteHeader(err.Status) }}.
		Require()(who).ServeHTTP(w, request())
	if got := w.Header().Get("Cache-Control") + w.Header().Get("Vary"); got != "no-storeCookie" {
		t.Errorf("a host's own refusal is cacheable: %q", got)
	}
}

// Principle 8: the response is never wrapped.
func TestResponseWriterIsNotWrapped(t *testing.T) {
	w := httptest.NewRecorder()
	var got http.ResponseWriter
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { got = w })
	h := authn.Require(header("X-A"))(authn.Allow()(authn.Optional(header("X-A"))(next)))
	h.ServeHTTP(w, request("X-A", "good"))
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler got a %T", got)
	}
}

// C9: a Guard's own answers do not loosen its checks.
func TestGuardCallsTheHost(t *testing.T) {
	var accepted, refused int
	g := authn.Guard{
		Verifier: header("X-A"), Rules: []authn.Rule{authn.Scopes("a")},
		OnAccept: func(_ http.ResponseWriter, r *http.Request, id *authn.Identity) {
			if got, ok := authn.FromContext(r.Context()); !ok || got != id {
				t.Error("OnAccept does not see the Identity in the context")
			}
			accepted++
		},
		OnError: func(w http.ResponseWriter, _ *http.Request, err *authn.Error) {
			refused++
			w.WriteHeader(http.StatusTeapot)
		},
	}
	h := g.Require(authn.Scopes("b"))(who)
	g.Rules[0] = authn.Scopes("nobody has this") // what was built stays
	g.OnError = nil
	for _, r := range []*http.Request{request("X-A", "good"), request("X-A", "good a"), request("X-A", "good b"), request("X-A", "bad"), request()} {
		if w := serve(h, r); w.Code != http.StatusTeapot {
			t.Errorf("%v: status %d", r.Header, w.Code)
		}
	}
	if w := serve(h, request("X-A", "good a b")); w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
	if accepted != 1 || refused != 5 {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
}

// C11: a panic in the host's code lets nobody through.
func TestPanicInAHookLetsNobodyThrough(t *testing.T) {
	boom := func(context.Context, authn.Event) { panic("audit log is down") }
	reached := false
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
	accept := authn.Sunset("X-A", time.Now(), "", boom)
	tests := map[string]struct {
		h http.Handler
		r *http.Request
	}{
		"refused":  {authn.Guard{Verifier: header("X-A"), OnEvent: boom}.Require()(next), request("X-A", "bad")},
		"denied":   {authn.Guard{Verifier: header("X-A"), OnEvent: boom}.Require(authn.Scopes("a"))(next), request("X-A", "good")},
		"outage":   {authn.Guard{Verifier: header("X-A"), OnEvent: boom}.Optional()(next), request("X-A", "down")},
		"stale":    {authn.Guard{Verifier: cookie(), OnEvent: boom}.Optional()(next), request("Cookie", "bad")},
		"accepted": {authn.Guard{Verifier: header("X-A"), OnAccept: accept}.Require()(next), request("X-A", "good")},
		"tee":      {authn.Guard{Verifier: header("X-A"), OnEvent: authn.Tee(nil, boom)}.Require()(next), request("X-A", "bad")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			mustPanic(t, func() { serve(tt.h, tt.r) })
			if reached {
				t.Error("the handler was reached")
			}
		})
	}
}

// A megabyte of header is looked at, and nothing more.
func TestHugeAndOddHeadersAreRefused(t *testing.T) {
	srv := httptest.NewServer(authn.Require(header("Authorization"))(who))
	defer srv.Close()
	for _, value := range []string{strings.Repeat("a", 900_000), "Bearer \x80\xff", "\x7f", "Bearer", "Bearer  "} {
		req := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL, nil))
		req.Header["Authorization"] = []string{value}
		res, err := srv.Client().Do(req)
		if err != nil {
			continue // the client will not send it
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusUnauthorized && res.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20q: status %d", value, res.StatusCode)
		}
	}
}

// C1, C2: a header field that carries a credential decides, for good or bad:
// no cookie stands in for it, however the verifiers are nested.
func TestCookieNeverStandsInForAHeader(t *testing.T) {
	both := &fake{"Authorization", "both", authn.Description{Credentials: []string{"Authorization"}, Vary: []string{"cookie"}}}
	wrap := func(v authn.Verifier) authn.Verifier { return authn.Enrich(v, noEnrich) }
	tests := map[string]authn.Verifier{
		"flat":          authn.FirstOf(header("Authorization"), header("X-B"), cookie()),
		"enriched":      authn.FirstOf(wrap(authn.FirstOf(header("Authorization"), cookie())), wrap(authn.FirstOf(header("X-B"), cookie()))),
		"one verifier":  authn.FirstOf(both, cookie(), header("X-B")),
		"cookie before": authn.FirstOf(wrap(cookie()), wrap(header("Authorization")), header("X-B")),
	}
	for name, v := range tests {
		t.Run(name, func(t *testing.T) {
			for _, fields := range [][]string{
				{"Cookie", "good", "Authorization", "Bearer garbage"},
				{"Cookie", "good", "Authorization", "bad"},
				{"Cookie", "good", "X-B", "bad"},
				{"Cookie", "good", "X-B", "garbage"},
			} {
				for _, h := range []http.Handler{authn.Require(v)(who), authn.Optional(v)(who)} {
					if w := serve(h, request(fields...)); w.Code != http.StatusUnauthorized {
						t.Errorf("%v: status %d %s", fields, w.Code, w.Body)
					}
				}
			}
			r := request("Cookie", "good", "X-B", "good")
			if w := serve(authn.Require(v)(who), r); w.Body.String() != "ada by X-B" || r.Header.Get("Cookie") == "" {
				t.Errorf("a good header beside a good cookie: %s; the request has the cookie %q", w.Body, r.Header.Get("Cookie"))
			}
			if w := serve(authn.Require(v)(who), request("Cookie", "good")); w.Code != http.StatusOK {
				t.Errorf("the cookie alone: status %d", w.Code)
			}
		})
	}
}

// C1, C7: only an absent credential is absent: a refusal or an outage that has
// ErrNoCredential among its causes stays what it is.
func TestAbsentCauseIsNotAbsent(t *testing.T) {
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"absent", authn.ErrNoCredential, 200},
		{"wrapped", fmt.Errorf("orders: %w", authn.ErrNoCredential), 200},
		{"with reason", authn.NoCredential("expired"), 200},
		{"a refusal", authn.Refused("session", authn.ErrNoCredential), 401},
		{"a malformed one", authn.Malformed("session", authn.NoCredential("x")), 400},
		{"an outage", &authn.Error{Status: 503, Err: authn.ErrNoCredential}, 503},
		{"a nil *Error", (*authn.Error)(nil), 500},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := authntest.Verifier(nil, tt.err)
			second := authntest.Verifier(authn.User("eve", "second"), nil)
			if w := serve(authn.Optional(v)(who), request()); w.Code != tt.want {
				t.Errorf("Optional: status %d, want %d", w.Code, tt.want)
			}
			if w := serve(authn.Require(authn.FirstOf(v, second))(who), request()); w.Code != tt.want {
				t.Errorf("FirstOf: status %d, want %d", w.Code, tt.want)
			}
		})
	}
}

// C5: no Identity without Kind or Subject passes, whoever put it there.
func TestAllowChecksTheIdentity(t *testing.T) {
	for _, id := range []*authn.Identity{{}, {Subject: "ada"}, {Kind: authn.KindUser}} {
		r := authntest.Request(request(), id)
		if w := serve(authn.Allow()(who), r); w.Code != http.StatusInternalServerError {
			t.Errorf("%+v: status %d, want 500", id, w.Code)
		}
	}
}

// C9: behind an anonymous Optional, Allow answers as that one does, and the
// client's address is known.
func TestAllowBehindAnonymousOptional(t *testing.T) {
	var events authntest.Recorder
	g := authn.Guard{
		Verifier: authn.FirstOf(cookie(), header("X-A")), Realm: "acme", OnEvent: events.OnEvent,
		OnError: authn.Pages{Login: "/login"}.OnError,
	}
	h := g.Optional()(authn.Allow()(who))
	if w := serve(h, request("Sec-Fetch-Mode", "navigate")); w.Code != http.StatusSeeOther {
		t.Errorf("a browser: status %d, want the login page", w.Code)
	}
	if w := serve(h, request()); !strings.Contains(strings.Join(w.Header()["Www-Authenticate"], ","), `Cookie realm="acme"`) {
		t.Errorf("a program: %v", w.Header())
	}
	known := false
	g.Optional()(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, anonymous := authn.ClientFromContext(r.Context())
		_, signedIn := authn.ClientFromContext(authn.NewContext(r.Context(), authn.User("ada", "x")))
		known = anonymous && signedIn
	})).ServeHTTP(httptest.NewRecorder(), request())
	if !known {
		t.Error("the client of an anonymous request is unknown")
	}
}

// C10: public from outside is not believed where an answer is somebody's.
func TestOuterCacheControl(t *testing.T) {
	for before, want := range map[string]string{
		"public, max-age=3600": "private", "max-age=60": "private", "": "private",
		"no-store": "no-store", "private, max-age=60": "private, max-age=60", "Private": "Private",
	} {
		w := httptest.NewRecorder()
		if before != "" {
			w.Header().Set("Cache-Control", before)
		}
		authn.Require(cookie())(who).ServeHTTP(w, request("Cookie", "good"))
		if got := w.Header().Get("Cache-Control"); got != want {
			t.Errorf("%q became %q, want %q", before, got, want)
		}
	}
	w := httptest.NewRecorder()
	authn.Require(cookie())(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Vary", "Accept") // must not run into the next field's value
	})).ServeHTTP(w, request("Cookie", "good"))
	if got := w.Header().Get("Cache-Control"); got != "private" {
		t.Errorf("Cache-Control %q after the handler added to Vary", got)
	}
}

// C4: a 401 has a challenge, each auth-param once, and no overflow.
func TestOddChallenges(t *testing.T) {
	odd := &fake{"X-A", "x", authn.Description{Challenges: []authn.Challenge{{Scheme: "not a token"}}}}
	w := serve(authn.Require(odd)(who), request())
	if got := w.Header().Get("WWW-Authenticate"); got != `Bearer realm="api"` {
		t.Errorf("challenge %q", got)
	}
	twice := &fake{"X-A", "x", authn.Description{Challenges: []authn.Challenge{
		{Scheme: "X", Params: map[string]string{"Realm": "b", "error": "c", "max_age": "d", "own": "e"}},
	}}}
	w = serve(authn.Require(twice)(who), request())
	if got := w.Header().Get("WWW-Authenticate"); got != `X realm="api", own="e"` {
		t.Errorf("challenge %q", got)
	}
	ada := authntest.Verifier(authn.User("ada", "x"), nil)
	w = serve(authn.Require(ada, authn.Within(1<<63-1, "otp"))(who), request())
	if got := w.Header().Get("WWW-Authenticate"); !strings.Contains(got, `max_age="9223372037"`) {
		t.Errorf("challenge %q", got)
	}
	silent := &fake{"X-A", "x", authn.Description{}}
	if _, err := authn.Check(silent, request()); len(authn.AsError(err).Challenges) != 1 || authn.AsError(err).Challenges[0].Scheme != "Bearer" {
		t.Errorf("a verifier that asks for nothing: %+v", err)
	}
	inVain := &fake{"Cookie", "x", authn.Description{Credentials: []string{"cookie"}}}
	mustPanic(t, func() { authn.Require(inVain) })
}

// Nil is answered, and never dereferenced.
func TestNilErrors(t *testing.T) {
	w := httptest.NewRecorder()
	authn.Guard{}.Refuse(w, request(), nil)
	if w.Code != http.StatusInternalServerError {
		t.Errorf("Refuse(nil): %d", w.Code)
	}
	var e *authn.Error
	if e.Error() == "" || e.Unwrap() != nil || (*authn.Identity)(nil).WithFactor(authn.Factor{Name: "otp"}) != nil {
		t.Error("a nil *Error or *Identity is something")
	}
}
