package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// roleVar makes the test binary be the program itself.
const roleVar = "ROUTERS_TEST_ROLE"

func TestMain(m *testing.M) {
	if os.Getenv(roleVar) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), roleVar+"=program")
	return cmd
}

// E5: -router starts the one that it names, which prints curl lines and, with
// no page to open, speaks of none. Ctrl-C ends it.
func TestProgramPrintsCurlLines(t *testing.T) {
	cmd := program(t, "-router=chi", "-addr=localhost:0")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var printed strings.Builder
	for in := bufio.NewScanner(stdout); in.Scan() && in.Text() != "Ctrl-C ends it."; {
		printed.WriteString(in.Text() + "\n")
	}
	if n := strings.Count(printed.String(), "\ncurl -i "); n != 9 || !strings.Contains(printed.String(), "/orders/7\n") {
		t.Errorf("%d curl lines, want 9:\n%s", n, printed.String())
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
}

// E5: a router that is not there is answered by those that are.
func TestUnknownRouterSaysWhichThereAre(t *testing.T) {
	out, err := program(t, "-router=gorilla", "-addr=localhost:0").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "chi, connect, echo, gin, nethttp") {
		t.Errorf("%v: %s", err, out)
	}
}

// world is what stands behind the routers, and who calls.
type world struct {
	Guards
	// The header fields of callers: a name and a value.
	key, narrow, revoked, ada, bob, stale, cookie, old []string
}

func newWorld(t *testing.T) world {
	t.Helper()
	const base = "http://127.0.0.1:8080"
	st := memstore.New(memstore.Config{})
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_dev", Scopes: []string{"orders:read", "orders:write"}}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: base, Audience: []string{base}}))
	sessions := authn.Must(session.New(st, session.Config{}))
	person := func(subject, role string, proven time.Time) *authn.Identity {
		id := authn.User(subject, "password", authn.Factor{Name: "otp", At: proven})
		id.Roles = []string{role}
		return id
	}
	key := func(scope string) (id string, field []string) {
		k := authn.Must(keys.Create(t.Context(), "ada", apikey.Spec{Name: scope, Scopes: []string{scope}}))
		return k.ID, []string{"X-API-Key", k.Secret.Reveal()}
	}
	token := func(id *authn.Identity) []string {
		tokens := authn.Must(issuer.Issue(t.Context(), jwtauth.Grant{Identity: id}))
		return []string{"Authorization", "Bearer " + tokens.Access.Reveal()}
	}
	cookie := func(id *authn.Identity) []string {
		rec := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "/login", nil)
		if _, err := sessions.Login(rec, r, id, session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
		pair, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
		return []string{"Cookie", pair}
	}
	now := time.Now()
	w := world{
		ada: token(person("ada", "admin", now)), bob: token(person("bob", "clerk", now)),
		stale:  token(person("ada", "admin", now.Add(-time.Hour))),
		cookie: cookie(person("ada", "admin", now)), old: cookie(person("cay", "clerk", now)),
	}
	if err := sessions.RevokeSubject(t.Context(), "cay"); err != nil {
		t.Fatal(err)
	}
	_, w.key = key("orders:read")
	_, w.narrow = key("orders:write")
	id, revoked := key("orders:read")
	if err := keys.Revoke(t.Context(), "ada", id); err != nil {
		t.Fatal(err)
	}
	w.revoked = revoked
	accept := func(w http.ResponseWriter, _ *http.Request, id *authn.Identity) {
		w.Header().Add("X-Accepted", id.Method)
	}
	w.Programs = authn.Guard{Verifier: keys, OnAccept: accept}
	w.People = authn.Guard{Verifier: authn.FirstOf(issuer.Verifier(), sessions), OnAccept: accept}
	return w
}

// request is c with these header fields: names and values.
func request(c tour.Call, fields ...string) *http.Request {
	r := httptest.NewRequest(c.Method, "https://shop.example"+c.URL, strings.NewReader(c.Body))
	for _, field := range c.Header {
		name, value, _ := strings.Cut(field, ": ")
		r.Header.Set(name, value)
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Set(fields[i], fields[i+1])
	}
	return r
}

// route is one of the three: how a router has it, what its answers depend on
// and what it is asked for.
type route struct {
	of   func(Router) tour.Call
	vary string
	id   string
}

var (
	order  = route{func(r Router) tour.Call { return r.Order }, "X-Api-Key, Authorization", "7"}
	me     = route{func(r Router) tour.Call { return r.Me }, "Authorization, Cookie", ""}
	remove = route{func(r Router) tour.Call { return r.Remove }, "Authorization, Cookie", "bob"}
)

// answer is what of an answer must not depend on the router.
type answer struct {
	status, problem int // in the head, and in the body of a refusal
	challenges      []string
	vary, cache     string
	retry           string
	id, subject, by string
	code            string
}

