package integration_test

import (
	"cmp"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// site is a service with sessions that browsers visit, at https://shop.test or
// at http://127.0.0.1.
type site struct {
	*session.Manager
	t      *testing.T
	url    string
	ahead  atomic.Int64  // of its clock
	orders atomic.Int64  // that were made
	check  chan struct{} // makes the long connections ask

	mu      sync.Mutex
	answers []answer
}

// answer is to one request.
type answer struct {
	method, path string
	cookie       bool // came with the request
	status       int
	sets         []string // Set-Cookie
}

func (s *site) now() time.Time          { return time.Now().Add(time.Duration(s.ahead.Load())) }
func (s *site) advance(d time.Duration) { s.ahead.Add(int64(d)) }

// newSite is at shop.test with a cookie as it has to be, or at 127.0.0.1 with
// one for development.
func newSite(t *testing.T, secure bool) *site {
	t.Helper()
	s := &site{t: t, check: make(chan struct{})}
	offset := func() time.Duration { return time.Duration(s.ahead.Load()) }
	m, err := session.New(memstore.New(memstore.Config{ClockOffset: offset}), session.Config{Now: s.now, InsecureDevelopmentCookie: !secure})
	if err != nil {
		t.Fatal(err)
	}
	s.Manager = m
	port := serveTo(t, s.recorded(s.routes()), secure)
	s.url = "http://127.0.0.1:" + port
	if secure {
		s.url = "https://shop.test:" + port
	}
	return s
}

const loginForm = `<form method=post><input name=password type=password><label><input name=remember type=checkbox> Remember me</label><button>Log in</button></form>`

func (s *site) routes() http.Handler {
	guard := authn.Guard{Verifier: s.Manager}
	pages := guard
	pages.OnError = authn.Pages{Login: "/login"}.OnError
	mux := http.NewServeMux()
	mux.HandleFunc("GET /bye", page("bye", "Bye"))
	mux.Handle("GET /login", s.Protect(page("login", "Who are you?"+loginForm)))
	mux.Handle("POST /login", s.Protect(http.HandlerFunc(s.login)))
	mux.Handle("POST /logout", http.HandlerFunc(s.logout))
	mux.Handle("GET /{$}", pages.Require()(http.HandlerFunc(s.home)))
	mux.Handle("GET /no-store", pages.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		s.home(w, r)
	})))
	mux.Handle("GET /scripted", pages.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.home(w, r)
		fmt.Fprint(w, `<script>addEventListener('pageshow', e => { if (e.persisted) location.reload() })</script>`)
	})))
	mux.Handle("POST /others", guard.Require()(http.HandlerFunc(s.others)))
	mux.Handle("POST /orders", guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, s.orders.Add(1), " orders")
	})))
	mux.Handle("GET /socket", guard.Require()(http.HandlerFunc(s.socket)))
	mux.Handle("GET /news", guard.Require()(http.HandlerFunc(s.news)))
	return mux
}

// page is one of that name and text, which is HTML.
func page(name, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, "<!doctype html><title>%s</title><body id=%[1]s>%s", name, text)
	}
}

func (s *site) login(w http.ResponseWriter, r *http.Request) {
	id := authn.User("ada", "password", authn.Factor{Name: "pwd", At: s.now()})
	id.VerifiedAt = s.now()
	if r.PostFormValue("password") != "secret" {
		authn.WriteError(w, r, authn.Refused("wrong password", nil))
		return
	}
	if _, err := s.Login(w, r, id, session.LoginOptions{Remember: r.PostFormValue("remember") != ""}); err != nil {
		authn.WriteError(w, r, err)
		return
	}
	http.Redirect(w, r, authn.ReturnTo(r, "/"), http.StatusSeeOther)
}

func (s *site) logout(w http.ResponseWriter, r *http.Request) {
	if err := s.Logout(w, r); err != nil {
		authn.WriteError(w, r, err)
		return
	}
	http.Redirect(w, r, "/bye", http.StatusSeeOther)
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	id, _ := authn.FromContext(r.Context())
	page("home", "Hello "+id.Subject+`<form method=post action=/logout><button id=logout>Log out</button></form>
		<form method=post action=/others><button id=others>Log out elsewhere</button></form>`)(w, r)
}

func (s *site) others(w http.ResponseWriter, r *http.Request) {
	if err := s.RevokeOthers(r.Context()); err != nil {
		authn.WriteError(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// socket opens a WebSocket (RFC 6455 §4.2.2) on which nothing is said.
func (s *site) socket(w http.ResponseWriter, r *http.Request) {
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	sum := sha1.Sum([]byte(r.Header.Get("Sec-WebSocket-Key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(sum[:]))
	_ = rw.Flush()
	_, _ = rw.ReadByte() // until the page closes it
}

// news is a long answer that ends when Check says so.
func (s *site) news(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	fmt.Fprint(w, "retry: 1\n") // ms
	for {
		fmt.Fprint(w, "data: news\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-s.check:
		case <-r.Context().Done():
			return
		}
		if s.Check(r.Context()) != nil {
			return
		}
	}
}

// recorded keeps what is answered.
func (s *site) recorded(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &statusRecorder{ResponseWriter: w}
		h.ServeHTTP(rec, r)
		_, err := r.Cookie(s.cookieName())
		a := answer{r.Method, r.URL.Path, err == nil, cmp.Or(rec.status, http.StatusOK), w.Header()["Set-Cookie"]}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.answers = append(s.answers, a)
	})
}

// answered are the answers to requests of method and path, since the last call.
func (s *site) answered(method, path string) (found []answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.answers {
		if a.method == method && a.path == path {
			found = append(found, a)
		}
	}
	s.answers = nil
	return found
}

type statusRecorder struct {
	http.ResponseWriter
	status int
}

func (r *statusRecorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *statusRecorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (s *site) cookieName() string {
	if strings.HasPrefix(s.url, "https:") {
		return "__Host-session"
	}
	return "session"
}

// in is a tab of a new browser in which ada has logged in.
func (s *site) in(t *testing.T) tab {
	t.Helper()
	b := newBrowser(t)
	s.logsIn(b, "/")
	return b
}

// logsIn asks for path, and logs in by the form that comes instead.
func (s *site) logsIn(b tab, path string) {
	b.t.Helper()
	b.visit(s.url + path)
	if got := b.location(); !strings.HasPrefix(got, "/login?return_to=") {
		b.t.Fatalf("%s leads nobody to %s", path, got)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("[name=password]"), "secret"))
	if status := b.click("button"); status != http.StatusOK || b.location() != path {
		b.t.Fatalf("the login was answered by %d and led to %s", status, b.location())
	}
}

// signedIn reports whether the site knows who is at b, by the page that comes.
func (s *site) signedIn(b tab) bool {
	b.t.Helper()
	b.visit(s.url + "/")
	switch text := b.text(); {
	case strings.HasPrefix(text, "Hello ada"):
		return true
	case strings.HasPrefix(text, "Who are you?"):
		return false
	default:
		b.t.Fatalf("the page says %q", text)
		return false
	}
}

// cookie is the only one that b's browser has for the site.
func (s *site) cookie(b tab) *network.Cookie {
	b.t.Helper()
	cookies := b.cookies(s.url)
	if len(cookies) != 1 {
		b.t.Fatalf("%d cookies, want 1: %+v", len(cookies), cookies)
	}
	return cookies[0]
}
