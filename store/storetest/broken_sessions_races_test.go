package storetest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessionRaces = []brokenStore{
	{"reads the revision, then updates", "Sessions/update_has_one_winner", updatesAnyway},
	{"the last update wins", "Sessions/updates_add_up", updatesAnyway},
	{"a touch writes the whole session", "Sessions/update_against_touch", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			before := o.updates.Load()
			n, err := o.session(ref, now)
			after(&o.updates, before)
			if err == nil {
				o.sessions.add(sessionKey(&n), func(row *store.Session) { row.Data, row.Revision = n.Data, n.Revision })
			}
			return o.edited.touch(ref, idleUntil, now)
		}
	})},
	{"looks for the token, then rotates", "Sessions/rotate_session_has_one_winner", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			n, err := o.session(ref, now)
			if err != nil {
				return err
			}
			o.wait()
			n.Ref.Token = next.Token
			return o.edited.create(creation{n: n, replaces: ref, now: now})
		}
	})},
	{"rotates sessions in two writes", "Sessions/rotate_session_is_seen_whole", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			n, err := o.session(ref, now)
			if err != nil {
				return err
			}
			n.Ref.Token, n.Identity = next.Token, next.Identity
			n.SeenAt, n.IdleUntil, n.ExpiresAt = next.SeenAt, next.IdleUntil, next.ExpiresAt
			err = o.edited.create(creation{n: n, now: now})
			o.waitForReaders()
			return errors.Join(err, o.edited.drop(ref))
		}
	})},
	{"rotation writes the whole session", "Sessions/update_against_rotate", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			before := o.updates.Load()
			n, err := o.session(ref, now)
			after(&o.updates, before)
			if err == nil {
				o.sessions.add(sessionKey(&n), func(row *store.Session) { row.Data, row.Revision = n.Data, n.Revision })
			}
			return o.edited.rotate(ref, next, now)
		}
	})},
	{"touches by id", "Sessions/touch_against_rotate", sessionsWith(func(o *otherSessions) {
		o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
			before := o.rotations.Load()
			n, err := o.session(ref, now)
			if err != nil {
				return nil
			}
			after(&o.rotations, before)
			for _, n := range o.sessionsOf(n.Identity.Subject, now) {
				_ = o.edited.touch(n.Ref, idleUntil, now)
			}
			return nil
		}
	})},
	{"an update brings back what was deleted", "Sessions/deleted_session_stays_dead_in_a_race", upserts},
	{"an update brings back what was replaced", "Sessions/replaced_session_stays_dead_in_a_race", upserts},
	{"an update brings back what was revoked", "Sessions/revoked_session_stays_dead_in_a_race", upserts},
	{"an update brings back what was revoked with all", "Sessions/revoke_all_stays_in_a_race", upserts},
	{"a touch brings back what was deleted", "Sessions/deleted_session_stays_dead_in_a_race", touchUpserts},
	{"revoke-all misses a rotation of a session", "Sessions/revoke_all_stays_in_a_race", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, _ string) error {
			before := o.rotations.Load()
			there := o.sessionsOf(subject, time.Time{})
			after(&o.rotations, before)
			for _, n := range there {
				_ = o.edited.drop(n.Ref)
			}
			return nil
		}
	})},
	{"revoking misses a rotation of a session", "Sessions/revoked_session_stays_dead_in_a_race", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			before := o.rotations.Load()
			for _, n := range o.sessionsOf(subject, now) {
				if n.ID == id {
					after(&o.rotations, before)
					return o.edited.drop(n.Ref)
				}
			}
			return store.ErrNotFound
		}
	})},
	{"looks for a session, then revokes it", "Sessions/sessions_end_once_in_a_race", sessionsWith(func(o *otherSessions) {
		o.revoke = func(subject, id string, now time.Time) error {
			for _, n := range o.sessionsOf(subject, now) {
				if n.ID == id {
					o.wait()
					return o.edited.drop(n.Ref)
				}
			}
			return store.ErrNotFound
		}
	})},
	{"revokes sessions later", "Sessions/revoked_session_is_seen_dead", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			go func() {
				o.waitForReaders()
				_ = o.edited.revokeAll(subject, except)
			}()
			return nil
		}
	})},
	{"looks at the proof, then creates", "Sessions/create_session_against_revoke_all", func(s *edited) any {
		var revocations atomic.Int64
		return sessionsWith(func(o *otherSessions) {
			o.revokeAll = func(subject, except string) error {
				defer revocations.Add(1)
				return o.edited.revokeAll(subject, except)
			}
			o.create = func(c creation) error {
				before := revocations.Load()
				trial := c
				trial.n.Ref.Token[0]++
				trial.replaces, trial.most = store.SessionRef{}, 0
				if err := o.Store.CreateSession(context.Background(), trial.n, trial.replaces, 0, trial.proofAge, trial.now); err != nil {
					return err
				}
				_ = o.edited.drop(trial.n.Ref)
				if c.n.Identity.Subject != "" {
					after(&revocations, before)
				}
				c.proofAge = 0
				return o.edited.create(c)
			}
		})(s)
	}},
}

// updatesAnyway looks at the revision, and then writes.
var updatesAnyway = sessionsWith(func(o *otherSessions) {
	o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
		n, err := o.session(ref, now)
		if err == nil && n.Revision != revision {
			err = store.ErrConflict
		}
		if err != nil {
			return err
		}
		o.wait()
		for {
			if n, err = o.session(ref, now); err != nil {
				return err
			}
			if err = o.edited.update(ref, n.Revision, data, now); !errors.Is(err, store.ErrConflict) {
				return err
			}
		}
	}
})

// upserts reads, and then writes all of the session.
var upserts = sessionsWith(func(o *otherSessions) {
	o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
		before := o.ends.Load()
		n, err := o.session(ref, now)
		if err != nil {
			return err
		}
		after(&o.ends, before)
		if err := o.edited.update(ref, revision, data, now); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		n.Data, n.Revision = data, revision+1
		return o.edited.create(creation{n: n, now: now})
	}
})

var touchUpserts = sessionsWith(func(o *otherSessions) {
	o.touch = func(ref store.SessionRef, idleUntil, now time.Time) error {
		before := o.ends.Load()
		n, err := o.session(ref, now)
		if err != nil {
			return nil
		}
		after(&o.ends, before)
		if _, err := o.session(ref, now); err != nil {
			return o.edited.create(creation{n: n, now: now})
		}
		return o.edited.touch(ref, idleUntil, now)
	}
})
