package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/apikey"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/examples/internal/tour"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/password"
	"github.com/gatehouse-go/authn/ratelimit"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// roleVar makes the test binary be the program itself, so that exit codes and
// signals are the real ones, under the race detector, too.
const roleVar = "QUICKSTART_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVar) {
	case "program":
		main()
	case "program with an open door":
		http.DefaultTransport = openDoor{http.DefaultTransport}
		main()
	default:
		os.Exit(m.Run())
	}
}

// openDoor answers requests without a key as if they had been let through.
type openDoor struct{ http.RoundTripper }

func (d openDoor) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Header.Get("X-API-Key") != "" {
		return d.RoundTripper.RoundTrip(r)
	}
	return &http.Response{
		StatusCode: http.StatusOK, Status: "200 OK", Request: r, Header: http.Header{},
		Body: io.NopCloser(strings.NewReader("come in\n")),
	}, nil
}

func program(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, exe, args...)
	cmd.Env = append(os.Environ(), roleVar+"="+role, "OIDC_ISSUER=")
	return cmd
}

// runs is what a run that ends by itself printed, and its exit code.
func runs(t *testing.T, role string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := program(t, role, args...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), log.String(), cmd.ProcessState.ExitCode()
}

// E1: -walkthrough tries everything on a free port over real HTTP, prints each
// exchange, with no whole key in it, and exits 0.
func TestWalkthrough(t *testing.T) {
	stdout, stderr, code := runs(t, "program", "-walkthrough")
	if code != 0 {
		t.Fatalf("exit code %d\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{
		"> GET /orders\n> X-API-Key: acme_dev_", "< 200 OK\n", "< 201 Created\n", "< 204 No Content\n",
		"< 401 Unauthorized\n< WWW-Authenticate: ApiKey realm=\"api\"\n< WWW-Authenticate: Bearer realm=\"api\"\n", "< 403 Forbidden\n",
		"> Cookie: session=", "< Set-Cookie: session=", "Signed in as <b>ada</b>", "> Sec-Fetch-Site: cross-site\n", "WWW-Authenticate: Cookie realm=\"api\"\n",
		"> POST /token\n", "> Authorization: Bearer eyJ", `"expires_in":900`, "> POST /token/refresh\n", "> POST /token/refresh/logout\n",
		"answers are what they have to be.",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("stdout lacks %q:\n%s", want, stdout)
		}
	}
	for _, want := range []string{
		"reason=checksum", `reason="missing scope"`, "reason=revoked",
		"reason=cross-origin", `reason="other sessions"`,
		"event=login", "event=refreshed", "event=logout", `reason="token revoked"`,
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the log lacks %s:\n%s", want, stderr)
		}
	}
	for _, secret := range []*regexp.Regexp{wholeKey, wholeAccess, wholeRefresh, wholeSession} {
		if whole := secret.FindString(stdout + stderr); whole != "" {
			t.Errorf("a whole key or token was printed: %s", whole)
		}
	}
}

var (
	wholeKey     = regexp.MustCompile(`acme_dev_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}`)
	wholeAccess  = regexp.MustCompile(`eyJ[\w-]+\.eyJ[\w-]+\.[\w-]{86}`)
	wholeSession = regexp.MustCompile(`session=[\w-]{8}\.[\w-]{43}`)
	wholeRefresh = regexp.MustCompile(`[\w-]{8}\.[\w-]{22}\.\d+\.[\w-]{8}\.[\w-]{43}`)
)

// E1: an answer that is not what it should be ends the walkthrough with exit
// code 1, and the last words say which one and what was expected.
func TestWrongAnswerExits1(t *testing.T) {
	stdout, stderr, code := runs(t, "program with an open door", "-walkthrough")
	if code != 1 {
		t.Fatalf("exit code %d, want 1\n%s\n%s", code, stdout, stderr)
	}
	for _, want := range []string{"no key", "answered by 401", "was by 200", "come in"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("stderr lacks %q:\n%s", want, stderr)
		}
	}
	if strings.Contains(stdout, "mistyped") {
		t.Errorf("it went on after the wrong answer:\n%s", stdout)
	}
}

