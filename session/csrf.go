package session

import (
	"crypto/rand"
	"crypto/subtle"
	"html/template"
	"mime"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
)

const (
	// csrfHeader and csrfField are where a token comes back.
	csrfHeader = "X-Csrf-Token"
	csrfField  = "csrf_token"
	// csrfPurpose is of the Keychain's subkeys.
	csrfPurpose = "session csrf"
	csrfLen     = 32 // bytes of a token's secret
	// csrfCookieName is of the cookie that a visitor's token is bound to.
	csrfCookieName = "__Host-csrf"
)

// CSRFToken is for the header field X-CSRF-Token of requests that a script
// makes. It is another one at each call, so that compression tells nothing of
// it (BREACH), and good until the session's cookie changes: by a login, a
// logout, a further factor, or the Update that begins a visitor's session: call it
// after these in a response that does both. For a visitor without a session it
// sets a cookie of its own, so call it before the body. "" without a Keychain.
func (m *Manager) CSRFToken(w http.ResponseWriter, r *http.Request) string {
	if m.cfg.Keychain == nil {
		return ""
	}
	w.Header().Set("Cache-Control", "no-store") // what shows it is one visitor's
	of, ok := m.nextOwner(w, r)
	if !ok {
		value := randomText(16)
		m.writeCSRF(w, r, value, 0)
		of = "cookie " + value
	}
	secret, err := m.cfg.Keychain.MAC(csrfPurpose, "", []byte(of))
	if err != nil { // cannot be: New has looked at the keychain
		return ""
	}
	masked := make([]byte, 2*csrfLen)
	_, _ = rand.Read(masked[:csrfLen]) // never fails (crypto/rand)
	subtle.XORBytes(masked[csrfLen:], masked[:csrfLen], secret)
	return m.cfg.Keychain.KeyID() + "." + b64.EncodeToString(masked)
}

// CSRFField is a hidden field of a form with a [Manager.CSRFToken].
func (m *Manager) CSRFField(w http.ResponseWriter, r *http.Request) template.HTML {
	//nolint:gosec // G203: a token has nothing to escape
	return template.HTML(`<input type="hidden" name="` + csrfField + `" value="` + m.CSRFToken(w, r) + `">`)
}

// nextOwner is csrfOwner of the request that follows this response.
func (m *Manager) nextOwner(w http.ResponseWriter, r *http.Request) (of string, ok bool) {
	if token := m.current(w, r); token != "" {
		return "session " + token, true
	}
	value, found := cookies.Answered(w, m.csrfCookie(r))
	if !found {
		var n int
		value, n = cookies.Find(r.Header, m.csrfCookie(r))
		found = n == 1
	}
	return "cookie " + value, found && value != ""
}

// csrfOwner is what r's token is bound to: its session, or the cookie of a
// visitor.
func (m *Manager) csrfOwner(r *http.Request) (of string, ok bool) {
	token, _ := m.token(r)
	if token != "" {
		return "session " + token, true
	}
	if value, n := cookies.Find(r.Header, m.csrfCookie(r)); n == 1 && value != "" {
		return "cookie " + value, true
	}
	return "", false
}

// clearCSRF takes a visitor's cookie away at a logout: the tokens of before the
// login would be good again.
func (m *Manager) clearCSRF(w http.ResponseWriter, r *http.Request) {
	_, sent := cookies.Find(r.Header, m.csrfCookie(r))
	if _, set := cookies.Answered(w, m.csrfCookie(r)); set || sent > 0 {
		m.writeCSRF(w, r, "", -1)
	}
}

func (m *Manager) writeCSRF(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	cookies.Set(w, &http.Cookie{ //nolint:gosec // G124: Secure but for development on loopback
		Name: m.csrfCookie(r), Value: value, Path: "/", MaxAge: maxAge,
		Secure: !m.insecure(r), HttpOnly: true, SameSite: m.cfg.SameSite,
	})
}

// csrfCookie is that of a visitor's token.
func (m *Manager) csrfCookie(r *http.Request) string {
	if m.insecure(r) {
		return bareName(csrfCookieName)
	}
	return csrfCookieName
}

// csrf refuses a request that may change something and has no token of its
// own session or visitor.
func (m *Manager) csrf(r *http.Request) *authn.Error {
	if !m.cfg.RequireCSRFToken {
		return nil
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	of, ok := m.csrfOwner(r)
	if !ok || !m.validCSRF(csrfOf(r), of) {
		return authn.Forbidden("no CSRF token, or another session's", nil)
	}
	return nil
}

// csrfOf is the token of r: of the header field, or else of a form. A multipart
// form counts only if the host has parsed it, within its own limits.
func csrfOf(r *http.Request) string {
	if v := r.Header[csrfHeader]; len(v) == 1 {
		return v[0]
	}
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	switch {
	case media == "application/x-www-form-urlencoded":
		if r.ParseForm() != nil {
			return ""
		}
	case media != "multipart/form-data" || r.MultipartForm == nil:
		return ""
	}
	if v := r.PostForm[csrfField]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// validCSRF unmasks token and compares it.
func (m *Manager) validCSRF(token, of string) bool {
	if len(token) < keyIDLen+1 || token[keyIDLen] != '.' {
		return false
	}
	masked, err := b64.DecodeString(token[keyIDLen+1:])
	if err != nil || len(masked) != 2*csrfLen {
		return false
	}
	secret := make([]byte, csrfLen)
	subtle.XORBytes(secret, masked[:csrfLen], masked[csrfLen:])
	return m.cfg.Keychain.CheckMAC(csrfPurpose, token[:keyIDLen], []byte(of), secret)
}
