package storetest_test

import (
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessionCaps = []brokenStore{
	{"one cap for all", "Sessions/session_cap_spares_full_logins", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			o.makeRoom(c, len(o.sessionsOf(c.n.Identity.Subject, c.now)))
			c.most = 0
			return o.edited.create(c)
		}
	})},
	{"half logins have no cap", "Sessions/session_cap_spares_full_logins", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if c.n.Owes() {
				c.most = 0
			}
			return o.edited.create(c)
		}
	})},
	{"rotations have no cap", "Sessions/rotate_session_keeps_the_cap", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			next.Max = 0
			return o.edited.rotate(ref, next, now)
		}
	})},
	{"rotations count half logins", "Sessions/rotate_session_keeps_the_cap", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			live := len(o.sessionsOf(next.Identity.Subject, now))
			if next.Max > 0 {
				o.makeRoom(creation{n: store.Session{Identity: next.Identity}, most: next.Max + 1, now: now}, live)
			}
			next.Max = 0
			return o.edited.rotate(ref, next, now)
		}
	})},
	{"caps, then rotates", "Sessions/refused_rotation_deletes_nothing", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			full := o.full(next.Identity.Subject, now)
			o.dropOldest(full, next.Max)
			return o.edited.rotate(ref, next, now)
		}
	})},
	{"counts, rotates, then caps", "Sessions/session_cap_holds_in_a_race_of_rotations", sessionsWith(func(o *otherSessions) {
		o.rotate = func(ref store.SessionRef, next store.SessionRotation, now time.Time) error {
			most := next.Max
			next.Max = 0
			full := o.full(next.Identity.Subject, now)
			o.wait()
			err := o.edited.rotate(ref, next, now)
			if err == nil {
				o.dropOldest(full, most)
			}
			return err
		}
	})},
}

// full are the subject's sessions that owe nothing, newest first.
func (o *otherSessions) full(subject string, now time.Time) (all []store.Session) {
	for _, n := range o.sessionsOf(subject, now) {
		if !n.Owes() {
			all = append(all, n)
		}
	}
	return all
}

// dropOldest deletes of all so many that there is room for one more below most.
func (o *otherSessions) dropOldest(all []store.Session, most int) {
	for i := 0; most > 0 && i <= len(all)-most; i++ {
		_ = o.edited.drop(all[len(all)-1-i].Ref)
	}
}
