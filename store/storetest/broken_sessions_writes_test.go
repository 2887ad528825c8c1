package storetest_test

import (
	"errors"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessionWrites = []brokenStore{
	{"the same data is no update", "Sessions/update_moves_the_revision_on", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			if n, err := o.session(ref, now); err == nil && string(n.Data) == string(data) {
				return nil
			}
			return o.edited.update(ref, revision, data, now)
		}
	})},
	{"updates a document", "Sessions/update_keeps_the_bytes", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			return o.edited.update(ref, revision, compact(data), now)
		}
	})},
	{"data of 65 535 bytes", "Sessions/update_keeps_the_bytes", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			return o.edited.update(ref, revision, data[:min(len(data), 1<<16-1)], now)
		}
	})},
	{"later revisions will do", "Sessions/update_of_another_revision", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			if n, err := o.session(ref, now); err == nil {
				revision = min(revision, n.Revision)
			}
			return o.edited.update(ref, revision, data, now)
		}
	})},
	{"revisions of 32 bits", "Sessions/update_of_another_revision", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			return o.edited.update(ref, revision&(1<<32-1), data, now)
		}
	})},
	{"a touch is not seen", "Sessions/touch_moves_a_session_on", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			if n, err := o.session(ref, now); err == nil {
				now = n.SeenAt
			}
			return o.edited.touch(ref, idleUntil, now)
		}
	})},
	{"a touch sets", "Sessions/touch_never_moves_back", touchesAs(func(n *store.Session, idleUntil, now time.Time) { n.SeenAt, n.IdleUntil = now, idleUntil })},
	{"a touch by SeenAt", "Sessions/touch_never_moves_back", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			if n, err := o.session(ref, now); err == nil && !now.After(n.SeenAt) {
				return nil
			}
			return o.edited.touch(ref, idleUntil, now)
		}
	})},
	{"a touch moves beyond the end", "Sessions/touch_ends_with_the_session", touchesAs(func(n *store.Session, idleUntil, _ time.Time) { n.IdleUntil = idleUntil })},
	{"reads a session, then touches it", "Sessions/latest_touch_counts_in_a_race", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			n, err := o.session(ref, now)
			o.wait()
			if err == nil && now.After(n.SeenAt) {
				o.sessions.add(sessionKey(&n), func(n *store.Session) { n.SeenAt, n.IdleUntil = now, idleUntil })
			}
			return nil
		}
	})},
	{"rotation never shortens", "Sessions/rotate_session_changes_what_it_says", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			if n, err := o.session(ref, now); err == nil && n.ExpiresAt.After(next.ExpiresAt) {
				next.ExpiresAt = n.ExpiresAt
			}
			return o.edited.rotate(ref, next, now)
		}
	})},
	{"rotation empties", "Sessions/rotate_session_changes_what_it_says", rotatesAs(func(n *store.Session, _ store.SessionRotation) { n.Data = []byte("{}") })},
	{"rotation counts from 1", "Sessions/rotate_session_changes_what_it_says", rotatesAs(func(n *store.Session, _ store.SessionRotation) { n.Revision = 1 })},
	{"the old token is good for a while", "Sessions/rotate_session_ends_the_old_token", func(s *edited) any {
		var moved sync.Map
		return sessionsWith(func(o *otherSessions) {
			o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
				err := o.edited.rotate(ref, next, now)
				if err == nil {
					moved.Store(ref, store.SessionRef{Tag: ref.Tag, Token: next.Token})
				}
				return err
			}
			o.read = func(ref store.SessionRef, now time.Time) (store.Session, error) {
				if to, ok := moved.Load(ref); ok {
					ref = to.(store.SessionRef)
				}
				return o.session(ref, now)
			}
		})(s)
	}},
	{"a rotated session is a new one", "Sessions/rotate_session_keeps_its_place", rotatesAs(func(n *store.Session, next store.SessionRotation) { n.CreatedAt = next.SeenAt })},
	{"rotates over another", "Sessions/rotate_session_to_a_known_token", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			err := o.edited.rotate(ref, next, now)
			if errors.Is(err, store.ErrExists) {
				_ = o.edited.drop(store.SessionRef{Tag: ref.Tag, Token: next.Token})
				return o.edited.rotate(ref, next, now)
			}
			return err
		}
	})},
}

// touchesAs writes a touch in its own way.
func touchesAs(write func(n *store.Session, idleUntil, now time.Time)) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			if n, err := o.session(ref, now); err == nil {
				o.sessions.add(sessionKey(&n), func(n *store.Session) { write(n, idleUntil, now) })
			}
			return o.edited.touch(ref, idleUntil, now)
		}
	})
}

// rotatesAs inserts a session in place of the old one.
func rotatesAs(write func(n *store.Session, next store.SessionRotation)) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			n, err := o.session(ref, now)
			if err != nil {
				return err
			}
			n.Ref.Token, n.Identity = next.Token, next.Identity
			n.SeenAt, n.IdleUntil, n.ExpiresAt = next.SeenAt, next.IdleUntil, next.ExpiresAt
			write(&n, next)
			return o.edited.create(creation{n: n, replaces: ref, now: now})
		}
	})
}
