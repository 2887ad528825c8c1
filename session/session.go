// Package session is for browsers: a cookie that names a login, which the store
// keeps and can end at once. Start with [New], [Manager.Login] and
// authn.Require.
//
//	sessions, err := session.New(st, session.Config{})
//	id, err := users.Authenticate(r, name, typed) // package password, or authn.User before the proof is looked at
//	id, err = sessions.Login(w, r, id, session.LoginOptions{})
//	mux.Handle("GET /account", authn.Require(sessions)(account))
//	err = sessions.Logout(w, r)
//
// # The cookie
//
// It holds 32 random bytes, of which the store has the SHA-256 only. It is
// __Host-, Secure, HttpOnly and SameSite=Lax, and changes with every login and
// every further factor. What a request does with it is one read of the store,
// and now and then a write that says when the session was seen last.
//
// Responses are neither wrapped nor buffered: what sets a cookie takes the
// ResponseWriter and must be called before the body is written. Nothing is
// written when a handler ends.
//
// Browsers keep such a cookie from https only; most take it from
// http://localhost, and for the others there is
// Config.InsecureDevelopmentCookie. What the Identity may do is what it might at
// the login: [authn.Enrich] asks the host at each request.
//
// # Requests of other sites
//
// A request that may change something, and the upgrade to a WebSocket, must
// come from the page's own origin or it is refused by 403, within Verify, so
// that no composition of middleware loses it ([net/http.CrossOriginProtection]).
// Wrap the pages where nobody is signed in, such as the login form, in
// [Manager.Protect]. A GET must not change anything.
//
// # Ends
//
// A session ends by [Manager.Logout], when it was idle for Config.Idle, at
// Config.Absolute after the login, or when it is revoked: by its ID, with all
// others of its subject, or all of them. A request in flight brings none back.
//
// What a browser has shown it may show again: Chromium keeps pages for its Back
// button (the back/forward cache) whatever Cache-Control says, and shows them
// after a logout. Require marks pages "private" only. One that a handler marks
// Cache-Control: no-store is dropped from there when the logout takes the cookie
// away, but for the page that the login has redirected to; Config.ClearSiteData
// does not help. For that one, or for all, a page asks again by itself:
//
//	addEventListener("pageshow", event => { if (event.persisted) location.reload() })
package session

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// method is the Method of Identities and events.
const method = "session"

// Config of New. The zero Config is safe.
type Config struct {
	// CookieName begins with "__Host-", so that no other host of the domain can
	// set one. Defaults to "__Host-session".
	CookieName string
	// Idle ends a session that was not used for so long, Absolute any. Default
	// to 1 h and 24 h (NIST SP 800-63B-4 §2.2.3), at most 400 days.
	Idle, Absolute time.Duration
	// RememberIdle and RememberAbsolute are those of sessions that outlive the
	// browser. Default to 14 and 30 days, at most 400.
	RememberIdle, RememberAbsolute time.Duration
	// SameSite is Lax or Strict. With Strict a link from another site arrives
	// signed out, though the browser has the cookie: an Update in that request
	// begins a visitor's session in its place, and a CSRF token that the page shows
	// is refused. Defaults to Lax.
	SameSite http.SameSite
	// MaxPerSubject is how many sessions a subject may have: a login beyond it
	// ends the oldest, when nothing is owed any longer. Half logins are counted
	// apart, and end each other beyond 100: who knows a password alone signs nobody
	// out. Defaults to 100.
	MaxPerSubject int
	// Keychain signs cookies, so that a forged one costs no call of the store.
	// All instances share it. nil: they are not signed. From one to the other
	// everybody is signed out.
	Keychain *authn.Keychain
	// Owed says which factors an Identity still owes. nil: none.
	Owed authn.OwedFunc
	// CrossOrigin says which other origins may make requests that count.
	// Defaults to none.
	CrossOrigin *http.CrossOriginProtection
	// RequireCSRFToken also wants a token of [Manager.CSRFToken] in requests
	// that may change something: for browsers that send neither Sec-Fetch-Site
	// nor Origin, or where an audit asks for one. Verify and Protect ask for it,
	// so that what stands outside Require, login and logout among it, belongs in
	// Protect. It needs the Keychain.
	RequireCSRFToken bool
	// ClearSiteData is sent at logout: "cache", "storage", "cookies". Defaults
	// to nothing: some browsers take long, and cookies may be another service's.
	ClearSiteData []string
	// InsecureDevelopmentCookie leaves Secure and __Host- away for requests to
	// http://localhost or another loopback host, for clients that want https
	// for such cookies. Other requests are not affected. Never in production:
	// behind a proxy every request may look like one.
	InsecureDevelopmentCookie bool
	// OnEvent gets logins, logouts, factors, revocations, refusals and outages.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultCookie           = "__Host-session"
	defaultIdle             = time.Hour
	defaultAbsolute         = 24 * time.Hour
	defaultRememberIdle     = 14 * 24 * time.Hour
	defaultRememberAbsolute = 30 * 24 * time.Hour
	maxAbsolute             = 400 * 24 * time.Hour // what browsers keep (RFC 6265bis §5.5)
	minIdle                 = time.Minute
	defaultMaxPerSubject    = 100
	// maxPending is MaxPerSubject of half logins. It is none of the host's: with
	// few, who knows the password could keep the user from ever paying the rest.
	maxPending = 100
	// pendingFor is how long half a login lasts.
	pendingFor = 10 * time.Minute
	// touchPart of the idle time passes before a use is written.
	touchPart = 10
)

