package session

import (
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// Protect refuses requests that may change something and that another site
// made, by 403, where nobody is signed in: on the pages of login and
// registration. With RequireCSRFToken it wants the token, too. What other sites
// are to post to, such as the callback of an identity provider, stays outside; where
// that calls Login, name its pattern by AddInsecureBypassPattern of
// Config.CrossOrigin, since Login looks, too.
func (m *Manager) Protect(next http.Handler) http.Handler {
	mustHandler(next, "Protect")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := crossorigin.Check(m.cfg.CrossOrigin, r)
		if e == nil {
			e = m.csrf(r)
		}
		if e != nil {
			authn.WriteError(w, r, m.log.Refusal(r, e))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// mustHandler panics on nil when the route is built, not at each request.
func mustHandler(next http.Handler, where string) {
	if next == nil {
		panic("authn/session: " + where + " with a nil Handler")
	}
}
