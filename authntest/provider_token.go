package authntest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// tokenTTL is of access tokens and id_tokens.
const tokenTTL = time.Hour

// token is RFC 6749 §4.1.3 and §6. A code and a refresh token work once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	if !p.client(w, r) {
		return
	}
	p.mu.Lock()
	l, wrong := p.redeem(r.PostForm)
	if l != nil {
		p.issue(l)
	}
	p.mu.Unlock()
	if l == nil {
		p.refuse(w, r, http.StatusBadRequest, wrong, "")
		return
	}
	claims := maps.Clone(l.claims)
	now := time.Now()
	maps.Copy(claims, map[string]any{
		"iss": p.URL, "aud": p.ClientID, "iat": now.Unix(), "exp": now.Add(tokenTTL).Unix(), "auth_time": l.authTime,
	})
	if l.nonce != "" && r.PostForm.Get("grant_type") == "authorization_code" {
		claims["nonce"] = l.nonce
	}
	p.answer(w, r, http.StatusOK, map[string]any{
		"access_token": l.accessToken, "token_type": "Bearer", "expires_in": int(tokenTTL / time.Second),
		"refresh_token": l.refreshToken, "scope": l.scope, "id_token": p.sign(claims),
	})
}

// redeem is the login that a grant stands for, or an error code. p.mu is held.
func (p *Provider) redeem(form url.Values) (l *login, wrong string) {
	switch form.Get("grant_type") {
	case "authorization_code":
		l = p.codes[form.Get("code")]
		switch {
		case l == nil:
			return nil, "invalid_grant"
		case l.used: // stolen, so what came of it ends, too (RFC 6749 §4.1.2)
			p.forget(l)
			return nil, "invalid_grant"
		case l.redirectURI != form.Get("redirect_uri") || l.challenge != s256(form.Get("code_verifier")):
			return nil, "invalid_grant"
		}
		l.used = true
		return l, ""
	case "refresh_token":
		if l = p.refresh[form.Get("refresh_token")]; l == nil {
			return nil, "invalid_grant"
		}
		return l, ""
	default:
		return nil, "unsupported_grant_type"
	}
}

// issue gives l new tokens in place of those it has. p.mu is held.
func (p *Provider) issue(l *login) {
	p.forget(l)
	l.accessToken, l.refreshToken = rand.Text(), rand.Text()
	p.access[l.accessToken], p.refresh[l.refreshToken] = l, l
}

// forget ends l's tokens. p.mu is held.
func (p *Provider) forget(l *login) {
	delete(p.access, l.accessToken)
	delete(p.refresh, l.refreshToken)
}

// revoke is RFC 7009: both tokens of a login end together.
func (p *Provider) revoke(w http.ResponseWriter, r *http.Request) {
	if !p.client(w, r) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	token := r.PostForm.Get("token")
	for _, l := range []*login{p.access[token], p.refresh[token]} {
		if l != nil {
			p.forget(l)
		}
	}
}

// client reports whether r comes from the client (RFC 6749 §2.3.1), and answers
// it if not. Both ways at once are refused.
func (p *Provider) client(w http.ResponseWriter, r *http.Request) bool {
	if err := r.ParseForm(); err != nil || repeated(r.PostForm) || r.URL.RawQuery != "" {
		p.refuse(w, r, http.StatusBadRequest, "invalid_request", "not a form, or a parameter came twice, or in the URL")
		return false
	}
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if basicID, basicSecret, ok := r.BasicAuth(); ok {
		if secret != "" || id != "" && id != unescaped(basicID) {
			p.refuse(w, r, http.StatusBadRequest, "invalid_request", "a client authenticates once")
			return false
		}
		id, secret = unescaped(basicID), unescaped(basicSecret)
	}
	if id != p.ClientID || secret != p.ClientSecret.Reveal() {
		w.Header().Set("WWW-Authenticate", `Basic realm="authntest"`)
		p.refuse(w, r, http.StatusUnauthorized, "invalid_client", "")
		return false
	}
	return true
}

// unescaped is a half of client_secret_basic, which is form-encoded first.
func unescaped(s string) string {
	s, _ = url.QueryUnescape(s)
	return s
}

func s256(verifier string) string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func bearer(r *http.Request) (token string, ok bool) {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	return token, ok && strings.EqualFold(scheme, "Bearer")
}
