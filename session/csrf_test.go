package session_test

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// wheres are where requests come from, and whether they may change something.
var wheres = []struct {
	name   string
	header []string
	good   bool
}{
	{"same-origin", []string{"Sec-Fetch-Site", "same-origin", "Origin", site}, true},
	{"typed in", []string{"Sec-Fetch-Site", "none"}, true},
	{"no browser", nil, true},
	{"older browser, same origin", []string{"Origin", site}, true},
	{"cross-site", []string{"Sec-Fetch-Site", "cross-site"}, false},
	{"same-site", []string{"Sec-Fetch-Site", "same-site"}, false},
	{"cross-site says it is ours", []string{"Sec-Fetch-Site", "cross-site", "Origin", site}, false},
	{"unknown word", []string{"Sec-Fetch-Site", "SAME-ORIGIN"}, false},
	{"older browser, another origin", []string{"Origin", "https://evil.example"}, false},
	{"older browser, another port", []string{"Origin", site + ":8443"}, false},
	{"older browser, a longer host", []string{"Origin", site + ".evil.example"}, false},
	{"null origin", []string{"Origin", "null"}, false},
	{"trusted origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://partner.example"}, true},
	{"trusted origin, older browser", []string{"Origin", "https://partner.example"}, true},
	{"almost the trusted origin", []string{"Sec-Fetch-Site", "cross-site", "Origin", "http://partner.example"}, false},
}

// S15: the check is in each call that a request can change something by, not in
// a middleware that may be forgotten: by method and by origin.
func TestRequestsOfOtherSites(t *testing.T) {
	trusted := new(http.CrossOriginProtection)
	if err := trusted.AddTrustedOrigin("https://partner.example"); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, func(cfg *session.Config) { cfg.CrossOrigin = trusted })
	serve := func(m func(http.Handler) http.Handler, r *http.Request) error {
		if rec := answer(m, r); rec.Code != http.StatusOK {
			return &authn.Error{Status: rec.Code, Code: "forbidden"}
		}
		return nil
	}
	type call struct {
		name string
		in   func() *tab
		f    func(w *world, rec http.ResponseWriter, r *http.Request) error
	}
	signedIn := func() *tab { return w.in("ada") }
	basket := func() *tab {
		b := w.tab()
		if err := b.update(add); err != nil {
			t.Fatal(err)
		}
		return b
	}
	update := func(w *world, rec http.ResponseWriter, r *http.Request) error { return w.Update(rec, r, add) }
	for _, c := range []call{
		{"Verify", signedIn, func(w *world, _ http.ResponseWriter, r *http.Request) error { _, err := w.Verify(r); return err }},
		{"Require", signedIn, func(w *world, _ http.ResponseWriter, r *http.Request) error { return serve(authn.Require(w), r) }},
		{"Optional", signedIn, func(w *world, _ http.ResponseWriter, r *http.Request) error { return serve(authn.Optional(w), r) }},
		{"FirstOf", signedIn, func(w *world, _ http.ResponseWriter, r *http.Request) error {
			return serve(authn.Require(authn.FirstOf(w.Manager, w.Manager)), r)
		}},
		{"Protect", w.tab, func(w *world, _ http.ResponseWriter, r *http.Request) error { return serve(w.Protect, r) }},
		{"Login", w.tab, func(w *world, rec http.ResponseWriter, r *http.Request) error {
			_, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{})
			return err
		}},
		{"Logout", signedIn, func(w *world, rec http.ResponseWriter, r *http.Request) error { return w.Logout(rec, r) }},
		{"AddFactor", signedIn, func(w *world, rec http.ResponseWriter, r *http.Request) error {
			_, err := w.AddFactor(rec, r, authn.Factor{Name: "otp", At: w.clock.Now()})
			return err
		}},
		{"Update of a visitor's", w.tab, update},
		{"Update of a basket", basket, update},
		{"Update of a login's, outside Require", signedIn, update},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY", "get"} {
				safe := slices.Contains([]string{"GET", "HEAD", "OPTIONS"}, method)
				for _, where := range wheres {
					rec := httptest.NewRecorder()
					err := c.f(w, rec, c.in().request(method, where.header...))
					switch {
					case (safe || where.good) && err != nil:
						t.Fatalf("%s, %s: %v", method, where.name, err)
					case safe || where.good:
					case err == nil:
						t.Fatalf("%s, %s: not refused", method, where.name)
					default:
						wantErr(t, method+", "+where.name, err, http.StatusForbidden, "forbidden", "*")
						if len(rec.Header()) != 0 {
							t.Errorf("%s, %s: header %v", method, where.name, rec.Header())
						}
					}
				}
			}
		})
	}
}

