package session

import (
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
)

// Protect refuses requests that may change something and that another site
// made, by 403, where nobody is signed in: on the pages of login and
// registration. With RequireCSRFToken it wants the token, too. What other sites
// are to post to, such as the callback of an identity provider, stays outside.
func (m *Manager) Protect(next http.Handler) http.Handler {
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
