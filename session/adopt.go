package session

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
)

// Adopt signs in who has a session of an older library, once. Put it outside
// Require. For a request without a session of ours it asks from, which finds
// the older one, ends it, so that it is adopted only once, and answers its user
// with a VerifiedAt of now; [authn.ErrNoCredential] if there is none. The
// request then goes on with the new session. Other errors of from, and those
// of [Manager.Login], are answered by [authn.WriteError].
func (m *Manager) Adopt(from func(w http.ResponseWriter, r *http.Request) (*authn.Identity, error)) func(http.Handler) http.Handler {
	if from == nil {
		panic("authn/session: Adopt with a nil func")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if m.ours(r) {
				next.ServeHTTP(w, r)
				return
			}
			id, err := from(w, r)
			if errors.Is(err, authn.ErrNoCredential) {
				next.ServeHTTP(w, r)
				return
			}
			if err == nil {
				_, err = m.Login(w, r, id, LoginOptions{KeepData: true})
			}
			if err != nil {
				authn.WriteError(w, r, err)
				return
			}
			next.ServeHTTP(w, m.withNewCookie(w, r))
		})
	}
}

// ours reports whether r has a session of ours, or nobody knows.
func (m *Manager) ours(r *http.Request) bool {
	token, _ := m.token(r)
	if token == "" {
		return false
	}
	s, e := m.read(r.Context(), refOf(token), m.cfg.Now())
	if e != nil {
		return e.Status >= http.StatusInternalServerError
	}
	return s.Identity.Subject != ""
}

// withNewCookie is r as the browser would send it after this response.
func (m *Manager) withNewCookie(w http.ResponseWriter, r *http.Request) *http.Request {
	next := r.Clone(r.Context())
	for _, line := range w.Header()["Set-Cookie"] {
		if c, err := http.ParseSetCookie(line); err == nil && c.Name == m.cookieName(r) {
			cookies.Replace(next.Header, c.Name, c.Value)
		}
	}
	return next
}