// E1: a port that is taken says what to do.
func TestTakenPortSaysWhatToDo(t *testing.T) {
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, stderr, code := runs(t, "program", "-addr", ln.Addr().String())
	if code != 1 || !strings.Contains(stderr, "-addr localhost:0") {
		t.Errorf("exit code %d, stderr %q; want 1 and a hint at -addr", code, stderr)
	}
}

// E1: the curl lines work when they are pasted into bash as they were printed,
// in their order, and Ctrl-C ends the server with exit code 0.
func TestPrintedCurlLinesWork(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil && os.Getenv("CI") == "true" {
			t.Fatalf("%v, and CI has to have it", err)
		} else if err != nil {
			t.Skipf("SKIPPED, the printed lines are NOT TESTED: %v", err)
		}
	}
	cmd := program(t, "program", "-addr", "localhost:0")
	var log bytes.Buffer
	cmd.Stderr = &log
	lines, _ := serves(t, cmd)
	if len(lines) < 15 {
		t.Errorf("%d curl lines were printed, want at least 15", len(lines))
	}
	jars := t.TempDir()
	for _, l := range lines {
		paste := exec.CommandContext(t.Context(), "bash", "-c", l.curl)
		paste.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "TMPDIR="+jars)
		out, err := paste.Output()
		if err != nil {
			t.Fatalf("%s: %v", l.curl, err)
		}
		if status, _, _ := strings.Cut(string(out), "\r\n"); !strings.HasPrefix(status, "HTTP/1.1 "+l.status+" ") {
			t.Errorf("%s\n%s\nwas answered by %s", l.title, l.curl, out)
		}
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v\n%s", err, log.String())
	}
}

type printed struct{ status, title, curl string }

// serves starts a program that waits, and reads what it prints before.
func serves(t *testing.T, cmd *exec.Cmd) (all []printed, page string) {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var last printed
	for in := bufio.NewScanner(stdout); in.Scan(); {
		switch line := in.Text(); {
		case strings.HasPrefix(line, "# "):
			last.status, last.title, _ = strings.Cut(strings.TrimPrefix(line, "# "), ": ")
		case strings.HasPrefix(line, "curl "):
			last.curl = line
			all = append(all, last)
		case strings.HasPrefix(line, "Or open http://127.0.0.1:"):
			return all, strings.Fields(line)[2]
		}
	}
	t.Fatal("the program ended before it said where to find the page")
	return nil, ""
}

// testServer is what the program serves.
func testServer(t *testing.T) http.Handler {
	t.Helper()
	t.Setenv("OIDC_ISSUER", "")
	const base = "http://127.0.0.1:8080"
	st := memstore.New(memstore.Config{})
	keys := authn.Must(apikey.New(st, apikey.Config{
		Prefix: "acme_dev", Scopes: []string{"orders:read", "orders:write", "keys:manage"},
	}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	kc := authn.GenerateKeychain()
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, kc, jwtauth.IssuerConfig{Issuer: base, Audience: []string{base}}))
	sessions := authn.Must(session.New(st, session.Config{InsecureDevelopmentCookie: true}))
	attempts := authn.Must(ratelimit.NewAttempts(st, kc, ratelimit.AttemptsConfig{}))
	hasher := authn.Must(password.NewHasher(password.HasherConfig{Argon2: password.Argon2Small()}))
	people := authn.Must(password.New(st, attempts, password.Config{Hasher: hasher, Revoke: sessions}))
	login, err1 := elsewhere(st, kc, sessions, base, nil)
	d, err2 := tour.NewDemo(t.Context(), files, st, hasher, keys, issuer, base)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return routes(keys, issuer, sessions, people, login, nil, d)
}