// S15, C3: a cookie that does not count does not make a request of another site
// a forbidden one: it is nobody's.
func TestStaleCookieOfAnotherSiteIsAbsent(t *testing.T) {
	w := newWorld(t, nil)
	b := w.in("ada")
	stale := b.clone()
	_ = b.logout()
	if _, err := w.Verify(stale.request(http.MethodPost, "Sec-Fetch-Site", "cross-site")); authn.AsError(err).Status != http.StatusUnauthorized {
		t.Errorf("%v", err)
	}
}

func withTokens(kc *authn.Keychain) func(cfg *session.Config) {
	return func(cfg *session.Config) { cfg.Keychain, cfg.RequireCSRFToken = kc, true }
}

// token is a CSRF token for the tab's page.
func (b *tab) token() string {
	b.t.Helper()
	rec := httptest.NewRecorder()
	token := b.CSRFToken(rec, b.request(http.MethodGet))
	b.take(rec)
	if token == "" {
		b.t.Fatal("no token")
	}
	return token
}

func form(r *http.Request, contentType, body string) *http.Request {
	r.Header.Set("Content-Type", contentType)
	r.Body = io.NopCloser(strings.NewReader(body))
	return r
}

const urlencoded = "application/x-www-form-urlencoded"

// S16: the token comes in the header field or in a form's, not in the URL, and
// is another one at each rendering.
func TestCSRFToken(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	b.begin(w.user("ada"), session.LoginOptions{})
	seen := map[string]bool{}
	for range 20 {
		token := b.token()
		if seen[token[9:52]] || seen[token[52:]] {
			t.Fatal("a token, or its mask, came twice")
		}
		seen[token[9:52]], seen[token[52:]] = true, true
		if _, err := w.Verify(b.request(http.MethodPost, "X-CSRF-Token", token)); err != nil {
			t.Fatal(err)
		}
	}
	good, eve := b.token(), w.in("eve")
	flipped := []byte(good)
	flipped[len(flipped)-5] ^= 1
	twice := b.request(http.MethodPost)
	twice.Header["X-Csrf-Token"] = []string{good, good}
	query := b.requestTo(http.MethodPost, site+"/?csrf_token="+url.QueryEscape(good))
	field := "csrf_token=" + url.QueryEscape(good)
	for _, c := range []struct {
		name string
		r    *http.Request
		good bool
	}{
		{"header", b.request(http.MethodPost, "X-CSRF-Token", good), true},
		{"form", form(b.request(http.MethodPost), urlencoded, field), true},
		{"form with charset", form(b.request(http.MethodPost), urlencoded+"; charset=utf-8", field), true},
		{"safe method", b.request(http.MethodGet), true},
		{"DELETE by header", b.request(http.MethodDelete, "X-CSRF-Token", good), true},
		{"none", b.request(http.MethodPost), false},
		{"DELETE", b.request(http.MethodDelete), false},
		{"TRACE", b.request(http.MethodTrace), false},
		{"empty", b.request(http.MethodPost, "X-CSRF-Token", ""), false},
		{"two fields", twice, false},
		{"in the URL", query, false},
		{"in the URL of a form", form(b.requestTo(http.MethodPost, site+"/?"+field), urlencoded, "a=b"), false},
		{"twice in a form", form(b.request(http.MethodPost), urlencoded, field+"&"+field), false},
		{"JSON", form(b.request(http.MethodPost), "application/json", `{"csrf_token":"`+good+`"}`), false},
		{"text", form(b.request(http.MethodPost), "text/plain", field), false},
		{"no content type", form(b.request(http.MethodPost), "", field), false},
		{"another session's", b.request(http.MethodPost, "X-CSRF-Token", eve.token()), false},
		{"a visitor's", b.request(http.MethodPost, "X-CSRF-Token", w.tab().token()), false},
		{"a bit changed", b.request(http.MethodPost, "X-CSRF-Token", string(flipped)), false},
		{"a key's name", b.request(http.MethodPost, "X-CSRF-Token", good[:8]), false},
		{"a key's name and a dot", b.request(http.MethodPost, "X-CSRF-Token", good[:9]), false},
		{"cut", b.request(http.MethodPost, "X-CSRF-Token", good[:len(good)-1]), false},
		{"longer", b.request(http.MethodPost, "X-CSRF-Token", good+"A"), false},
		{"zeros", b.request(http.MethodPost, "X-CSRF-Token", good[:9]+strings.Repeat("A", 86)), false},
		{"unknown key", b.request(http.MethodPost, "X-CSRF-Token", "aaaaaaaa"+good[8:]), false},
		{"the session's cookie", b.request(http.MethodPost, "X-CSRF-Token", b.cookies[cookieName]), false},
		{"64 KB", b.request(http.MethodPost, "X-CSRF-Token", strings.Repeat("A", 64<<10)), false},
		{"from another site", b.request(http.MethodPost, "X-CSRF-Token", good, "Sec-Fetch-Site", "cross-site"), false},
	} {
		_, err := w.Verify(c.r)
		if c.good && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !c.good {
			wantErr(t, c.name, err, http.StatusForbidden, "forbidden", "*")
		}
	}
}

