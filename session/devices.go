package session

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

// Info is what a page of devices shows of a session.
type Info struct {
	// ID is what Revoke takes.
	ID string
	// UserAgent and Addr are of the login; Addr may be the zero Addr.
	UserAgent string
	Addr      netip.Addr
	// Pending are the factors that half a login owes.
	Pending []string
	// SeenAt is up to a tenth of the idle time old.
	CreatedAt, SeenAt, ExpiresAt time.Time
	// Current is the one in ctx.
	Current bool
}

// List is the live sessions of subject, newest first, a page at a time.
// [store.ErrNotFound] for a cursor that names nothing.
func (m *Manager) List(ctx context.Context, subject string, p store.Page) (infos []Info, next string, err error) {
	if !isName(subject) {
		return nil, "", nil
	}
	ss, next, err := m.st.ListSessions(ctx, subject, p, micros(m.cfg.Now()))
	if err != nil {
		return nil, "", m.storeError(ctx, subject, err)
	}
	current, ok := m.inContext(ctx)
	infos = make([]Info, len(ss))
	for i, s := range ss {
		infos[i] = Info{
			ID: s.ID, UserAgent: s.UserAgent, Addr: s.Addr, Pending: slices.Clone(s.Identity.Pending), CreatedAt: s.CreatedAt, SeenAt: s.SeenAt,
			ExpiresAt: earlier(s.IdleUntil, s.ExpiresAt), Current: ok && current.ID == s.ID,
		}
	}
	return infos, next, nil
}

// Revoke ends one session of subject by its ID. [store.ErrNotFound] when
// there is none.
func (m *Manager) Revoke(ctx context.Context, subject, id string) error {
	if !isName(subject) || !isName(id) {
		return store.ErrNotFound
	}
	if err := m.st.RevokeSession(ctx, subject, id, micros(m.cfg.Now())); err != nil {
		return m.storeError(ctx, subject, err)
	}
	m.log.Send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, CredentialID: id, Reason: "session"})
	return nil
}

// RevokeOthers ends all sessions of who is in ctx but that one. After a Login of
// the same request that one is the old session: put the Identity that Login
// answered into ctx by [authn.NewContext], or the new session ends with the
// others. Half a login ends none: 401, which asks for what it owes.
func (m *Manager) RevokeOthers(ctx context.Context) error {
	s, ok := m.inContext(ctx)
	if !ok {
		return fault("RevokeOthers wants a context behind Require of this Manager")
	}
	if s.Owes() {
		return authn.StepUp(s.Identity.Pending[0], 0)
	}
	return m.revokeAll(ctx, s.Identity.Subject, s.ID, "other sessions")
}

// RevokeSubject ends all sessions of subject, and logins in flight: what was
// proven before the call gives no session after it. It is of [authn.Revoker].
func (m *Manager) RevokeSubject(ctx context.Context, subject string) error {
	return m.revokeAll(ctx, subject, "", "subject")
}

func (m *Manager) revokeAll(ctx context.Context, subject, except, reason string) error {
	if !isName(subject) {
		return store.ErrNotFound
	}
	if err := m.st.RevokeSessionsOf(ctx, subject, except); err != nil {
		return m.storeError(ctx, subject, err)
	}
	m.log.Send(ctx, authn.Event{Kind: authn.EventRevoked, Subject: subject, Reason: reason})
	return nil
}

// storeError is an outage, and its event, but for what the caller named wrongly.
func (m *Manager) storeError(ctx context.Context, subject string, err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return err
	}
	e := outage(err)
	m.log.Send(ctx, authn.Event{Kind: authn.EventOutage, Subject: subject, Reason: e.Reason, Err: e.Err})
	return e
}
