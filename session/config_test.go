package session_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// S2, S3: what is unsafe or contradicts itself is an error of New, which names
// the field.
func TestNewRefusesContradictions(t *testing.T) {
	const day = 24 * time.Hour
	kc := authn.GenerateKeychain()
	for _, c := range []struct {
		name string
		cfg  session.Config
		want string // "" is good
	}{
		{"zero", session.Config{}, ""},
		{"SameSite None", session.Config{SameSite: http.SameSiteNoneMode}, "SameSite"},
		{"SameSite unknown", session.Config{SameSite: 99}, "SameSite"},
		{"Idle over Absolute", session.Config{Idle: 25 * time.Hour}, "Idle"},
		{"Idle is Absolute", session.Config{Idle: 24 * time.Hour}, ""},
		{"Absolute under Idle", session.Config{Absolute: 59 * time.Minute}, "Idle"},
		{"Idle negative", session.Config{Idle: -1}, "Idle"},
		{"Idle too short", session.Config{Idle: time.Minute - 1}, "Idle"},
		{"Idle of a minute", session.Config{Idle: time.Minute}, ""},
		{"Absolute negative", session.Config{Absolute: -day}, "Absolute"},
		{"RememberIdle of a minute", session.Config{RememberIdle: time.Minute}, ""},
		{"RememberIdle is RememberAbsolute", session.Config{RememberIdle: 30 * day}, ""},
		{"RememberIdle negative", session.Config{RememberIdle: -day}, "RememberIdle"},
		{"RememberIdle over RememberAbsolute", session.Config{RememberIdle: 31 * day}, "RememberIdle"},
		{"RememberAbsolute under RememberIdle", session.Config{RememberAbsolute: 13 * day}, "RememberIdle"},
		{"400 days", session.Config{Absolute: 400 * day, RememberAbsolute: 400 * day}, ""},
		{"Absolute over 400 days", session.Config{Absolute: 400*day + 1}, "Absolute"},
		{"RememberAbsolute over 400 days", session.Config{RememberAbsolute: 400*day + 1}, "RememberAbsolute"},
		{"MaxPerSubject negative", session.Config{MaxPerSubject: -1}, "MaxPerSubject"},
		{"empty Keychain", session.Config{Keychain: &authn.Keychain{}}, "Keychain"},
		{"CSRF token without Keychain", session.Config{RequireCSRFToken: true}, "Keychain"},
		{"CSRF token", session.Config{RequireCSRFToken: true, Keychain: kc}, ""},
		{"name with a space", session.Config{CookieName: "__Host-my session"}, "CookieName"},
		{"name with =", session.Config{CookieName: "__Host-a=b"}, "CookieName"},
		{"name with ;", session.Config{CookieName: "__Host-a;b"}, "CookieName"},
		{"name with a newline", session.Config{CookieName: "__Host-a\nb"}, "CookieName"},
		{"name not ASCII", session.Config{CookieName: "__Host-sitzung-ä"}, "CookieName"},
		{"name of 33", session.Config{CookieName: "__Host-" + strings.Repeat("x", 26)}, "CookieName"},
		{"name of 32", session.Config{CookieName: "__Host-" + strings.Repeat("x", 25)}, ""},
		{"name without __Host-", session.Config{CookieName: "sid"}, "__Host-"},
		{"name with __Secure-", session.Config{CookieName: "__Secure-sid"}, "__Host-"},
		{"name with __host-", session.Config{CookieName: "__host-sid"}, "__Host-"},
		{"name is the prefix only", session.Config{CookieName: "__Host-"}, "CookieName"},
		{"name is the other prefix only", session.Config{CookieName: "__Secure-", InsecureDevelopmentCookie: true}, "CookieName"},
		{"name of the CSRF cookie", session.Config{CookieName: "__Host-csrf", Keychain: kc}, "CookieName"},
		{"development name of the CSRF cookie", session.Config{CookieName: "csrf", Keychain: kc, InsecureDevelopmentCookie: true}, "CookieName"},
		{"Clear-Site-Data", session.Config{ClearSiteData: []string{"cache", "storage", "cookies", "executionContexts"}}, ""},
		{"Clear-Site-Data *", session.Config{ClearSiteData: []string{"*"}}, "ClearSiteData"},
		{"Clear-Site-Data injected", session.Config{ClearSiteData: []string{"cache\"\r\nX: y"}}, "ClearSiteData"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := session.New(memstore.New(memstore.Config{}), c.cfg)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && err == nil:
				t.Error("accepted")
			case c.want != "" && (m != nil || !strings.HasPrefix(err.Error(), "authn/session: ") || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%v, want it to name %s", err, c.want)
			}
		})
	}
	if _, err := session.New(nil, session.Config{}); err == nil {
		t.Error("a nil store")
	}
}

// C4, S15: a route without a handler cannot be built.
func TestMiddlewareOfNilPanics(t *testing.T) {
	w := newWorld(t, nil)
	adopt := w.Adopt(func(http.ResponseWriter, *http.Request) (*authn.Identity, error) { return nil, authn.ErrNoCredential })
	for what, m := range map[string]func(http.Handler) http.Handler{"Protect": w.Protect, "Adopt": adopt, "Middleware": w.Middleware} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			m(nil)
		}()
	}
}

// S2: changing a Config, or what hangs on it, does not change the Manager.
func TestConfigIsCopied(t *testing.T) {
	clear := []string{"cache"}
	w := newWorld(t, func(cfg *session.Config) { cfg.ClearSiteData = clear })
	clear[0] = "cookies"
	b := w.in("ada")
	rec := logoutOf(b)
	if got := rec.Header().Get("Clear-Site-Data"); got != `"cache"` {
		t.Errorf("Clear-Site-Data %s", got)
	}
}
