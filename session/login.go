package session

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// LoginOptions of one login.
type LoginOptions struct {
	// Remember lets the session outlive the browser, for RememberIdle and
	// RememberAbsolute.
	Remember bool
	// KeepData carries the data of r's session over, as it is when Login reads
	// it: a basket that was filled before the login. Data of another subject is
	// never carried.
	KeepData bool
}

const (
	maxSubject   = 255
	maxUserAgent = 255
	// endIn is how long a login may go on when its client has gone.
	endIn = 10 * time.Second
)

// Login starts a session in place of r's, with a new token, and answers id as
// it stands in it: with what it owes in Pending. While it owes anything the
// session lives for 10 min and is good for [Manager.AddFactor] only. It sets
// the cookie, once, and Cache-Control: no-store.
//
// On an error r's session stays as it was and there is no new one; if the store
// fails between its two writes, r's session may have ended. Errors are
// *[authn.Error]s: 401 when everything of the subject was revoked after
// id.VerifiedAt, 403 for a key and for a request of another site, 500 for a
// mistake of the host's. Those of Owed stand; anything else is an outage.
func (m *Manager) Login(w http.ResponseWriter, r *http.Request, id *authn.Identity, o LoginOptions) (*authn.Identity, error) {
	if e := checkIdentity(id); e != nil {
		return nil, e
	}
	if e := crossorigin.Check(m.cfg.CrossOrigin, r); e != nil {
		return nil, m.log.Refusal(r, e)
	}
	now := m.cfg.Now()
	id = id.Clone()
	id.Credential, id.CredentialID, id.ExpiresAt = nil, "", time.Time{} // those of the session
	if err := m.owed(r, id); err != nil {
		return nil, err
	}
	old, byID, e := m.replaced(w, r, now)
	if e != nil {
		return nil, e
	}
	token := newToken(store.TagOf(id.Subject))
	s := store.Session{
		Ref: refOf(token), ID: newID(), Identity: *id, Data: []byte("{}"), Revision: 1, Remember: o.Remember,
		UserAgent: userAgent(r), Addr: clientAddr(r),
	}
	m.begin(&s, now)
	if o.KeepData && (old.Identity.Subject == "" || old.Identity.Subject == id.Subject) && len(old.Data) > 0 {
		s.Data = old.Data
	}
	value, err := m.seal(token)
	if err != nil {
		return nil, m.failed(r, err)
	}
	proofAge := m.cfg.Now().Sub(id.VerifiedAt) // now: Owed and the store may have taken long
	most := m.cfg.MaxPerSubject
	if s.Owes() {
		most = maxPending
	}
	err = m.st.CreateSession(r.Context(), s, old.Ref, most, proofAge, micros(now))
	switch {
	case errors.Is(err, store.ErrConflict):
		e := authn.Refused("revoked during the login", err)
		e.About = about(&s)
		return nil, m.log.Refusal(r, e)
	case err != nil:
		return nil, m.failed(r, err)
	}
	if err := m.endByID(r, &byID, s.Ref, now); err != nil {
		return nil, m.failed(r, err)
	}
	m.setCookie(w, r, value, &s)
	m.send(r, authn.EventLogin, &s)
	return m.identity(&s, now), nil
}

// endByID ends old, which a login has replaced by the session of ref, also when
// the client has gone. If it cannot, that of ref goes: nobody gets its token, and
// a list of devices would show it.
func (m *Manager) endByID(r *http.Request, old *store.Session, ref store.SessionRef, now time.Time) error {
	if old.ID == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), endIn) // halfway is nowhere
	defer cancel()
	err := m.st.RevokeSession(ctx, old.Identity.Subject, old.ID, micros(now))
	if err == nil || errors.Is(err, store.ErrNotFound) {
		return nil
	}
	_ = m.st.DeleteSession(ctx, ref) // if that fails, too, it is idle until it ends
	return err
}

// begin sets the times of a session that starts now.
func (m *Manager) begin(s *store.Session, now time.Time) {
	now = micros(now)
	s.CreatedAt, s.SeenAt = now, now
	m.extend(s, now)
}