// S16: a multipart form counts only if the host has parsed it, within its own
// limits; its body is not touched.
func TestMultipartIsNotParsed(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.in("ada")
	var body bytes.Buffer
	mw := multipart.NewWriter(&body)
	if err := errorsOf(mw.WriteField("csrf_token", b.token()), mw.Close()); err != nil {
		t.Fatal(err)
	}
	size := body.Len()
	r := b.request(http.MethodPost, "Content-Type", mw.FormDataContentType())
	r.Body = io.NopCloser(&body)
	_, err := w.Verify(r)
	wantErr(t, "not parsed", err, http.StatusForbidden, "forbidden", "*")
	if body.Len() != size || r.MultipartForm != nil {
		t.Fatalf("%d of %d bytes are left", body.Len(), size)
	}
	if err := r.ParseMultipartForm(1 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Verify(r); err != nil {
		t.Errorf("parsed: %v", err)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// S16: a login, a further factor and a logout void the tokens of before.
func TestCSRFTokenChangesWithTheSession(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	protect := func(token string) int {
		return answer(w.Protect, b.request(http.MethodPost, "X-CSRF-Token", token)).Code
	}
	token := b.token()
	for what, change := range []func(){
		func() { b.begin(w.user("ada"), session.LoginOptions{}) },
		func() { _, _ = b.factor("otp") },
		func() { b.begin(w.user("ada"), session.LoginOptions{}) },
	} {
		if got := protect(token); got != http.StatusOK {
			t.Errorf("%d, before: %d", what, got)
		}
		change()
		if got := protect(token); got != http.StatusForbidden {
			t.Errorf("%d, the token of before: %d", what, got)
		}
		token = b.token()
	}
	rec := httptest.NewRecorder()
	if err := w.Logout(rec, b.request(http.MethodPost, "X-CSRF-Token", token)); err != nil {
		t.Fatal(err)
	}
	b.take(rec)
	if got := protect(token); got != http.StatusForbidden {
		t.Errorf("after the logout: %d", got)
	}
}

// S7, S16: a token of before a login or a logout is never good again: not the
// visitor's while somebody is signed in, nor after that. The login sets one
// cookie all the same.
func TestVisitorsTokenEndsWithTheVisit(t *testing.T) {
	for _, dev := range []bool{false, true} {
		w := newWorld(t, func(cfg *session.Config) {
			withTokens(authn.GenerateKeychain())(cfg)
			cfg.InsecureDevelopmentCookie = dev
		})
		b, target := w.tab(), site+"/"
		if dev {
			target = "http://localhost/"
		}
		var before []string
		refused := func(what string) {
			t.Helper()
			for i, token := range before {
				if got := answer(w.Protect, b.requestTo(http.MethodPost, target, "X-CSRF-Token", token)).Code; got != http.StatusForbidden {
					t.Errorf("%s: token %d of before: %d", what, i, got)
				}
			}
		}
		token := func(what string) {
			t.Helper()
			rec := httptest.NewRecorder()
			token := w.CSRFToken(rec, b.requestTo(http.MethodGet, target))
			b.take(rec)
			if got := answer(w.Protect, b.requestTo(http.MethodPost, target, "X-CSRF-Token", token)).Code; got != http.StatusOK {
				t.Errorf("%s: a new token: %d", what, got)
			}
			before = append(before, token)
		}
		for range 2 {
			token("visitor")
			rec := httptest.NewRecorder()
			if _, err := w.Login(rec, b.requestTo(http.MethodPost, target), w.user("ada"), session.LoginOptions{}); err != nil {
				t.Fatal(err)
			}
			setCookie(t, rec) // fails unless it is one
			b.take(rec)
			refused("signed in")
			token("signed in")
			rec = httptest.NewRecorder()
			if err := w.Logout(rec, b.requestTo(http.MethodPost, target)); err != nil {
				t.Fatal(err)
			}
			b.take(rec)
			if len(b.cookies) != 0 {
				t.Errorf("Logout leaves %v", b.cookies)
			}
			refused("logged out")
		}
	}
}

// S16: a token that the page of the logout shows is good, and a visitor who
// never had one gets no cookie taken away.
func TestLogoutAndTheVisitorsCookie(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	b.token()
	b.begin(w.user("ada"), session.LoginOptions{})
	rec, r := httptest.NewRecorder(), b.request(http.MethodPost)
	if err := w.Logout(rec, r); err != nil {
		t.Fatal(err)
	}
	token := w.CSRFToken(rec, r)
	b.take(rec)
	if got := answer(w.Protect, b.request(http.MethodPost, "X-CSRF-Token", token)).Code; got != http.StatusOK || len(b.cookies) != 1 {
		t.Errorf("the logout's page: %d, cookies %v", got, b.cookies)
	}
	rec = httptest.NewRecorder()
	if err := w.Logout(rec, w.in("ada").request(http.MethodPost)); err != nil {
		t.Fatal(err)
	}
	if attributes, _ := setCookie(t, rec); !strings.HasPrefix(attributes, cookieName+"; ") {
		t.Error(attributes)
	}
}

// S16: a visitor's token is bound to a cookie of its own, and all forms of one
// page are good.
func TestCSRFTokensOfOnePage(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	rec, r := httptest.NewRecorder(), b.request(http.MethodGet)
	first, second := w.CSRFToken(rec, r), w.CSRFToken(rec, r)
	if got, _ := setCookie(t, rec); got != "__Host-csrf; Path=/; HttpOnly; Secure; SameSite=Lax" || rec.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("%s, header %v", got, rec.Header())
	}
	b.take(rec)
	for i, token := range []string{first, second} {
		if got := answer(w.Protect, b.request(http.MethodPost, "X-CSRF-Token", token)).Code; got != http.StatusOK {
			t.Errorf("form %d of the page: %d", i+1, got)
		}
	}
	if got := answer(w.Protect, w.tab().request(http.MethodPost, "X-CSRF-Token", first)).Code; got != http.StatusForbidden {
		t.Errorf("without the cookie: %d", got)
	}
}

// S16: what a visitor opens later has the same cookie: the forms of before stay
// good. Of two cookies neither counts, and there is another.
func TestVisitorKeepsTheCookie(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	first := b.token()
	rec := httptest.NewRecorder()
	second := w.CSRFToken(rec, b.request(http.MethodGet))
	if lines := rec.Header()["Set-Cookie"]; len(lines) != 0 {
		t.Errorf("Set-Cookie %q", lines)
	}
	for i, token := range []string{first, second} {
		if got := answer(w.Protect, b.request(http.MethodPost, "X-CSRF-Token", token)).Code; got != http.StatusOK {
			t.Errorf("page %d: %d", i+1, got)
		}
	}
	r := b.request(http.MethodGet)
	r.Header["Cookie"] = append(r.Header["Cookie"], r.Header.Get("Cookie"))
	rec = httptest.NewRecorder()
	w.CSRFToken(rec, r)
	setCookie(t, rec) // fails unless it is one
}

// S16: a token is good for a session or for one visitor's cookie: not without any,
// nor for an empty one, nor when there are two.
func TestCSRFTokenOfNobody(t *testing.T) {
	kc := authn.GenerateKeychain()
	w := newWorld(t, withTokens(kc))
	for _, c := range []struct {
		name, of, line string // who the token is bound to, and what comes
		want           int
	}{
		{"one cookie", "cookie x", "__Host-csrf=x", 200},
		{"two cookies", "cookie x", "__Host-csrf=x; __Host-csrf=x", 403},
		{"an empty cookie", "cookie ", "__Host-csrf=", 403},
		{"none", "", "", 403},
	} {
		secret := authn.Must(kc.MAC("session csrf", "", []byte(c.of)))
		token := kc.KeyID() + "." + base64.RawURLEncoding.EncodeToString(append(make([]byte, 32), secret...))
		r := w.tab().request(http.MethodPost, "X-CSRF-Token", token, "Cookie", c.line)
		if got := answer(w.Protect, r).Code; got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

// S16: the token of a page that also sets the session's cookie is good for the
// next request, which has the new cookie.
func TestCSRFTokenAfterANewCookie(t *testing.T) {
	for what, call := range map[string]func(w *world, rec http.ResponseWriter, r *http.Request) error{
		"Login": func(w *world, rec http.ResponseWriter, r *http.Request) error {
			_, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{})
			return err
		},
		"AddFactor": func(w *world, rec http.ResponseWriter, r *http.Request) error {
			_, err := w.AddFactor(rec, r, authn.Factor{Name: "otp", At: w.clock.Now()})
			return err
		},
		"Logout": func(w *world, rec http.ResponseWriter, r *http.Request) error { return w.Logout(rec, r) },
	} {
		w := newWorld(t, withTokens(authn.GenerateKeychain()))
		b := w.in("ada")
		rec, r := httptest.NewRecorder(), b.request(http.MethodPost)
		if err := call(w, rec, r); err != nil {
			t.Fatal(err)
		}
		token := w.CSRFToken(rec, r)
		b.take(rec)
		if got := answer(w.Protect, b.request(http.MethodPost, "X-CSRF-Token", token)).Code; got != http.StatusOK {
			t.Errorf("%s: %d", what, got)
		}
	}
}

// S16: the helper for templates is a hidden field that a form sends back. Keys
// rotate without voiding pages.
func TestCSRFField(t *testing.T) {
	old, both, fresh := keychains()
	w := newWorld(t, withTokens(old))
	b := w.in("ada")
	field := string(w.CSRFField(httptest.NewRecorder(), b.request(http.MethodGet)))
	m := regexp.MustCompile(`^<input type="hidden" name="csrf_token" value="([A-Za-z0-9._-]+)">$`).FindStringSubmatch(field)
	if m == nil {
		t.Fatal(field)
	}
	for i, kc := range []*authn.Keychain{old, both, fresh} {
		w.Manager = w.instance(withTokens(kc))
		_, err := w.Verify(form(b.request(http.MethodPost), urlencoded, url.Values{"csrf_token": {m[1]}}.Encode()))
		if (err == nil) != (i < 2) {
			t.Errorf("keychain %d: %v", i, err)
		}
	}
	if got := newWorld(t, nil).CSRFToken(httptest.NewRecorder(), b.request(http.MethodGet)); got != "" {
		t.Errorf("without a Keychain: %q", got)
	}
}

// S16: a visitor's cookie that the logout's own response has set goes, too.
func TestLogoutAfterAToken(t *testing.T) {
	w := newWorld(t, withTokens(authn.GenerateKeychain()))
	b := w.tab()
	rec, r := httptest.NewRecorder(), b.request(http.MethodPost)
	w.CSRFToken(rec, r)
	if err := w.Logout(rec, r); err != nil {
		t.Fatal(err)
	}
	if b.take(rec); len(b.cookies) != 0 {
		t.Errorf("cookies %v", b.cookies)
	}
}