// E1: of many guesses at the password five a minute are looked at.
func TestGuessesAreLimited(t *testing.T) {
	h := testServer(t)
	var codes []int
	for range 8 {
		r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(`{"password": "letmein"}`))
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		codes = append(codes, w.Code)
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Error("a 429 without Retry-After")
		}
	}
	if want := []int{401, 401, 401, 401, 401, 429, 429, 429}; !slices.Equal(codes, want) {
		t.Errorf("%d, want %d", codes, want)
	}
}

// E1: the page is served, with keys on it, only under names of this computer:
// a name that somebody lets resolve to 127.0.0.1 reads none.
func TestPageIsForThisComputerOnly(t *testing.T) {
	h := testServer(t)
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8080": 200, "127.0.0.1:8080": 200, "[::1]:8080": 200,
		"":                             403,
		"rebound.example":              403,
		"rebound.example:8080":         403,
		"localhost.rebound.example":    403,
		"127.0.0.1.rebound.example":    403,
		"localhost@rebound.example":    403,
		"rebound.example#localhost":    403,
		"192.168.1.7:8080":             403,
		"0.0.0.0:8080":                 403,
		"rebound.example:80:localhost": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: status %d, want %d", host, w.Code, want)
		}
		if shown := wholeKey.MatchString(w.Body.String()); shown != (want == 200) {
			t.Errorf("Host %q: a key is shown: %t", host, shown)
		}
	}
}

// E1: the page may load its own script and style and nothing else, is neither
// kept nor framed, and has the curl lines for who runs no scripts.
func TestPageIsStrict(t *testing.T) {
	w := httptest.NewRecorder()
	testServer(t).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/", nil))
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("Content-Security-Policy %q lacks %s", policy, want)
		}
	}
	body := w.Body.String()
	if inline := regexp.MustCompile(`(?i)<style|<script[^>]*>[^<]|\son\w+=|\sstyle=|javascript:`).FindString(body); inline != "" {
		t.Errorf("the page has something inline, which its policy forbids: %q", inline)
	}
	_, noscript, _ := strings.Cut(body, "<noscript>")
	noscript, _, ok := strings.Cut(noscript, "</noscript>")
	if !ok || !strings.Contains(noscript, "need JavaScript") || strings.Count(noscript, "curl -i") < 15 {
		t.Errorf("without scripts the page shows %q", noscript)
	}
}

// E1: the page's script and style are there, as what they are; no other file is.
func TestAssets(t *testing.T) {
	mux := testServer(t)
	for path, want := range map[string]string{
		"/assets/app.js": "text/javascript", "/assets/style.css": "text/css",
		"/assets/": "", "/assets/..%2fpage.html": "", "/page.html": "", "/tour.http": "",
	} {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		kind, _, _ := strings.Cut(w.Header().Get("Content-Type"), ";")
		if found := w.Code == http.StatusOK; found != (want != "") || found && kind != want {
			t.Errorf("%s: %d %s, want %q", path, w.Code, kind, want)
		}
	}
}

// E1: the password is taken as JSON and in a form, and nothing else logs in.
func TestLogin(t *testing.T) {
	const form, json = "application/x-www-form-urlencoded", "application/json"
	for _, tt := range []struct {
		name, kind, body string
		want             int
	}{
		{"JSON", json, `{"password": "quickstart"}`, 200},
		{"a form", form, "password=quickstart", 200},
		{"another password", json, `{"password": "quickstart "}`, 401},
		{"another password in a form", form, "password=Quickstart", 401},
		{"no password", json, `{}`, 401},
		{"no body", form, "", 401},
		{"no JSON", json, "password=quickstart", 401},
		{"not a string", json, `{"password": ["quickstart"]}`, 401},
		{"more than is read", json, `{"x": "` + strings.Repeat("x", 4096) + `", "password": "quickstart"}`, 401},
	} {
		h := testServer(t) // with no guesses yet
		r := httptest.NewRequest(http.MethodPost, "/token?password=quickstart", strings.NewReader(tt.body))
		r.Header.Set("Content-Type", tt.kind)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.Contains(w.Body.String(), "refresh_token"); w.Code != tt.want || got != (tt.want == 200) {
			t.Errorf("%s: %d, want %d:\n%s", tt.name, w.Code, tt.want, w.Body)
		}
	}
}