// Manager starts, verifies and ends sessions: an [authn.Verifier],
// [authn.FactorAdder] and [authn.Revoker]. It is safe for concurrent use.
type Manager struct {
	st  store.Sessions
	cfg Config
	dev string // CookieName without its prefix
	log audit.Log
}

var _ interface {
	authn.Verifier
	authn.Describer
	authn.FactorAdder
	authn.Revoker
} = (*Manager)(nil)

// New refuses a Config that is unsafe or contradicts itself. Managers of one
// store share its sessions: an admin site with rules of its own wants a store
// (prefix, schema) of its own.
func New(st store.Sessions, cfg Config) (*Manager, error) {
	if st == nil {
		return nil, errors.New("authn/session: New needs a store, such as memstore.New")
	}
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("authn/session: %w", err)
	}
	return &Manager{
		st: st, cfg: cfg, dev: bareName(cfg.CookieName),
		log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: cfg.Now},
	}, nil
}

func (cfg Config) withDefaults() Config {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&cfg.Idle, defaultIdle)
	set(&cfg.Absolute, defaultAbsolute)
	set(&cfg.RememberIdle, defaultRememberIdle)
	set(&cfg.RememberAbsolute, defaultRememberAbsolute)
	if cfg.CookieName == "" {
		cfg.CookieName = defaultCookie
	}
	if cfg.SameSite == 0 || cfg.SameSite == http.SameSiteDefaultMode {
		cfg.SameSite = http.SameSiteLaxMode
	}
	if cfg.MaxPerSubject == 0 {
		cfg.MaxPerSubject = defaultMaxPerSubject
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.ClearSiteData = slices.Clone(cfg.ClearSiteData)
	return cfg
}

// check says what is wrong with cfg, naming the field.
func (cfg Config) check() error {
	switch {
	case !isCookieName(cfg.CookieName):
		return fmt.Errorf("Config.CookieName %.64q is no name of a cookie of up to 32 characters", cfg.CookieName)
	case !strings.HasPrefix(cfg.CookieName, "__Host-"):
		return fmt.Errorf("Config.CookieName %q does not begin with __Host-: another host of the domain could set it", cfg.CookieName)
	case bareName(cfg.CookieName) == "" || bareName(cfg.CookieName) == bareName(csrfCookieName):
		return fmt.Errorf("Config.CookieName %q is a prefix only, or the name of the cookie of CSRF tokens", cfg.CookieName)
	case cfg.SameSite != http.SameSiteLaxMode && cfg.SameSite != http.SameSiteStrictMode:
		return errors.New("Config.SameSite is Lax or Strict: with None every site could use the session")
	case cfg.Idle < minIdle || cfg.RememberIdle < minIdle:
		return fmt.Errorf("Config.Idle and RememberIdle are at least %s", minIdle)
	case cfg.Idle > cfg.Absolute:
		return fmt.Errorf("Config.Idle %s is longer than Absolute %s", cfg.Idle, cfg.Absolute)
	case cfg.RememberIdle > cfg.RememberAbsolute:
		return fmt.Errorf("Config.RememberIdle %s is longer than RememberAbsolute %s", cfg.RememberIdle, cfg.RememberAbsolute)
	case cfg.Absolute > maxAbsolute || cfg.RememberAbsolute > maxAbsolute:
		return errors.New("Config.Absolute and RememberAbsolute are at most 400 days: browsers keep no cookie longer")
	case cfg.MaxPerSubject < 0:
		return errors.New("Config.MaxPerSubject is negative")
	case cfg.Keychain != nil && cfg.Keychain.KeyID() == "":
		return errors.New("Config.Keychain is empty: make one by authn.ParseKeychain")
	case cfg.RequireCSRFToken && cfg.Keychain == nil:
		return errors.New("Config.RequireCSRFToken needs a Keychain")
	}
	for _, what := range cfg.ClearSiteData {
		if !slices.Contains([]string{"cache", "cookies", "storage", "executionContexts"}, what) {
			return fmt.Errorf("Config.ClearSiteData has %.64q: \"cache\", \"storage\", \"cookies\" or \"executionContexts\"", what)
		}
	}
	return nil
}

// bareName is a cookie's name without the prefixes that want Secure.
func bareName(s string) string {
	return strings.TrimPrefix(strings.TrimPrefix(s, "__Host-"), "__Secure-")
}

func isCookieName(s string) bool {
	c, err := http.ParseSetCookie(s + "=x")
	return err == nil && c.Name == s && len(s) <= 32
}

// Middleware is authn.Require of this Manager alone.
func (m *Manager) Middleware(next http.Handler) http.Handler { return authn.Require(m)(next) }

// Describe is of [authn.Describer].
func (m *Manager) Describe() authn.Description {
	return authn.Description{Challenges: []authn.Challenge{{Scheme: "Cookie"}}, Vary: []string{"Cookie"}}
}

// idle is the idle time of a session.
func (m *Manager) idle(remember bool) time.Duration {
	if remember {
		return m.cfg.RememberIdle
	}
	return m.cfg.Idle
}

func (m *Manager) absolute(remember bool) time.Duration {
	if remember {
		return m.cfg.RememberAbsolute
	}
	return m.cfg.Absolute
}

// fault is a mistake of the host's, which no client can mend.
func fault(format string, args ...any) *authn.Error {
	return &authn.Error{Status: http.StatusInternalServerError, Code: "internal", Err: fmt.Errorf("authn/session: "+format, args...)}
}

// outage is 503, whatever the store answered.
func outage(err error) *authn.Error { return audit.Outage("store", err) }

// earlier is the first of two times.
func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// micros is what stores keep.
func micros(t time.Time) time.Time { return t.Truncate(time.Microsecond) }
