package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// roleVar makes the test binary be the program itself, so that exit codes are
// the real ones.
const roleVar = "MIGRATION_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "program":
		main()
	case "program that lets everybody in":
		http.DefaultTransport = noChallenge{http.DefaultTransport}
		main()
	default:
		os.Exit(m.Run())
	}
}

// noChallenge makes a refusal look like an answer.
type noChallenge struct{ http.RoundTripper }

func (d noChallenge) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := d.RoundTripper.RoundTrip(r)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		resp.StatusCode, resp.Status = http.StatusOK, "200 OK"
	}
	return resp, err
}

// runs is what a run that ends by itself printed, and its exit code.
func runs(t *testing.T, role string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, "-walkthrough")
	cmd.Env = append(os.Environ(), roleVar+"="+role)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// E4, S18: the walkthrough goes from sessions to tokens and back over real
// HTTP, prints each exchange, with no whole secret in it, and exits 0. The log
// says who still comes by the old way.
func TestWalkthrough(t *testing.T) {
	stdout, stderr, code := runs(t, "program")
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"< Sunset: ", "/moving>; rel=\"sunset\"\n", `"step":"sessions to tokens","today":{"jwt":1,"session":2}`,
		`"yesterday":{"jwt":1,"session":0}`, `"step":"tokens"`, `"step":"tokens to sessions"`,
		`"yesterday":{"jwt":0,"session":1}`, `"step":"sessions again"`, "answers are what they have to be.",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	for _, want := range []string{"event=accepted subject=ada subject_kind=user actor=ada method=session", "method=jwt", "reason=sunset"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log lacks %s:\n%s", want, stderr)
		}
	}
	secret := regexp.MustCompile(`acme_dev_\w{43}_\w{6}|eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}|[\w-]{8}\.[\w-]{43}`)
	if whole := secret.FindString(stdout + stderr); whole != "" {
		t.Errorf("a whole secret was printed: %s", whole)
	}
}

// E4: an answer that is not what it should be ends the walkthrough with exit
// code 1, and the last words say which one.
func TestWrongAnswerExits1(t *testing.T) {
	stdout, stderr, code := runs(t, "program that lets everybody in")
	if code != 1 || !strings.Contains(stderr, "a token is of no use yet") || !strings.Contains(stderr, "answered by 401") {
		t.Errorf("exit code %d, want 1\n%s\n%s", code, stdout, stderr)
	}
}

// newTest is a service with its calls at base, and its operators' keys.
func newTest(t *testing.T, base string, audit authn.EventFunc) (*service, *apikey.Keys, tour.Calls) {
	t.Helper()
	st := memstore.New(memstore.Config{})
	keys := authn.Must(apikey.New(st, apikey.Config{Prefix: "acme_dev", Scopes: []string{"migration"}}))
	hasher := authn.Must(password.NewHasher(password.HasherConfig{Argon2: password.Argon2Small()}))
	s, calls, err := newService(t.Context(), st, keys, hasher, base, audit)
	if err != nil {
		t.Fatal(err)
	}
	return s, keys, calls
}

// E4: the lines that are printed to be pasted have the answers that they say,
// though those that need an earlier answer are left out.
func TestPrintedRequestsWork(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	s, keys, calls := newTest(t, "http://"+server.Listener.Addr().String(), nil)
	server.Config.Handler = routes(s, keys)
	server.Start()
	defer server.Close()
	var printed tour.Calls
	for _, c := range calls {
		if c.Says = ""; strings.Contains(calls.Lines(), c.Curl()+"\n") {
			printed = append(printed, c)
		}
	}
	if len(printed) < 25 {
		t.Errorf("%d lines can be pasted, want at least 25", len(printed))
	}
	if err := printed.Walk(t.Context(), io.Discard); err != nil {
		t.Error(err)
	}
}

// world is a service at one of its steps, with a login of each way.
type world struct {
	op            *operator
	events        authntest.Recorder
	token, cookie [2]string // header fields
}

