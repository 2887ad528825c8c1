package session

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"net/http"

	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/internal/loopback"
	"github.com/gatehouse-go/authn/store"
)

// A cookie is tag.token, or tag.token.kid.MAC where the Keychain signs: 8
// characters that say where the session lies, 43 of 32 random bytes, the id of
// the key, and 22 of half an HMAC-SHA-256.
const (
	tagLen   = 8
	tokenLen = 43
	plainLen = tagLen + 1 + tokenLen
	keyIDLen = 8
	macBytes = 16
	macLen   = 22
	fullLen  = plainLen + 1 + keyIDLen + 1 + macLen
	purpose  = "session" // of the Keychain's subkeys
)

var b64 = base64.RawURLEncoding.Strict()

// newToken is a new secret behind tag.
func newToken(tag string) string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return tag + "." + b64.EncodeToString(b[:])
}

// newID is public: 128 random bits.
func newID() string { return randomText(16) }

// randomTag is where an anonymous session lies.
func randomTag() string { return randomText(6) }

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b64.EncodeToString(b)
}

// refOf is how the store knows a token.
func refOf(token string) store.SessionRef {
	return store.SessionRef{Tag: token[:tagLen], Token: store.DigestOf(token)}
}

// seal is the cookie of a token.
func (m *Manager) seal(token string) (string, error) {
	if m.cfg.Keychain == nil {
		return token, nil
	}
	kid := m.cfg.Keychain.KeyID()
	mac, err := m.cfg.Keychain.MAC(purpose, kid, []byte(token))
	if err != nil {
		return "", err
	}
	return token + "." + kid + "." + b64.EncodeToString(mac[:macBytes]), nil
}

// open is the token of a cookie, or what is wrong with it.
func (m *Manager) open(value string) (token, wrong string) {
	want := plainLen
	if m.cfg.Keychain != nil {
		want = fullLen
	}
	if len(value) != want || value[tagLen] != '.' || !isBase64(value[:tagLen]) || !isBase64(value[tagLen+1:plainLen]) {
		return "", "malformed"
	}
	token = value[:plainLen]
	if m.cfg.Keychain == nil {
		return token, ""
	}
	kid, text := value[plainLen+1:plainLen+1+keyIDLen], value[fullLen-macLen:]
	mac, err := b64.DecodeString(text)
	if err != nil || value[plainLen] != '.' || value[plainLen+1+keyIDLen] != '.' {
		return "", "malformed"
	}
	full, err := m.cfg.Keychain.MAC(purpose, kid, []byte(token))
	if err != nil || subtle.ConstantTimeCompare(full[:macBytes], mac) != 1 {
		return "", "forged"
	}
	return token, ""
}

func isBase64(s string) bool {
	for i := range len(s) {
		if !inBase64[s[i]] {
			return false
		}
	}
	return true
}

// inBase64 are the bytes of base64url.
var inBase64 = func() (is [256]bool) {
	for c := range is {
		is[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	return is
}()

// token is that of r's cookie: "" with the reason if it has none that counts,
// and without one if it has none.
func (m *Manager) token(r *http.Request) (token, wrong string) {
	value, n := cookies.Find(r.Header, m.cookieName(r))
	switch {
	case n == 0:
		return "", ""
	case n > 1:
		return "", "two cookies" // another host of the domain may have set one
	}
	return m.open(value)
}

// current is the token that the next request will have: that which this
// response has set already, "" if it took it away, or else r's.
func (m *Manager) current(w http.ResponseWriter, r *http.Request) string {
	if value, ok := cookies.Answered(w, m.cookieName(r)); ok {
		token, _ := m.open(value)
		return token
	}
	token, _ := m.token(r)
	return token
}

// cookieName is CookieName, but for development.
func (m *Manager) cookieName(r *http.Request) string {
	if m.insecure(r) {
		return m.dev
	}
	return m.cfg.CookieName
}

// insecure reports whether r may have a cookie for development.
func (m *Manager) insecure(r *http.Request) bool {
	return m.cfg.InsecureDevelopmentCookie && r.TLS == nil && loopback.Host(r.Host)
}

// setCookie gives value to the browser: for as long as s may last, if that is
// remembered, else until the browser ends.
func (m *Manager) setCookie(w http.ResponseWriter, r *http.Request, value string, s *store.Session) {
	maxAge := 0
	if s.Remember {
		maxAge = int(s.ExpiresAt.Sub(m.cfg.Now()).Seconds())
	}
	m.writeCookie(w, r, value, maxAge)
}

// clearCookie takes it away.
func (m *Manager) clearCookie(w http.ResponseWriter, r *http.Request) { m.writeCookie(w, r, "", -1) }

func (m *Manager) writeCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	cookies.Set(w, &http.Cookie{ //nolint:gosec // G124: Secure but for development on loopback
		Name: m.cookieName(r), Value: value, Path: "/", MaxAge: maxAge,
		Secure: !m.insecure(r), HttpOnly: true, SameSite: m.cfg.SameSite,
	})
	w.Header().Set("Cache-Control", "no-store")
}
