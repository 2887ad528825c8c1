package storetest_test

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// sessionKey names a session, whatever its token.
func sessionKey(n *store.Session) string { return n.Identity.Subject + "/" + n.ID }

// made notes a session that was created, or that has a new token.
func (s *edited) made(n store.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[n.Ref.Token] = n
}

// madeSessions are those that ever were and that ok says yes to.
func (s *edited) madeSessions(ok func(n store.Session) bool) (all []store.Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.tokens {
		if ok(n) {
			all = append(all, n)
		}
	}
	return all
}

// madeWith is the session that ever had the token, zero if none had.
func (s *edited) madeWith(token store.Digest) store.Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tokens[token]
}

// sessionsOf answers those of subject that are live at now, newest first.
func (s *edited) sessionsOf(subject string, now time.Time) []store.Session {
	ss, _, _ := s.ListSessions(context.Background(), subject, store.Page{Limit: 1000}, now)
	return ss
}

func (s *edited) CreateSession(ctx context.Context, n store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	err := s.Store.CreateSession(ctx, n, replaces, most, proofAge, now)
	if err == nil {
		s.made(n)
	}
	return err
}

func (s *edited) RotateSession(ctx context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	err := s.Store.RotateSession(ctx, ref, next, now)
	if err == nil {
		n := s.madeWith(ref.Token)
		n.Ref.Token = next.Token
		s.made(n)
	}
	return err
}

func (s *edited) SessionByRef(ctx context.Context, ref store.SessionRef, now time.Time) (store.Session, error) {
	s.reads.Add(1)
	n, err := s.Store.SessionByRef(ctx, ref, now)
	return s.sessions.view(sessionKey(&n), n), err
}

func (s *edited) ListSessions(ctx context.Context, subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
	s.reads.Add(1)
	ss, next, err := s.Store.ListSessions(ctx, subject, p, now)
	for i := range ss {
		ss[i] = s.sessions.view(sessionKey(&ss[i]), ss[i])
	}
	return ss, next, err
}

// creation is a call of CreateSession.
type creation struct {
	n        store.Session
	replaces store.SessionRef
	most     int
	proofAge time.Duration
	now      time.Time
}

// The calls of sound sessions, for those that are not.

func (s *edited) create(c creation) error {
	return s.CreateSession(context.Background(), c.n, c.replaces, c.most, c.proofAge, c.now)
}

func (s *edited) session(ref store.SessionRef, now time.Time) (store.Session, error) {
	return s.SessionByRef(context.Background(), ref, now)
}

func (s *edited) rotate(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	return s.RotateSession(context.Background(), ref, next, now)
}

func (s *edited) update(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	return s.UpdateSessionData(context.Background(), ref, revision, data, now)
}

func (s *edited) touch(ref store.SessionRef, idleUntil, now time.Time) error {
	return s.TouchSession(context.Background(), ref, idleUntil, now)
}

func (s *edited) drop(ref store.SessionRef) error { return s.DeleteSession(context.Background(), ref) }

func (s *edited) revoke(subject, id string, now time.Time) error {
	return s.RevokeSession(context.Background(), subject, id, now)
}

func (s *edited) revokeAll(subject, except string) error {
	return s.RevokeSessionsOf(context.Background(), subject, except)
}

// otherSessions has some calls of its own; the others are sound.
type otherSessions struct {
	*edited
	meeting
	updates, rotations, ends atomic.Int64 // calls that have answered

	create    func(c creation) error
	read      func(ref store.SessionRef, now time.Time) (store.Session, error)
	rotate    func(ref store.SessionRef, next store.SessionRotation, now time.Time) error
	update    func(ref store.SessionRef, revision int64, data []byte, now time.Time) error
	touch     func(ref store.SessionRef, idleUntil, now time.Time) error
	drop      func(ref store.SessionRef) error
	revoke    func(subject, id string, now time.Time) error
	revokeAll func(subject, except string) error
	list      func(subject string, p store.Page, now time.Time) ([]store.Session, string, error)
}

// sessionsWith is a store with what change sets. It may call the sound ones as
// o.edited's.
func sessionsWith(change func(o *otherSessions)) func(*edited) any {
	return func(s *edited) any {
		o := &otherSessions{
			edited: s, create: s.create, read: s.session, rotate: s.rotate, update: s.update, touch: s.touch,
			drop: s.drop, revoke: s.revoke, revokeAll: s.revokeAll,
			list: func(subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
				return s.ListSessions(context.Background(), subject, p, now)
			},
		}
		change(o)
		return o
	}
}

// after yields until a call that n counts has answered since before.
func after(n *atomic.Int64, before int64) { yieldUntil(func() bool { return n.Load() > before }) }

func (o *otherSessions) CreateSession(_ context.Context, n store.Session, replaces store.SessionRef, most int, proofAge time.Duration, now time.Time) error {
	if replaces != (store.SessionRef{}) {
		defer o.ends.Add(1)
	}
	return o.create(creation{n, replaces, most, proofAge, now})
}

func (o *otherSessions) SessionByRef(_ context.Context, ref store.SessionRef, now time.Time) (store.Session, error) {
	return o.read(ref, now)
}

func (o *otherSessions) RotateSession(_ context.Context, ref store.SessionRef, next store.SessionRotation, now time.Time) error {
	defer o.rotations.Add(1)
	return o.rotate(ref, next, now)
}

func (o *otherSessions) UpdateSessionData(_ context.Context, ref store.SessionRef, revision int64, data []byte, now time.Time) error {
	defer o.updates.Add(1)
	return o.update(ref, revision, data, now)
}

func (o *otherSessions) TouchSession(_ context.Context, ref store.SessionRef, idleUntil, now time.Time) error {
	return o.touch(ref, idleUntil, now)
}

func (o *otherSessions) DeleteSession(_ context.Context, ref store.SessionRef) error {
	defer o.ends.Add(1)
	return o.drop(ref)
}

func (o *otherSessions) RevokeSession(_ context.Context, subject, id string, now time.Time) error {
	defer o.ends.Add(1)
	return o.revoke(subject, id, now)
}

func (o *otherSessions) RevokeSessionsOf(_ context.Context, subject, except string) error {
	defer o.ends.Add(1)
	return o.revokeAll(subject, except)
}

func (o *otherSessions) ListSessions(_ context.Context, subject string, p store.Page, now time.Time) ([]store.Session, string, error) {
	return o.list(subject, p, now)
}