// E1: the form signs a browser in and leads back to the page that was asked
// for; what is wrong is said there. Programs get plain answers. A form of
// another site is refused, and so is a cookie to anybody but this computer's
// browsers.
func TestLoginForm(t *testing.T) {
	h := testServer(t)
	const local = "http://127.0.0.1:8080"
	for _, tt := range []struct {
		name, url, password, site string
		browser                   bool
		want                      int
		location, cookie          string
	}{
		{"a browser", local + "/login", "quickstart", "same-origin", true, 303, "/", "session="},
		{"the way back", local + "/login?return_to=%2Fme", "quickstart", "same-origin", true, 303, "/me", "session="},
		{"a way elsewhere", local + "/login?return_to=%2F%2Fevil.example", "quickstart", "same-origin", true, 303, "/", "session="},
		{"another password", local + "/login", "letmein", "same-origin", true, 303, "/?wrong=1", ""},
		{"a program", local + "/login", "quickstart", "", false, 303, "/", "session="},
		{"a program with another password", local + "/login", "letmein", "", false, 401, "", ""},
		{"another site", local + "/login", "quickstart", "cross-site", true, 403, "", ""},
		{"another port", local + "/login", "quickstart", "same-site", true, 403, "", ""},
		{"another computer", "http://192.168.1.7:8080/login", "quickstart", "same-origin", true, 303, "/", "__Host-session="}, // Secure: no browser keeps it
	} {
		r := httptest.NewRequest(http.MethodPost, tt.url, strings.NewReader("password="+tt.password))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if tt.site != "" {
			r.Header.Set("Sec-Fetch-Site", tt.site)
		}
		if tt.browser {
			r.Header.Set("Sec-Fetch-Mode", "navigate")
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		cookie := w.Header().Get("Set-Cookie")
		if w.Code != tt.want || w.Header().Get("Location") != tt.location || !strings.HasPrefix(cookie, tt.cookie) || (cookie == "") != (tt.cookie == "") {
			t.Errorf("%s: %d, Location %q, Set-Cookie %q", tt.name, w.Code, w.Header().Get("Location"), cookie)
		}
	}
}

// E1: the page says who is signed in, and on which devices; to a visitor it
// shows the form, and what was wrong.
func TestPageShowsWhoIsSignedIn(t *testing.T) {
	h := testServer(t)
	ask := func(method, path, agent, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "http://localhost"+path, strings.NewReader("password=quickstart"))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Cookie", cookie)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	in := func(agent string) string {
		cookie, _, _ := strings.Cut(ask(http.MethodPost, "/login", agent, "").Header().Get("Set-Cookie"), ";")
		return cookie
	}
	phone := in("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1")
	laptop := in("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36")
	in("<script>alert(1)</script>")
	for what, c := range map[string]struct {
		path, cookie string
		has, hasNot  []string
	}{
		"a visitor":      {"/", "", []string{`action="/login?return_to=%2f"`}, []string{"Signed in", "not the password"}},
		"a wrong one":    {"/?wrong=1", "", []string{`action="/login`, "not the password"}, []string{"Signed in"}},
		"the way back":   {"/?return_to=%2Fme", "", []string{`action="/login?return_to=%2fme"`}, nil},
		"a way out":      {"/?return_to=//elsewhere.example", "", []string{`action="/login?return_to=%2f"`}, []string{"elsewhere.example"}},
		"the phone":      {"/", phone, []string{"Signed in as <b>ada</b>", "Safari on iPhone</b> <span", "Chrome on Linux</b>\n", "Another program", "everywhere else"}, []string{`action="/login`, "<script>alert"}},
		"the laptop":     {"/", laptop, []string{"Chrome on Linux</b> <span", "Safari on iPhone</b>\n"}, nil},
		"a stale cookie": {"/", phone[:len(phone)-2] + "AA", []string{`action="/login`}, []string{"Signed in"}},
	} {
		w := ask(http.MethodGet, c.path, "", c.cookie)
		for _, has := range c.has {
			if !strings.Contains(w.Body.String(), has) {
				t.Errorf("%s: %d, the page lacks %q", what, w.Code, has)
			}
		}
		for _, has := range c.hasNot {
			if strings.Contains(w.Body.String(), has) {
				t.Errorf("%s: the page has %q", what, has)
			}
		}
	}
	ask(http.MethodPost, "/logout/others", "", laptop)
	if w := ask(http.MethodGet, "/me", "", phone); w.Code != http.StatusUnauthorized {
		t.Errorf("the phone is still signed in: %d", w.Code)
	}
	ask(http.MethodPost, "/logout", "", laptop)
	if w := ask(http.MethodGet, "/me", "", laptop); w.Code != http.StatusUnauthorized {
		t.Errorf("the laptop is still signed in: %d", w.Code)
	}
}