func newWorld(t *testing.T, at int) *world {
	t.Helper()
	w := new(world)
	s, _, _ := newTest(t, "http://127.0.0.1:8080", w.events.OnEvent)
	w.op = newOperator(s)
	w.op.at = at
	tokens := authn.Must(s.issuer.Issue(t.Context(), jwtauth.Grant{Identity: authn.User("ada", "password"), Refresh: true}))
	w.token = [2]string{"Authorization", "Bearer " + tokens.Access.Reveal()}
	rec := httptest.NewRecorder()
	if _, err := s.sessions.Login(rec, httptest.NewRequest(http.MethodPost, "/", nil), authn.User("ada", "password"), session.LoginOptions{}); err != nil {
		t.Fatal(err)
	}
	w.cookie = [2]string{"Cookie", cookieOf(rec)}
	return w
}

func cookieOf(rec *httptest.ResponseRecorder) string {
	pair, _, _ := strings.Cut(rec.Header().Get("Set-Cookie"), ";")
	return pair
}

func (w *world) send(method, path string, fields ...[2]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://shop.example"+path, nil)
	for _, f := range fields {
		r.Header.Set(f[0], f[1])
	}
	rec := httptest.NewRecorder()
	w.op.ServeHTTP(rec, r)
	return rec
}

// E4, S18: at each step the ways that are taken are let in, the one that ends
// hears so and is an event each time, and one that is switched off is in no
// challenge and no Vary.
func TestEachStep(t *testing.T) {
	const bearer, cookie = `Bearer realm="api"`, `Cookie realm="api"`
	for at, tt := range []struct {
		token, session int
		sunset         string
		challenges     string
		vary           string
	}{
		{401, 200, "", cookie, "Cookie"},
		{200, 200, "session", bearer + ", " + cookie, "Authorization, Cookie"},
		{200, 401, "", bearer, "Authorization"},
		{200, 200, "jwt", bearer + ", " + cookie, "Authorization, Cookie"},
		{401, 200, "", cookie, "Cookie"},
	} {
		w := newWorld(t, at)
		name := w.op.steps[at].name
		for method, c := range map[string]struct {
			want  int
			field [2]string
		}{"jwt": {tt.token, w.token}, "session": {tt.session, w.cookie}} {
			rec := w.send(http.MethodGet, "/orders", c.field)
			ends := rec.Header().Get("Sunset") != "" && rec.Header().Get("Link") == `<http://127.0.0.1:8080/moving>; rel="sunset"`
			if rec.Code != c.want || ends != (method == tt.sunset) {
				t.Errorf("%s, %s: %d, want %d; header %v", name, method, rec.Code, c.want, rec.Header())
			}
			if n := w.op.today[method]; (n == 1) != (c.want == http.StatusOK) {
				t.Errorf("%s, %s: counted %d times", name, method, n)
			}
		}
		rec := w.send(http.MethodGet, "/orders")
		if got := strings.Join(rec.Header()["Www-Authenticate"], ", "); got != tt.challenges {
			t.Errorf("%s: challenges %q, want %q", name, got, tt.challenges)
		}
		if got := strings.Join(rec.Header()["Vary"], ", "); got != tt.vary {
			t.Errorf("%s: Vary %q, want %q", name, got, tt.vary)
		}
		var used []string
		for _, e := range w.events.Events(authn.EventAccepted) {
			used = append(used, e.Method)
		}
		if strings.Join(used, ",") != tt.sunset {
			t.Errorf("%s: events of %q, want one of %q", name, used, tt.sunset)
		}
	}
}

