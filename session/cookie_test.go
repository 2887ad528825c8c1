package session_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
)

// setCookie is the one Set-Cookie of an answer, without the value.
func setCookie(t *testing.T, rec *httptest.ResponseRecorder) (attributes, value string) {
	t.Helper()
	lines := rec.Header()["Set-Cookie"]
	if len(lines) != 1 {
		t.Fatalf("Set-Cookie %q, want one", lines)
	}
	name, rest, _ := strings.Cut(lines[0], "=")
	value, attributes, _ = strings.Cut(rest, "; ")
	return name + "; " + attributes, value
}

// S2, S3: the cookie has exactly these attributes, and Max-Age only if it is
// to outlive the browser: up to the absolute deadline.
func TestCookieAttributes(t *testing.T) {
	owed := func(cfg *session.Config) { cfg.Owed = owes("otp") }
	for _, c := range []struct {
		name     string
		change   func(cfg *session.Config)
		remember bool
		want     string
	}{
		{"default", nil, false, "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"remembered", nil, true, "__Host-session; Path=/; Max-Age=2592000; HttpOnly; Secure; SameSite=Lax"},
		{
			"remembered, shorter", func(cfg *session.Config) { cfg.RememberIdle, cfg.RememberAbsolute = time.Hour, 48*time.Hour }, true,
			"__Host-session; Path=/; Max-Age=172800; HttpOnly; Secure; SameSite=Lax",
		},
		{"half a login, remembered", owed, true, "__Host-session; Path=/; Max-Age=600; HttpOnly; Secure; SameSite=Lax"},
		{"half a login", owed, false, "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"strict", func(cfg *session.Config) { cfg.SameSite = http.SameSiteStrictMode }, false, "__Host-session; Path=/; HttpOnly; Secure; SameSite=Strict"},
		{"default mode is Lax", func(cfg *session.Config) { cfg.SameSite = http.SameSiteDefaultMode }, false, "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax"},
		{"named", func(cfg *session.Config) { cfg.CookieName = "__Host-sid" }, false, "__Host-sid; Path=/; HttpOnly; Secure; SameSite=Lax"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.change)
			_, rec, err := w.tab().login(w.user("ada"), session.LoginOptions{Remember: c.remember})
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := setCookie(t, rec); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			if cc := rec.Header()["Cache-Control"]; len(cc) != 1 || cc[0] != "no-store" {
				t.Errorf("Cache-Control %q", cc)
			}
		})
	}
}

// S3: a further factor renews the cookie for what is left, and a session that
// is used sets none.
func TestMaxAgeIsTheDeadline(t *testing.T) {
	w := newWorld(t, nil)
	b := w.tab()
	b.begin(w.user("ada"), session.LoginOptions{Remember: true})
	w.clock.advance(10 * 24 * time.Hour)
	rec := answer(w.Middleware, b.request(http.MethodGet))
	if rec.Code != http.StatusOK || len(rec.Header()["Set-Cookie"]) != 0 {
		t.Errorf("a use: %d, Set-Cookie %q", rec.Code, rec.Header()["Set-Cookie"])
	}
	rec = httptest.NewRecorder()
	if _, err := w.AddFactor(rec, b.request(http.MethodPost), authn.Factor{Name: "otp", At: w.clock.Now()}); err != nil {
		t.Fatal(err)
	}
	if got, _ := setCookie(t, rec); !strings.Contains(got, "; Max-Age=1728000; ") {
		t.Errorf("after 10 of 30 days: %s", got)
	}
}

// S2: name and value are below 120 bytes, however the cookie is called.
func TestCookieIsShort(t *testing.T) {
	for _, name := range []string{"", "__Host-" + strings.Repeat("x", 25)} {
		w := newWorld(t, func(cfg *session.Config) { cfg.Keychain, cfg.CookieName = authn.GenerateKeychain(), name })
		for n, value := range w.in("ada").cookies {
			if size := len(n + "=" + value); size >= 120 {
				t.Errorf("%d bytes", size)
			}
		}
	}
}