// browser is at the quickstart's page. It carries the cookies by itself: a flow's
// is Secure, which browsers send to loopback without TLS, and Go's jar does not.
type browser struct {
	t       *testing.T
	page    string
	cookies map[string]string
}

// get follows redirects, to other hosts without cookies.
func (b *browser) get(to string) (body, at string) {
	b.t.Helper()
	for range 10 {
		r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, to, nil)
		if err != nil {
			b.t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		home := strings.HasPrefix(to, b.page+"/")
		for name, value := range b.cookies {
			if home {
				r.Header.Add("Cookie", name+"="+value)
			}
		}
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			b.t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			b.t.Fatal(err)
		}
		for _, c := range resp.Cookies() {
			if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
				delete(b.cookies, c.Name)
			}
		}
		next, err := resp.Location()
		if err != nil { // no redirect
			return string(text), strings.TrimPrefix(to, b.page)
		}
		to = next.String()
	}
	b.t.Fatalf("redirects lead on and on, to %s", to)
	return "", ""
}

// logIn clicks the page's button.
func (b *browser) logIn(name string) (body, at string) {
	b.t.Helper()
	front, _ := b.get(b.page + "/")
	button := regexp.MustCompile(`<a class="button" href="([^"]+)">Log in with ` + name + `</a>`).FindStringSubmatch(front)
	if button == nil {
		b.t.Fatalf("the page has no button for %s:\n%s", name, front)
	}
	return b.get(html.UnescapeString(button[1]))
}

