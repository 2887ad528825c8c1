package jwtauth

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"
)

// Cookies says where a browser keeps tokens: HttpOnly, Secure, and each for one
// path.
type Cookies struct {
	// Access is the cookie of the access token, for all paths, SameSite=Lax.
	// Defaults to "__Host-access".
	Access string
	// Refresh is that of the refresh token, for RefreshPath alone,
	// SameSite=Strict. Defaults to "__Secure-refresh": a "__Host-" cookie would
	// be for all paths.
	Refresh string
	// RefreshPath is where [Issuer.RefreshHandler] is mounted; below it is
	// [Issuer.LogoutHandler]. Required.
	RefreshPath string
}

func (c Cookies) withDefaults() Cookies {
	if c.Access == "" {
		c.Access = "__Host-access"
	}
	if c.Refresh == "" {
		c.Refresh = "__Secure-refresh"
	}
	return c
}

func (c Cookies) check() error {
	for _, name := range [...]string{c.Access, c.Refresh} {
		if err := checkCookieName(name); err != nil {
			return err
		}
	}
	u, err := url.Parse(c.RefreshPath)
	switch {
	case c.Access == c.Refresh:
		return errors.New("Cookies.Access and Refresh are one")
	case len(c.Refresh) >= 7 && strings.EqualFold(c.Refresh[:7], "__Host-"):
		return errors.New(`Cookies.Refresh begins with "__Host-", which is for the path "/" only (RFC 6265bis §4.1.3.2)`)
	case err != nil || u.Path != c.RefreshPath || !strings.HasPrefix(c.RefreshPath, "/") || c.RefreshPath == "/" ||
		path.Clean(c.RefreshPath) != c.RefreshPath || u.EscapedPath() != c.RefreshPath || strings.ContainsAny(c.RefreshPath, ";,"):
		return fmt.Errorf("Cookies.RefreshPath is where RefreshHandler is, such as \"/token/refresh\", not %.64q", c.RefreshPath)
	}
	return nil
}

func checkCookieName(name string) error {
	if cookie(name, "x", "/", time.Second, http.SameSiteLaxMode).Valid() != nil || len(name) > 64 {
		return fmt.Errorf("%.64q is no name of a cookie", name)
	}
	return nil
}

// maxCookie is what browsers keep (RFC 6265 §6.1), name and attributes included.
const maxCookie = 4096

// SetCookies gives t to a browser: Set-Cookie for each token, with a Max-Age of
// its lifetime, and Cache-Control: no-store. Where no refresh token is in t an
// older one is taken away, since it would be another login's. It is an error
// without IssuerConfig.Cookies, and for a token that no browser would keep;
// then nothing is set.
func (i *Issuer) SetCookies(w http.ResponseWriter, t TokenSet) error {
	if i.cfg.Cookies == nil {
		return fault("SetCookies needs IssuerConfig.Cookies")
	}
	access := i.accessCookie(t.Access.Reveal(), t.accessLifetime())
	if err := checkCookieSize(access); err != nil { // of another issuer's token
		return err
	}
	noStore(w)
	http.SetCookie(w, access)
	http.SetCookie(w, i.refreshCookie(t.Refresh.Reveal(), t.RefreshExpiresAt.Sub(i.cfg.Now())))
	return nil
}

// checkCookieSize refuses what no browser would keep.
func checkCookieSize(c *http.Cookie) error {
	if n := len(c.String()); n > maxCookie {
		return fault("a cookie of %d bytes: browsers keep %d; the host's claims, scopes or roles are too many", n, maxCookie)
	}
	return nil
}

// clearCookies takes both away.
func (i *Issuer) clearCookies(w http.ResponseWriter) {
	http.SetCookie(w, i.accessCookie("", 0))
	http.SetCookie(w, i.refreshCookie("", 0))
}

func (i *Issuer) accessCookie(value string, lifetime time.Duration) *http.Cookie {
	return cookie(i.cfg.Cookies.Access, value, "/", lifetime, http.SameSiteLaxMode)
}

func (i *Issuer) refreshCookie(value string, lifetime time.Duration) *http.Cookie {
	return cookie(i.cfg.Cookies.Refresh, value, i.cfg.Cookies.RefreshPath, lifetime, http.SameSiteStrictMode)
}

// cookie is one that no script reads. Without a value it takes the old one away.
func cookie(name, value, path string, lifetime time.Duration, site http.SameSite) *http.Cookie {
	c := &http.Cookie{ //nolint:gosec // G124: it has all three
		Name: name, Value: value, Path: path, Secure: true, HttpOnly: true, SameSite: site,
		MaxAge: int((lifetime + time.Second - 1) / time.Second),
	}
	if value == "" || c.MaxAge <= 0 {
		c.Value, c.MaxAge = "", -1
	}
	return c
}
