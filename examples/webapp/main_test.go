package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"database/sql"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/examples/internal/stores"
)

const (
	adasAddress  = "ada@example.com"
	adasPassword = "violet harbour mistake lantern"
)

// site is the application at a free port.
type site struct {
	t   *testing.T
	url string
	db  *sql.DB

	mu    sync.Mutex
	mails [][2]string // to whom, and the link
}

func newSite(t *testing.T) *site {
	t.Helper()
	s, at, ended := &site{t: t}, make(chan string, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	o := options{addr: "127.0.0.1:0", data: t.TempDir(), ready: func(url string) { at <- url }, mail: s.send}
	go func() { ended <- run(ctx, o) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case s.url = <-at:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	var err error
	if s.db, _, err = stores.DB("sqlite:" + filepath.Join(o.data, "webapp.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	return s
}

func (s *site) send(to, _, link string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, [2]string{to, link})
}

// last is to whom the last mail went, and the token of its link.
func (s *site) last() (to, token string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mails) == 0 {
		s.t.Fatal("no mail was sent")
	}
	m := s.mails[len(s.mails)-1]
	u, err := url.Parse(m[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return m[0], u.Query().Get("token")
}

// browser keeps cookies, also those that are for https, as browsers do of localhost.
type browser struct {
	*site
	cookies map[string]string
}

func (s *site) browser() browser { return browser{s, map[string]string{}} }

// ada is a browser of hers, after the registration and a login.
func (s *site) ada() browser {
	s.t.Helper()
	b := s.browser()
	b.post("/register", "email", adasAddress, "password", adasPassword)
	_, token := s.last()
	b.post("/verify", "token", token, "password", adasPassword)
	b.login(adasPassword, "/")
	return b
}

// login fails unless it leads to want, or, where that is "", to nowhere.
func (b browser) login(password, want string) {
	b.t.Helper()
	if _, to, _ := b.post("/login", "email", adasAddress, "password", password); to != want {
		b.t.Errorf("a login leads to %q, want %q", to, want)
	}
}

func (b browser) get(path string) (status int, to, body string) {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", nil)
}

func (b browser) post(path string, fields ...string) (status int, to, body string) {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (b browser) do(method, path, kind string, body io.Reader) (status int, to, text string) {
	b.t.Helper()
	if strings.HasPrefix(path, "/") {
		path = b.url + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, path, body)
	if err != nil {
		b.t.Fatal(err)
	}
	req.Header = http.Header{"Accept": {"text/html"}, "Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}, "Content-Type": {kind}}
	for name, value := range b.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	for _, c := range resp.Cookies() {
		if b.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	all, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(all)
}

// find is what pattern's group is of a page.
func (s *site) find(pattern, page string) string {
	s.t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(page)
	if m == nil {
		s.t.Fatalf("the page has no %s:\n%s", pattern, page)
	}
	return m[1]
}

// E2: a reset goes to the address that is kept. "K" (U+212A) is "k" in lower case,
// but another mailbox.
func TestResetGoesToTheAddressThatIsKept(t *testing.T) {
	s := newSite(t)
	b := s.browser()
	b.post("/register", "email", "mike@example.com", "password", adasPassword)
	b.post("/forgot", "email", "mi\u212Ae@example.com")
	if to, _ := s.last(); to != "mike@example.com" {
		t.Errorf("the link went to %q", to)
	}
}

// E2: who registers with somebody's address is not let in when that one opens the
// link, and is not when that one takes the account.
func TestAddressIsConfirmedByWhoChoseThePassword(t *testing.T) {
	s := newSite(t)
	thief, ada := s.browser(), s.browser()
	thief.post("/register", "email", adasAddress, "password", "the password of a thief")
	_, token := s.last()
	if status, _, _ := ada.post("/verify", "token", token, "password", adasPassword); status != http.StatusUnauthorized {
		t.Errorf("another password confirms the address: %d", status)
	}
	thief.login("the password of a thief", "")
	ada.post("/forgot", "email", adasAddress)
	_, token = s.last()
	ada.post("/reset", "token", token, "password", adasPassword)
	ada.login(adasPassword, "/")
	thief.login("the password of a thief", "")
}

// E2: a session whose user is gone leads to the login, and not in a circle.
func TestSessionOfNobodyCanLogIn(t *testing.T) {
	s := newSite(t)
	ada := s.ada()
	if _, err := s.db.Exec(`DELETE FROM users`); err != nil {
		t.Fatal(err)
	}
	if _, to, _ := ada.get("/"); !strings.HasPrefix(to, "/login") {
		t.Errorf("/ leads to %q", to)
	}
	for _, path := range []string{"/login", "/register", "/forgot"} {
		if status, to, _ := ada.get(path); status != http.StatusOK {
			t.Errorf("%s: %d, to %q", path, status, to)
		}
	}
}

// E2, R12: the browser of somebody who logs in with a code is known, too, and gets
// in while others guess.
func TestBrowserIsKnownAfterACode(t *testing.T) {
	s := newSite(t)
	ada := s.ada()
	_, _, page := ada.post("/security/totp")
	_, _, page = ada.post("/security/totp/confirm", "code", code(t, s.find(`id="key">([A-Z2-7]+)<`, page)))
	phone := s.browser()
	phone.login(adasPassword, "/login/otp?return_to=%2F")
	if len(phone.cookies) != 1 {
		t.Errorf("half a login has %v", phone.cookies)
	}
	phone.post("/login/otp", "code", s.find(`<li><code>([^<]+)<`, page))
	phone.post("/logout")
	thief := s.browser()
	for range 6 {
		thief.post("/login", "email", adasAddress, "password", "letmein letmein")
	}
	thief.login(adasPassword, "")
	phone.login(adasPassword, "/login/otp?return_to=%2F")
}

// code is of RFC 6238.
func code(t *testing.T, secret string) string {
	t.Helper()
	key, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(secret)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha1.New, key)
	_ = binary.Write(mac, binary.BigEndian, time.Now().Unix()/30)
	sum := mac.Sum(nil)
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[sum[19]&15:])&0x7fffffff%1e6)
}

// E2: nobody fills the disk by a form.
func TestBodiesAreBounded(t *testing.T) {
	s := newSite(t)
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	most := make(chan int64, 1)
	go func() {
		size := int64(0)
		part, err := form.CreateFormFile("file", "file")
		for n := 0; err == nil && n < 64; n++ {
			_, err = part.Write(bytes.Repeat([]byte("x"), 1<<20))
			files, _ := filepath.Glob(filepath.Join(tmp, "*"))
			for _, f := range files {
				if i, err := os.Stat(f); err == nil {
					size = max(size, i.Size())
				}
			}
		}
		most <- size
		_ = w.CloseWithError(io.EOF)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/forgot", r)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", form.FormDataContentType())
	if resp, err := http.DefaultTransport.RoundTrip(req); err == nil {
		_ = resp.Body.Close()
	}
	_ = r.Close()
	if n := <-most; n > 0 {
		t.Errorf("%d bytes were written to disk", n)
	}
}

// E2: a key that is good no more neither fills the table nor pushes what happened
// off the page.
func TestActivityIsNotFlooded(t *testing.T) {
	s := newSite(t)
	ada := s.ada()
	_, _, page := ada.post("/keys", "name", "backup", "days", "30")
	key := s.find(`id="secret">([^<]+)<`, page)
	for range 150 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/api/notes", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", key)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if _ = resp.Body.Close(); resp.StatusCode != http.StatusForbidden {
			t.Fatalf("a key without scopes: %d", resp.StatusCode)
		}
	}
	_, _, page = ada.get("/activity")
	if n := strings.Count(page, "Was not allowed"); n < 1 || n > 2 { // a minute may have ended
		t.Errorf("150 denials are %d lines", n)
	}
	if !strings.Contains(page, "Signed in") {
		t.Error("the login is off the page")
	}
}

// E2: who comes by a provider proves it again there, however old the login at the
// provider is; and what is linked and unlinked is on the page of what happened.
func TestProvider(t *testing.T) {
	p := authntest.NewProvider(t)
	t.Setenv("OIDC_ISSUER", p.URL)
	t.Setenv("OIDC_CLIENT_ID", p.ClientID)
	t.Setenv("OIDC_CLIENT_SECRET", p.ClientSecret.Reveal())
	s := newSite(t)
	bob := s.browser()
	asked := time.Now().Add(-time.Hour) // when bob was asked by the provider
	p.OnRequest = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/authorize" && r.URL.Query().Get("max_age") != "" { // OpenID Connect Core §3.1.2.1
			asked = time.Now()
		}
		return false
	}
	p.OnToken = func(_, claims map[string]any) { claims["auth_time"] = asked.Unix() }
	bob.follow(bob.get("/auth/sso/login?return_to=/security"))
	if status, to, _ := bob.get("/security"); status != http.StatusOK {
		t.Errorf("/security: %d, to %q", status, to)
	}

	ada := s.ada()
	p.Claims = map[string]any{"sub": "another"}
	ada.follow(ada.post("/security/link"))
	if _, to, _ := ada.post("/security/unlink", "issuer", p.URL); to != "/security?done=unlinked" {
		t.Errorf("unlink leads to %q", to)
	}
	_, _, page := ada.get("/activity")
	for _, want := range []string{"Linked another account", "Unlinked another account"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
}

// follow goes to the provider and back.
func (b browser) follow(_ int, to, _ string) {
	b.t.Helper()
	resp, err := http.DefaultTransport.RoundTrip(authorize(b.t, to))
	if err != nil {
		b.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if status, _, page := b.get(resp.Header.Get("Location")); status != http.StatusSeeOther {
		b.t.Fatalf("the callback: %d\n%s", status, page)
	}
}

func authorize(t *testing.T, to string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
	if err != nil {
		t.Fatal(err)
	}
	return req
}