func send(t *testing.T, router Router, g Guards, route route, fields ...string) answer {
	t.Helper()
	rec := httptest.NewRecorder()
	router.New(g).ServeHTTP(rec, request(route.of(router), fields...))
	h := rec.Header()
	var body struct {
		Answer
		Error  string
		Status int
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &body); err != nil {
		t.Fatalf("%v: %q", err, rec.Body)
	}
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	if problem := kind == "application/problem+json"; problem != (rec.Code != http.StatusOK) || !problem && kind != "application/json" {
		t.Errorf("%d with Content-Type %q", rec.Code, kind)
	}
	return answer{
		rec.Code, body.Status, h["Www-Authenticate"], strings.Join(h["Vary"], ", "), h.Get("Cache-Control"), h.Get("Retry-After"),
		body.ID, body.Subject, body.Method, body.Error,
	}
}

// E5: five routers answer the same request alike: status, challenges, Vary,
// Cache-Control, who it was or what was wrong.
func TestRoutersAnswerAlike(t *testing.T) {
	w := newWorld(t)
	const (
		text   = `, error_description="The credential is malformed, expired, revoked or unknown."`
		scope  = `, error="insufficient_scope", error_description="The credential lacks a scope that is needed here.", scope="orders:read"`
		stepUp = `, error="insufficient_user_authentication", error_description="Another or a more recent proof of identity is needed.", factor="otp", max_age="600"`
	)
	apiKey := []string{`ApiKey realm="api"`}
	both := []string{`Bearer realm="api"`, `Cookie realm="api"`}
	bad := []string{`Bearer realm="api", error="invalid_token"` + text, `Cookie realm="api", error="invalid_token"` + text}
	stale := []string{`Bearer realm="api"` + stepUp, `Cookie realm="api"` + stepUp}
	crossSite := []string{"Sec-Fetch-Site", "cross-site"}
	for _, tt := range []struct {
		name       string
		route      route
		fields     []string
		status     int
		challenges []string
		says       string // who is let in, else the code of the refusal
		method     string
	}{
		{"a key with the scope", order, w.key, 200, nil, "ada", "apikey"},
		{"no key", order, nil, 401, apiKey, "", ""},
		{"a key without the scope", order, w.narrow, 403, []string{`ApiKey realm="api"` + scope}, "insufficient_scope", ""},
		{"a revoked key", order, w.revoked, 401, []string{`ApiKey realm="api", error="invalid_token"` + text}, "invalid_token", ""},
		{"a mistyped key", order, []string{"X-API-Key", tour.Typo(w.key[1])}, 401, []string{`ApiKey realm="api", error="invalid_token"` + text}, "invalid_token", ""},
		{"a session where a key is wanted", order, w.cookie, 401, apiKey, "", ""},

		{"a token", me, w.bob, 200, nil, "bob", "jwt"},
		{"a session", me, w.cookie, 200, nil, "ada", "session"},
		{"a token beside a session", me, slices.Concat(w.bob, w.cookie), 200, nil, "bob", "jwt"},
		{"nobody", me, nil, 401, both, "", ""},
		{"a key where a person is wanted", me, w.key, 401, both, "", ""},
		{"a session that has ended", me, w.old, 401, both, "", ""},
		{"a token beside a session that has ended", me, slices.Concat(w.bob, w.old), 200, nil, "bob", "jwt"},
		{"a bad token", me, []string{"Authorization", w.bob[1] + "x"}, 401, bad, "invalid_token", ""},
		{"a bad token beside a session", me, append([]string{"Authorization", w.bob[1] + "x"}, w.cookie...), 401, bad, "invalid_token", ""},

		{"an admin's token", remove, w.ada, 200, nil, "ada", "jwt"},
		{"an admin's session", remove, w.cookie, 200, nil, "ada", "session"},
		{"another site's form", remove, slices.Concat(w.cookie, crossSite), 403, nil, "forbidden", ""},
		{"no admin", remove, w.bob, 403, nil, "forbidden", ""},
		{"a second factor of an hour ago", remove, w.stale, 401, stale, "insufficient_user_authentication", ""},
		{"no user to remove by", remove, nil, 401, both, "", ""},
	} {
		want := answer{status: tt.status, challenges: tt.challenges, vary: tt.route.vary}
		if tt.status == http.StatusOK {
			want.cache, want.id, want.subject, want.by = "private", tt.route.id, tt.says, tt.method
		} else {
			want.cache, want.problem, want.code = "no-store", tt.status, tt.says
		}
		for name, router := range routers {
			if got := send(t, router, w.Guards, tt.route, tt.fields...); !reflect.DeepEqual(got, want) {
				t.Errorf("%s, %s:\n%+v, want\n%+v", name, tt.name, got, want)
			}
		}
	}
}

