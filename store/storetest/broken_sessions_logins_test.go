package storetest_test

import (
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenLogins = []brokenStore{
	{"a login's proof is not looked at", "Sessions/login_needs_a_later_proof", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			c.proofAge = 0
			return o.edited.create(c)
		}
	})},
	{"the first revocation counts for a login", "Sessions/last_revocation_counts_for_a_login", marksOf(func(m *marks, subject string) {
		if m.at[subject].IsZero() {
			m.at[subject] = m.now()
		}
	})},
	{"a proof's age below 0", "Sessions/proof_age_of_a_login_is_not_negative", marksOf((*marks).set)},
	{"a slow clock moves the mark back", "Sessions/slow_clock_lets_no_login_in", marksOf((*marks).set)},
	{"an epoch by the caller's clock", "Sessions/login_after_a_revocation_lives", func(s *edited) any {
		var revoked sync.Map
		return sessionsWith(func(o *otherSessions) {
			o.revokeAll = func(subject, except string) error {
				revoked.Store(subject, o.now())
				return o.edited.revokeAll(subject, except)
			}
			o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) {
				n, err := o.session(ref, now)
				if at, ok := revoked.Load(n.Identity.Subject); err == nil && ok && n.CreatedAt.Before(at.(time.Time)) {
					return store.Session{}, store.ErrNotFound
				}
				return n, err
			}
		})(s)
	}},
	{"forgets revocations after a day", "Sessions/revocation_is_remembered", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if c.proofAge > 24*time.Hour {
				c.proofAge = 0
			}
			return o.edited.create(c)
		}
	})},
	{"a proof for a tag", "Sessions/anonymous_session_needs_no_proof", func(s *edited) any {
		var revoked sync.Map
		return sessionsWith(func(o *otherSessions) {
			o.revokeAll = func(subject, except string) error {
				revoked.Store(store.TagOf(subject), true)
				return o.edited.revokeAll(subject, except)
			}
			o.create = func(c creation) error {
				if _, ok := revoked.Load(c.n.Ref.Tag); ok && c.proofAge > time.Minute {
					return store.ErrConflict
				}
				return o.edited.create(c)
			}
		})(s)
	}},
}

// marks keeps when a subject's sessions were revoked beside the store, with a
// way to set it that may be wrong.
type marks struct {
	*otherSessions
	mu sync.Mutex
	at map[string]time.Time
}

// set is right while the clock is.
func (m *marks) set(subject string) { m.at[subject] = m.now() }

func marksOf(set func(m *marks, subject string)) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		m := &marks{otherSessions: o, at: make(map[string]time.Time)}
		o.revokeAll = func(subject, except string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			set(m, subject)
			for _, n := range o.sessionsOf(subject, time.Time{}) {
				if n.ID != except {
					_ = o.edited.drop(n.Ref)
				}
			}
			return nil
		}
		o.create = func(c creation) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			if at, ok := m.at[c.n.Identity.Subject]; ok && m.now().Sub(at) <= c.proofAge {
				return store.ErrConflict
			}
			return o.edited.create(c)
		}
	})
}