// servesWith is the page of a program whose environment names provider. end is
// Ctrl-C.
func servesWith(t *testing.T, provider *authntest.Provider) (page string, end func()) {
	t.Helper()
	cmd := program(t, "program", "-addr", "localhost:0")
	cmd.Env = append(cmd.Env, "OIDC_ISSUER="+provider.URL, "OIDC_CLIENT_ID="+provider.ClientID,
		"OIDC_CLIENT_SECRET="+provider.ClientSecret.Reveal(), "OIDC_NAME=Acme & Co")
	_, page = serves(t, cmd)
	return page, func() {
		_ = cmd.Process.Signal(os.Interrupt)
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// E1: where the environment names an OpenID provider the page has a button for
// it, and an account there is somebody here: the same one each time, by issuer
// and subject, whatever its address.
func TestLoginElsewhere(t *testing.T) {
	first, second, pages := authntest.NewProvider(t), authntest.NewProvider(t), map[*authntest.Provider]string{}
	for _, p := range []*authntest.Provider{first, second} {
		page, end := servesWith(t, p)
		defer end()
		pages[p] = page
	}
	logIn := func(at *authntest.Provider, sub string) string {
		at.Claims = map[string]any{"sub": sub, "name": "A <b>person</b>", "email": "ada@example.com", "email_verified": true}
		b := &browser{t: t, page: pages[at], cookies: map[string]string{}}
		body, where := b.logIn("Acme &amp; Co")
		if where != "/" || !strings.Contains(body, "</b>, A &lt;b&gt;person&lt;/b&gt;</h2>") || strings.Contains(body, "Log in with") {
			t.Errorf("%s is led to %s:\n%s", sub, where, body)
		}
		if len(b.cookies) != 1 || b.cookies["session"] == "" {
			t.Errorf("%s keeps %v", sub, b.cookies)
		}
		body, _ = b.get(pages[at] + "/orders")
		var orders struct{ Subject, Method string }
		if err := json.Unmarshal([]byte(body), &orders); err != nil || orders.Method != "session" || !regexp.MustCompile(`^sso:[0-9a-f]{32}$`).MatchString(orders.Subject) {
			t.Errorf("the orders of %s: %v, %s", sub, err, body)
		}
		return orders.Subject
	}
	ada := logIn(first, "ada")
	if again := logIn(first, "ada"); again != ada {
		t.Errorf("ada is %s, and then %s", ada, again)
	}
	if eve, other := logIn(first, "eve"), logIn(second, "ada"); eve == ada || other == ada || other == eve {
		t.Errorf("ada is %s, eve %s, and another provider's ada %s", ada, eve, other)
	}
}

// E1: who says no at the provider reads so on the page, in the page's words.
func TestLoginElsewhereDenied(t *testing.T) {
	provider := authntest.NewProvider(t)
	provider.Claims = nil
	page, end := servesWith(t, provider)
	defer end()
	b := &browser{t: t, page: page, cookies: map[string]string{}}
	body, at := b.logIn("Acme &amp; Co")
	if at != "/?failed=1&return_to=%2F" || !strings.Contains(body, "That login did not succeed.") || strings.Contains(body, "access_denied") {
		t.Errorf("who says no is led to %s:\n%s", at, body)
	}
	if len(b.cookies) != 0 {
		t.Errorf("and keeps %v", b.cookies)
	}
}

// E1: without a provider there is no button and nothing behind it.
func TestNoLoginElsewhere(t *testing.T) {
	h := testServer(t)
	for path, want := range map[string]int{
		"/": 200, "/?failed=1": 200, "/auth/": 404, "/auth/sso/login": 404, "/auth/sso/callback?code=x&state=y": 404,
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost"+path, nil))
		if body := w.Body.String(); w.Code != want || strings.Contains(body, "Log in with") || strings.Contains(body, "did not succeed") {
			t.Errorf("%s: %d, want %d:\n%s", path, w.Code, want, body)
		}
	}
}

// E1: a provider that is not set up as it should be is said at the start.
func TestWrongProviderIsSaid(t *testing.T) {
	for _, env := range [][]string{
		{"OIDC_ISSUER=http://accounts.example", "OIDC_CLIENT_ID=id", "OIDC_CLIENT_SECRET=secret"},
		{"OIDC_ISSUER=https://accounts.example", "OIDC_CLIENT_ID=", "OIDC_CLIENT_SECRET=secret"},
	} {
		cmd := program(t, "program", "-addr", "localhost:0")
		cmd.Env = append(cmd.Env, env...)
		out, err := cmd.CombinedOutput()
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(string(out), "quickstart: authn/oauth: ") {
			t.Errorf("%v: exit code %d, %v:\n%s", env, code, err, out)
		}
	}
}

// E1: the program is one file of at most 150 lines, its templates apart.
func TestProgramIsOneShortFile(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if name != "main.go" && !strings.HasSuffix(name, "_test.go") {
			t.Errorf("%s: all of the program is to be in main.go", name)
		}
	}
	code, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(code, []byte("\n")); n > 150 {
		t.Errorf("main.go has %d lines, over 150", n)
	}
	if n := bytes.Count(code, []byte("the one line to change")); n != 1 {
		t.Errorf("main.go marks %d lines as the one to change", n)
	}
}