// extend sets the ends: near ones while a factor is owed.
func (m *Manager) extend(s *store.Session, now time.Time) {
	s.ExpiresAt = now.Add(m.absolute(s.Remember))
	if s.Owes() {
		s.ExpiresAt = earlier(s.ExpiresAt, now.Add(pendingFor))
	}
	s.IdleUntil = earlier(now.Add(m.idle(s.Remember)), s.ExpiresAt)
}

func checkIdentity(id *authn.Identity) *authn.Error {
	switch {
	case id == nil:
		return fault("Login of a nil Identity")
	case id.Kind == authn.KindKey:
		return authn.Forbidden("a key does not become a session", nil)
	case id.Kind != authn.KindUser && id.Kind != authn.KindClient:
		return fault("Login of an Identity of kind %v", id.Kind)
	case !isName(id.Subject):
		return fault("Login of a Subject that is not 1 to %d bytes of UTF-8 without NUL", maxSubject)
	case id.VerifiedAt.IsZero():
		return fault("Login of an Identity without VerifiedAt: call authn.User before the proof is looked at")
	}
	return nil
}

// isName reports whether stores take s for a subject or an ID.
func isName(s string) bool {
	return s != "" && len(s) <= maxSubject && utf8.ValidString(s) && strings.IndexByte(s, 0) < 0
}

// owed adds to id.Pending what Owed says.
func (m *Manager) owed(r *http.Request, id *authn.Identity) error {
	if m.cfg.Owed == nil {
		return nil
	}
	names, err := m.cfg.Owed(r.Context(), r, id.Clone())
	if err != nil {
		return err
	}
	for _, name := range names {
		if name == "" {
			return fault("Owed names a factor by nothing, which nobody could prove")
		}
		if !slices.Contains(id.Pending, name) {
			id.Pending = append(id.Pending, name)
		}
	}
	return nil
}

// replaced is the session that a login ends, the zero one if there is none, and
// somebody's that is to end by its ID besides: another request may give it a new
// token after it was read, or has done so since Verify.
func (m *Manager) replaced(w http.ResponseWriter, r *http.Request, now time.Time) (old, byID store.Session, e *authn.Error) {
	token := m.current(w, r)
	if token == "" {
		return old, byID, nil
	}
	s, e := m.read(r.Context(), refOf(token), now)
	switch {
	case e == nil && s.Identity.Subject == "":
		return s, byID, nil
	case e == nil:
		return s, s, nil
	case e.Status >= http.StatusInternalServerError:
		return old, byID, m.log.Refusal(r, e)
	}
	if c, _ := m.inContext(r.Context()); c.Ref == refOf(token) {
		byID = c
	}
	return old, byID, nil
}

// userAgent is what a page of devices shows.
func userAgent(r *http.Request) string {
	s := strings.ToValidUTF8(strings.ReplaceAll(r.UserAgent(), "\x00", ""), "")
	for len(s) > maxUserAgent {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// clientAddr is as stores keep it.
func clientAddr(r *http.Request) netip.Addr { return authn.ClientOf(r).Addr.Unmap().WithZone("") }

// about is whom a refusal is about.
func about(s *store.Session) *authn.Identity {
	return &authn.Identity{Subject: s.Identity.Subject, Kind: s.Identity.Kind, CredentialID: s.ID}
}

// failed is the outage that err is, and sends its event.
func (m *Manager) failed(r *http.Request, err error) *authn.Error {
	return m.log.Refusal(r, outage(err))
}

// send is an event about s: its Reason is what s owes, if it is half a login.
func (m *Manager) send(r *http.Request, kind authn.EventKind, s *store.Session) {
	e := authn.Event{
		Kind: kind, Subject: s.Identity.Subject, SubjectKind: s.Identity.Kind, CredentialID: s.ID, Addr: authn.ClientOf(r).Addr,
	}
	if s.Owes() {
		e.Reason = "owes " + strings.Join(s.Identity.Pending, ", ")
	}
	m.log.Send(r.Context(), e)
}