// S2: the cookie of development is for loopback hosts over plain http only,
// whatever a host looks like.
func TestDevelopmentCookieIsForLoopback(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.InsecureDevelopmentCookie = true })
	for host, insecure := range map[string]bool{
		"localhost": true, "localhost:8080": true, "app.localhost:3000": true, "127.0.0.1": true, "127.0.0.1:8080": true,
		"127.255.255.254": true, "[::1]": true, "[::1]:8080": true, "[::ffff:127.0.0.1]:80": true,

		"app.example": false, "localhost.evil.example": false, "localhost.evil.example:8080": false, "127.0.0.1.nip.io": false,
		"127.0.0.1.nip.io:80": false, "evillocalhost": false, "localhost.": false, "localhost.localdomain": false, "localhost:80:80": false,
		"localhost@evil.example": false, "evil.example#localhost": false, "0.0.0.0": false, "0.0.0.0:80": false,
		"10.0.0.1": false, "192.168.1.1:80": false, "[::]": false, "[::2]:80": false, "[fe80::1]:80": false, "128.0.0.1": false,
		"127.1": false, "2130706433": false, "0x7f.0.0.1": false, "127.0.0.1@evil.example": false, "": false, ":8080": false,
		"evil.example:80,localhost": false, "localhost,evil.example": false,
		"[::ffff:8.8.8.8]": false, "[evil.example]:80": false, "localhostx:80": false, "xn--lcalhost-n4a": false,
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Host = host
		rec := httptest.NewRecorder()
		if _, err := w.Login(rec, r, w.user("ada"), session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
		want := "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax"
		if insecure {
			want = "session; Path=/; HttpOnly; SameSite=Lax"
		}
		got, value := setCookie(t, rec)
		if got != want {
			t.Errorf("Host %q: %s", host, got)
		}
		// And only that one is read there.
		other := httptest.NewRequest(http.MethodGet, "/", nil)
		other.Host = host
		other.AddCookie(&http.Cookie{Name: "session", Value: value})
		if _, err := w.Verify(other); (err == nil) != insecure {
			t.Errorf("Host %q: cookie session: %v", host, err)
		}
	}
}

// S2: over https a loopback host has the cookie that all have, and without the
// option plain http has it, too.
func TestDevelopmentCookieNeedsBoth(t *testing.T) {
	const secure = "__Host-session; Path=/; HttpOnly; Secure; SameSite=Lax"
	on := newWorld(t, func(cfg *session.Config) { cfg.InsecureDevelopmentCookie = true })
	off := newWorld(t, nil)
	for what, c := range map[string]struct {
		w      *world
		target string
	}{"https": {on, "https://localhost/"}, "off": {off, "http://localhost/"}} {
		rec := httptest.NewRecorder()
		if _, err := c.w.Login(rec, httptest.NewRequest(http.MethodPost, c.target, nil), c.w.user("ada"), session.LoginOptions{}); err != nil {
			t.Fatal(err)
		}
		if got, _ := setCookie(t, rec); got != secure {
			t.Errorf("%s: %s", what, got)
		}
	}
}

// S2: what takes the cookie away has its attributes, or browsers keep it.
func TestLogoutTakesTheCookieAway(t *testing.T) {
	w := newWorld(t, func(cfg *session.Config) { cfg.InsecureDevelopmentCookie = true })
	for target, want := range map[string]string{
		site:               "__Host-session; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax",
		"http://localhost": "session; Path=/; Max-Age=0; HttpOnly; SameSite=Lax",
	} {
		rec := httptest.NewRecorder()
		rec.Header().Set("Cache-Control", "public, max-age=60")
		if err := w.Logout(rec, httptest.NewRequest(http.MethodPost, target, nil)); err != nil {
			t.Fatal(err)
		}
		if got, value := setCookie(t, rec); got != want || value != "" {
			t.Errorf("%s: %s, value %q", target, got, value)
		}
		if cc := rec.Header()["Cache-Control"]; len(cc) != 1 || cc[0] != "no-store" {
			t.Errorf("Cache-Control %q", cc)
		}
	}
}
