package session

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/crossorigin"
	"github.com/gatehouse-go/authn/store"
)

// verified is one allocation for all that a good cookie needs: its Identity,
// which is the handler's to change, and what the other methods need of the
// session. Its size is much of what Verify costs.
type verified struct {
	identity    authn.Identity
	manager     *Manager
	ref         store.SessionRef
	id, subject string
	kind        authn.Kind
	pending     []string
	data        []byte
}

// Verify is of [authn.Verifier]: the cookie. A cookie that is malformed, twice
// there, unknown, expired or revoked is no credential, with the reason for the
// event, since browsers send cookies unasked. Nobody's session is none either.
func (m *Manager) Verify(r *http.Request) (*authn.Identity, error) {
	token, wrong := m.token(r)
	switch {
	case wrong != "":
		return nil, m.log.Refusal(r, authn.NoCredential(wrong))
	case token == "":
		return nil, authn.ErrNoCredential
	}
	now := m.cfg.Now()
	s, e := m.read(r.Context(), refOf(token), now)
	if e == nil && s.Identity.Subject == "" {
		return nil, authn.ErrNoCredential
	}
	if e == nil { // of a cookie that counts: a stale one is none
		e = crossorigin.Check(m.cfg.CrossOrigin, r)
	}
	if e == nil {
		e = m.csrf(r)
	}
	if e != nil {
		if s.Identity.Subject != "" {
			e.About = about(&s)
		}
		return nil, m.log.Refusal(r, e)
	}
	m.touch(r, &s, now)
	return m.identity(&s, now), nil
}

// read is the live session of ref.
func (m *Manager) read(ctx context.Context, ref store.SessionRef, now time.Time) (store.Session, *authn.Error) {
	s, err := m.st.SessionByRef(ctx, ref, now)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return s, authn.NoCredential("unknown, expired or revoked")
	case errors.Is(err, store.ErrDamaged):
		e := authn.NoCredential("damaged record")
		e.Err = errors.Join(authn.ErrNoCredential, err)
		return s, e
	case err != nil:
		return s, outage(err)
	case s.Ref != ref || !s.Live(now): // a store that answers another's record, or a dead one
		return s, authn.NoCredential("unknown, expired or revoked")
	}
	return s, nil
}

// identity is s's, for one request.
func (m *Manager) identity(s *store.Session, now time.Time) *authn.Identity {
	v := &verified{s.Identity, m, s.Ref, s.ID, s.Identity.Subject, s.Identity.Kind, s.Identity.Pending, s.Data}
	id := &v.identity
	id.Method, id.CredentialID, id.VerifiedAt, id.ExpiresAt, id.Credential = method, s.ID, now, s.ExpiresAt, v
	return id
}

// touch writes that s is used, at most once per tenth of its idle time. That it
// fails is nobody's refusal: the session only ends a little earlier.
func (m *Manager) touch(r *http.Request, s *store.Session, now time.Time) {
	idle := m.idle(s.Remember)
	if now.Sub(s.SeenAt) < idle/touchPart {
		return
	}
	until := earlier(micros(now.Add(idle)), s.ExpiresAt)
	if err := m.st.TouchSession(r.Context(), s.Ref, until, micros(now)); err != nil && r.Context().Err() == nil {
		m.log.Send(r.Context(), authn.Event{
			Kind: authn.EventWarning, Subject: s.Identity.Subject, SubjectKind: s.Identity.Kind, CredentialID: s.ID,
			Addr: authn.ClientOf(r).Addr, Reason: "last use was not written", Err: err,
		})
	}
}

// inContext is the session of this Manager that ctx belongs to: its Ref, ID and
// Data, whose it is, and nothing else of it.
func (m *Manager) inContext(ctx context.Context) (s store.Session, ok bool) {
	id, ok := authn.FromContext(ctx)
	if !ok {
		return s, false
	}
	v, ok := id.Credential.(*verified)
	if !ok || v.manager != m {
		return s, false
	}
	return store.Session{
		Ref: v.ref, ID: v.id, Data: v.data, Identity: authn.Identity{Subject: v.subject, Kind: v.kind, Pending: v.pending},
	}, true
}

// Check asks whether the session in ctx still lives, for handlers that run for
// long, such as a WebSocket's: every half a minute, say. If not, its error
// wraps [authn.ErrNoCredential], also after a further factor or another login,
// which change the token: let the client connect again. Any other is an outage,
// or a ctx without a session. It is no use of the session: that ends as if nobody asked.
func (m *Manager) Check(ctx context.Context) error {
	s, ok := m.inContext(ctx)
	if !ok {
		return fault("Check wants a context behind Require of this Manager")
	}
	if _, e := m.read(ctx, s.Ref, m.cfg.Now()); e != nil {
		return e
	}
	return nil
}