// E5: an outage is 503 on all of them, never a handler that runs.
func TestRoutersAnswerAnOutageAlike(t *testing.T) {
	down := authn.Guard{Verifier: authntest.Verifier(nil, errors.New("connection refused"))}
	want := answer{status: 503, problem: 503, vary: "Authorization", cache: "no-store", retry: "5", code: "unavailable"}
	for name, router := range routers {
		for _, route := range []route{order, me, remove} {
			if got := send(t, router, Guards{down, down}, route); !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v, want %+v", name, got, want)
			}
		}
	}
}

// E5: what nobody serves is 404 to everybody: no router guards more than its
// routes.
func TestRoutersAnswerUnknownPathsAlike(t *testing.T) {
	for name, router := range routers {
		rec := httptest.NewRecorder()
		router.New(newWorld(t).Guards).ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/nothing", nil))
		if rec.Code != http.StatusNotFound || rec.Header()["Www-Authenticate"] != nil {
			t.Errorf("%s: %d, %v", name, rec.Code, rec.Header())
		}
	}
}

// E5: OnAccept sees whom a router lets in, once, before the handler writes.
func TestRoutersCallOnAcceptOnce(t *testing.T) {
	w := newWorld(t)
	for name, router := range routers {
		for by, c := range map[string]struct {
			route  route
			fields []string
		}{"apikey": {order, w.key}, "jwt": {remove, w.ada}, "session": {me, w.cookie}} {
			rec := httptest.NewRecorder()
			router.New(w.Guards).ServeHTTP(rec, request(c.route.of(router), c.fields...))
			if got := rec.Result().Header["X-Accepted"]; !slices.Equal(got, []string{by}) {
				t.Errorf("%s: %q, want %s, once", name, got, by)
			}
		}
	}
}

// E5: clients of Connect, gRPC and gRPC-Web read a refusal as what it is.
func TestConnectClientsReadRefusals(t *testing.T) {
	w := newWorld(t)
	down := authn.Guard{Verifier: authntest.Verifier(nil, errors.New("connection refused"))}
	serve := func(g Guards) string {
		s := httptest.NewUnstartedServer(Connect(g))
		s.Config.Protocols = new(http.Protocols)
		s.Config.Protocols.SetHTTP1(true)
		s.Config.Protocols.SetUnencryptedHTTP2(true)
		s.Start()
		t.Cleanup(s.Close)
		return s.URL
	}
	up, outage := serve(w.Guards), serve(Guards{down, down})
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	h2 := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	defer h2.CloseIdleConnections()
	for protocol, option := range map[string]connect.ClientOption{
		"Connect": connect.WithProtoJSON(), "gRPC": connect.WithGRPC(), "gRPC-Web": connect.WithGRPCWeb(),
	} {
		for _, tt := range []struct {
			name, url string
			fields    []string
			want      connect.Code // 0 is none
		}{
			{"an admin", up, w.ada, 0},
			{"nobody", up, nil, connect.CodeUnauthenticated},
			{"no admin", up, w.bob, connect.CodePermissionDenied},
			{"an outage", outage, w.ada, connect.CodeUnavailable},
		} {
			client := connect.NewClient[structpb.Struct, structpb.Struct](h2, tt.url+"/shop.v1.Shop/RemoveUser", option)
			req := connect.NewRequest(authn.Must(structpb.NewStruct(map[string]any{"id": "bob"})))
			if tt.fields != nil {
				req.Header().Set(tt.fields[0], tt.fields[1])
			}
			resp, err := client.CallUnary(t.Context(), req)
			var refused *connect.Error
			switch {
			case tt.want == 0 && err == nil:
				if who := resp.Msg.Fields["subject"].GetStringValue(); who != "ada" {
					t.Errorf("%s, %s: answered as to %q", protocol, tt.name, who)
				}
			case !errors.As(err, &refused) || refused.Code() != tt.want:
				t.Errorf("%s, %s: %v, want %v", protocol, tt.name, err, tt.want)
			}
		}
	}
}

// E5: what the program prints works, on each router, over real HTTP.
func TestPrintedRequestsWork(t *testing.T) {
	for name, router := range routers {
		ln, err := net.Listen("tcp", "localhost:0")
		if err != nil {
			t.Fatal(err)
		}
		if err := run(t.Context(), tour.Options{Listener: ln, Store: "memory", Walk: true}, router); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// E5: each router is a file of at most 60 lines, and main.go of at most 150.
func TestFilesAreShort(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	most := map[string]int{"main_test.go": math.MaxInt, "main.go": 150}
	for name := range routers {
		most[name+".go"] = 60
	}
	for _, name := range files {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(code), "\n"); n > most[name] {
			t.Errorf("%s has %d lines, want at most %d", name, n, most[name])
		}
	}
	if len(files) != len(most) {
		t.Errorf("there are %q, want one for each router, main.go and its test", files)
	}
}
