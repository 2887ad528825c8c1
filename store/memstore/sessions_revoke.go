package memstore

import (
	"context"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// DeleteSession is of store.Sessions, as are the methods below.
func (x *sessions) DeleteSession(_ context.Context, ref store.SessionRef) error {
	s := x.shard(ref.Tag)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row := s.find(ref); row != nil {
		x.remove(row)
		x.n.Add(-1)
	}
	return nil
}

func (x *sessions) RevokeSession(_ context.Context, subject, id string, now time.Time) error {
	s := x.shardOf(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, row := range s.subjects[subject] {
		if row.session.ID == id && row.session.Live(now) {
			x.remove(row)
			x.n.Add(-1)
			return nil
		}
	}
	return store.ErrNotFound
}

// RevokeSessionsOf ends sessions also where it answers ErrFull: then there is
// no room to remember it for logins in flight.
func (x *sessions) RevokeSessionsOf(_ context.Context, subject, except string) error {
	if subject == "" {
		return nil // nobody's sessions are not one subject's
	}
	s := x.shardOf(subject)
	s.mu.Lock()
	defer s.mu.Unlock()
	var stay []*sessionRow
	for _, row := range s.subjects[subject] {
		if except != "" && row.session.ID == except {
			stay = append(stay, row)
			continue
		}
		s.byEnd.remove(row)
		delete(s.byToken, row.session.Ref.Token)
		x.n.Add(-1)
	}
	if len(stay) > 0 {
		s.subjects[subject] = stay
	} else {
		delete(s.subjects, subject)
	}
	at, ok := s.revokedAt[subject]
	if !ok {
		if err := take(&x.nRevoked, x.max); err != nil {
			return err
		}
	}
	if now := x.now(); now.After(at) { // it may have been set back
		s.revokedAt[subject] = now
	}
	return nil
}
