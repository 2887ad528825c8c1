package session

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// Logout ends r's session and takes its cookies away, also if another request
// gives the session a new token after Logout, or Verify before it, has read it.
// That there is none is no error and costs no call of the store. On an error the
// session and the cookies stay: 403 for a request of another site, or an outage.
func (m *Manager) Logout(w http.ResponseWriter, r *http.Request) error {
	if e := crossorigin.Check(m.cfg.CrossOrigin, r); e != nil {
		return m.log.Refusal(r, e)
	}
	if token := m.current(w, r); token != "" {
		if e := m.end(r, refOf(token)); e != nil {
			return e
		}
	}
	m.clearCookie(w, r)
	m.clearCSRF(w, r)
	if len(m.cfg.ClearSiteData) > 0 {
		quoted := make([]string, len(m.cfg.ClearSiteData))
		for i, what := range m.cfg.ClearSiteData {
			quoted[i] = strconv.Quote(what)
		}
		w.Header().Set("Clear-Site-Data", strings.Join(quoted, ", "))
	}
	return nil
}

// end deletes the session of ref: somebody's by its ID, so that it ends even if
// another request gives it a new token meanwhile.
func (m *Manager) end(r *http.Request, ref store.SessionRef) *authn.Error {
	s, _ := m.inContext(r.Context())
	var e *authn.Error
	if s.Ref != ref { // else it was read by Verify, and its ID is as good even if its token has changed since
		s, e = m.read(r.Context(), ref, m.cfg.Now())
	}
	if e != nil && e.Status >= http.StatusInternalServerError {
		return m.log.Refusal(r, e)
	}
	var err error
	switch {
	case e != nil || s.Identity.Subject == "": // a damaged one goes, too
		err = m.st.DeleteSession(r.Context(), ref)
	default:
		err = m.st.RevokeSession(r.Context(), s.Identity.Subject, s.ID, micros(m.cfg.Now()))
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return m.failed(r, err)
	}
	if s.Identity.Subject != "" {
		m.send(r, authn.EventLogout, &s)
	}
	return nil
}
