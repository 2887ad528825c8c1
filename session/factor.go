package session

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cookies"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// AddFactor says that r's session has proven f: it does not owe f any longer,
// and f counts as proven at f.At for authn.Within. The token changes; the ID
// and the data stay, and so does the end, but that a session whose last owed
// factor this is begins its Absolute now and counts for MaxPerSubject. It answers
// who it is then.
//
// Errors are *[authn.Error]s: one that wraps [authn.ErrNoCredential] when there
// is no live session, or another request has just changed its token; 403 for a
// request of another site, and for one that came in as somebody else, by
// another method; anything else is an outage. It is of
// [authn.FactorAdder].
func (m *Manager) AddFactor(w http.ResponseWriter, r *http.Request, f authn.Factor) (*authn.Identity, error) {
	if f.Name == "" || f.At.IsZero() {
		return nil, fault("AddFactor of a Factor without Name or At")
	}
	if e := crossorigin.Check(m.cfg.CrossOrigin, r); e != nil {
		return nil, m.log.Refusal(r, e)
	}
	token := m.current(w, r)
	if token == "" {
		return nil, authn.NoCredential("no session")
	}
	now, ref := m.cfg.Now(), refOf(token)
	s, e := m.read(r.Context(), ref, now)
	switch {
	case e != nil:
		return nil, m.log.Refusal(r, e)
	case s.Identity.Subject == "":
		return nil, authn.NoCredential("no login")
	}
	if m.othersProof(w, r, &s) {
		return nil, m.log.Refusal(r, authn.Forbidden("another's proof", nil))
	}
	owed := s.Owes()
	s.Identity = *s.Identity.WithFactor(f)
	s.SeenAt = micros(now)
	s.IdleUntil = earlier(micros(now.Add(m.idle(s.Remember))), s.ExpiresAt)
	if owed && !s.Owes() {
		m.extend(&s, s.SeenAt)
	}
	token = newToken(ref.Tag)
	value, err := m.seal(token)
	if err != nil {
		return nil, m.failed(r, err)
	}
	s.Ref = refOf(token)
	next := store.SessionRotation{
		Token: s.Ref.Token, Identity: s.Identity, SeenAt: s.SeenAt, IdleUntil: s.IdleUntil, ExpiresAt: s.ExpiresAt,
	}
	if owed && !s.Owes() {
		next.Max = m.cfg.MaxPerSubject
	}
	err = m.st.RotateSession(r.Context(), ref, next, s.SeenAt)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, authn.NoCredential("revoked or rotated meanwhile")
	case err != nil:
		return nil, m.failed(r, err)
	}
	m.setCookie(w, r, value, &s)
	m.log.Send(r.Context(), authn.Event{
		Kind: authn.EventFactorProven, Subject: s.Identity.Subject, SubjectKind: s.Identity.Kind, CredentialID: s.ID,
		Addr: authn.ClientOf(r).Addr, Reason: f.Name,
	})
	return m.identity(&s, now), nil
}

// othersProof reports whether r was let in as somebody else than s: by a token
// beside the cookie, say. Whose code was looked at is then not who would be
// signed in.
func (m *Manager) othersProof(w http.ResponseWriter, r *http.Request, s *store.Session) bool {
	if _, ok := cookies.Answered(w, m.cookieName(r)); ok { // a login of this very response
		return false
	}
	if _, ok := authn.FromContext(r.Context()); !ok {
		return false
	}
	verified, ok := m.inContext(r.Context())
	return !ok || verified.ID != s.ID
}