// E4: a login moves once: it ends where it was, and what has moved, or has
// nowhere to go, does not move. No other site makes a browser move.
func TestMove(t *testing.T) {
	crossSite := [2]string{"Sec-Fetch-Site", "cross-site"}
	for at, tt := range []struct{ token, session int }{
		{401, 403}, {403, 200}, {403, 401}, {204, 403}, {401, 403},
	} {
		w := newWorld(t, at)
		if rec := w.send(http.MethodPost, "/move", w.cookie, crossSite); rec.Code != http.StatusForbidden && rec.Code != http.StatusUnauthorized {
			t.Errorf("step %d: another site moves: %d", at, rec.Code)
		}
		for name, c := range map[string]struct {
			want  int
			field [2]string
		}{"token": {tt.token, w.token}, "session": {tt.session, w.cookie}} {
			rec := w.send(http.MethodPost, "/move", c.field)
			if rec.Code != c.want {
				t.Errorf("step %d, %s: %d, want %d: %s", at, name, rec.Code, c.want, rec.Body)
			}
			if rec.Code >= 300 {
				continue
			}
			if old := w.send(http.MethodGet, "/orders", c.field); old.Code != http.StatusUnauthorized {
				t.Errorf("step %d: the %s is still good: %d", at, name, old.Code)
			}
			if c.want == http.StatusNoContent {
				if moved := w.send(http.MethodGet, "/orders", [2]string{"Cookie", cookieOf(rec)}); moved.Code != http.StatusOK {
					t.Errorf("step %d: the session that the token became: %d", at, moved.Code)
				}
			}
		}
	}
}

// E4: of requests at the same time one moves a login.
func TestMoveAtOnce(t *testing.T) {
	for n := range 20 {
		at := 1 + n%2*2
		w := newWorld(t, at)
		login := map[int][2]string{1: w.cookie, 3: w.token}[at]
		var moved atomic.Int32
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() {
				if w.send(http.MethodPost, "/move", login).Code < http.StatusMultipleChoices {
					moved.Add(1)
				}
			})
		}
		if all.Wait(); moved.Load() != 1 {
			t.Fatalf("step %d: a login moved %d times", at, moved.Load())
		}
	}
}

// E4: the old way is switched off after a whole day on which nobody came by it,
// and not before, and nobody is asked where no way ends.
func TestOldWayIsSwitchedOffWhenItIsNotUsed(t *testing.T) {
	w := newWorld(t, 0)
	act := func(what string) (status int) {
		rec := httptest.NewRecorder()
		switch r := httptest.NewRequest(http.MethodPost, "/", nil); what {
		case "session":
			return w.send(http.MethodGet, "/orders", w.cookie).Code
		case "token":
			return w.send(http.MethodGet, "/orders", w.token).Code
		case "day":
			w.op.newDay(rec, r)
		case "step":
			w.op.next(rec, r)
		}
		return rec.Code
	}
	for i, tt := range []struct {
		what string
		want int
	}{
		// Nothing ends yet.
		{"session", 200},
		{"step", 200},
		// The first day is not over.
		{"step", 409},
		// It is, and brought a session.
		{"session", 200},
		{"day", 200},
		{"step", 409},
		// The day before brought none, this one does.
		{"token", 200},
		{"day", 200},
		{"session", 200},
		{"step", 409},
		// Now that is the day before.
		{"day", 200},
		{"step", 409},
		// A day of tokens only.
		{"token", 200},
		{"day", 200},
		{"step", 200},
		{"session", 401},
		{"token", 200},
		{"step", 200},
		// And back.
		{"session", 200},
		{"step", 409},
		{"day", 200},
		{"step", 200},
		{"token", 401},
		{"session", 200},
		{"step", 409},
	} {
		if got := act(tt.what); got != tt.want {
			t.Fatalf("%d, %s: %d, want %d at step %d", i, tt.what, got, tt.want, w.op.at)
		}
	}
}

// E4: who comes by a way that is taken before and after a step notices nothing
// of it, under load.
func TestNobodyNoticesAStep(t *testing.T) {
	w := newWorld(t, 0)
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 50 {
				if rec := w.send(http.MethodGet, "/orders", w.cookie); rec.Code != http.StatusOK {
					t.Errorf("%d: %s", rec.Code, rec.Body)
				}
			}
		})
	}
	w.op.next(httptest.NewRecorder(), nil)
	clients.Wait()
	if w.op.at != 1 {
		t.Errorf("at step %d", w.op.at)
	}
}

// E4: no file is longer than somebody reads in one go.
func TestFilesAreShort(t *testing.T) {
	for _, name := range []string{"main.go", "steps.go", "operator.go"} {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(code, []byte("\n")); n > 150 {
			t.Errorf("%s has %d lines, over 150", name, n)
		}
	}
}
