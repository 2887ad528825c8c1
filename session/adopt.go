package session

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// Adopt signs in who has a session of an older library, once. Put it outside
// Require. For a request without a session of ours it asks from, which finds
// the older one, ends it, so that it is adopted only once, and answers its user
// with a VerifiedAt of now; [authn.ErrNoCredential] if there is none. The
// request then goes on with the new session. A request of another site is not
// asked for one, but for the GET by which a link leads here. Other errors of
// from, and those of [Manager.Login], are answered by [authn.WriteError]; who
// fails there logs in again.
func (m *Manager) Adopt(from func(w http.ResponseWriter, r *http.Request) (*authn.Identity, error)) func(http.Handler) http.Handler {
	if from == nil {
		panic("authn/session: Adopt with a nil func")
	}
	return func(next http.Handler) http.Handler {
		mustHandler(next, "Adopt")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Another site must not even end the older one.
			if m.ours(r) || embedded(r) || crossorigin.Check(m.cfg.CrossOrigin, r) != nil {
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

// embedded reports whether another site's page has r in it, as an image or a
// frame: browsers keep none of the cookies that we answer, since they are Lax.
func embedded(r *http.Request) bool {
	return r.Header.Get("Sec-Fetch-Site") == "cross-site" && r.Header.Get("Sec-Fetch-Dest") != "document"
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
	if value, ok := cookies.Answered(w, m.cookieName(r)); ok {
		cookies.Replace(next.Header, m.cookieName(r), value)
	}
	return next
}
