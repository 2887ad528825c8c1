package storetest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenSessions = []brokenStore{
	{"session times of seconds", "Sessions/session_keeps_every_field", createdSession(func(_ *otherSessions, n *store.Session) { n.IdleUntil = n.IdleUntil.Truncate(time.Second) })},
	{"revisions of JavaScript", "Sessions/session_keeps_every_field", createdSession(func(_ *otherSessions, n *store.Session) { n.Revision = int64(float64(n.Revision)) })},
	{"data as a document", "Sessions/session_keeps_every_field", createdSession(func(_ *otherSessions, n *store.Session) { n.Data = compact(n.Data) })},
	{"a session forgets what is owed", "Sessions/session_keeps_every_field", createdSession(func(_ *otherSessions, n *store.Session) { n.Identity.Pending = nil })},
	{"addresses of IPv4", "Sessions/session_keeps_every_field", createdSession(func(_ *otherSessions, n *store.Session) {
		if n.Addr.IsValid() && !n.Addr.Is4() {
			n.Addr = n.Addr.Unmap().Prev()
		}
	})},
	{"a session keeps all of an identity", "Sessions/session_keeps_no_verified_at", createdSession(func(o *otherSessions, n *store.Session) {
		at := n.Identity.VerifiedAt
		o.sessions.add(sessionKey(n), func(row *store.Session) { row.Identity.VerifiedAt = at })
	})},
	{"a session keeps the caller's data", "Sessions/session_keeps_copies", createdSession(func(o *otherSessions, n *store.Session) {
		data := n.Data
		o.sessions.add(sessionKey(n), func(row *store.Session) { row.Data = data })
	})},
	{"an update keeps the caller's data", "Sessions/session_keeps_copies", sessionsWith(func(o *otherSessions) {
		o.update = func(ref store.SessionRef, revision int64, data []byte, now time.Time) error {
			n := o.madeWith(ref.Token)
			o.sessions.add(sessionKey(&n), func(row *store.Session) { row.Data = data })
			return o.edited.update(ref, revision, data, now)
		}
	})},
	{"a second session of a token is no error", "Sessions/create_session_refuses_a_known_token", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if err := o.edited.create(c); !errors.Is(err, store.ErrExists) {
				return err
			}
			return nil
		}
	})},
	{"caps, then inserts", "Sessions/create_session_refuses_a_known_token", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			o.makeRoom(c, len(o.sessionsOf(c.n.Identity.Subject, c.now)))
			c.most = 0
			return o.edited.create(c)
		}
	})},
	{"looks for the token, then inserts", "Sessions/session_tokens_are_unique_in_a_race", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if o.madeWith(c.n.Ref.Token).ID != "" {
				return store.ErrExists
			}
			o.wait()
			_ = o.edited.create(c)
			return nil
		}
	})},
	{"nobody is a subject", "Sessions/anonymous_session", sessionsWith(func(o *otherSessions) {
		o.revokeAll = func(subject, except string) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return n.Identity.Subject == "" && subject == "" }) {
				_ = o.edited.drop(n.Ref)
			}
			return o.edited.revokeAll(subject, except)
		}
	})},
	{"replaces within a tag", "Sessions/replaced_session_ends", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if c.replaces.Tag != c.n.Ref.Tag {
				c.replaces = store.SessionRef{}
			}
			return o.edited.create(c)
		}
	})},
	{"replaces one's own", "Sessions/replaced_session_ends", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if o.madeWith(c.replaces.Token).Identity.Subject != c.n.Identity.Subject {
				c.replaces = store.SessionRef{}
			}
			return o.edited.create(c)
		}
	})},
	{"must replace", "Sessions/replacing_nothing_is_fine", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			if c.replaces != (store.SessionRef{}) && o.madeWith(c.replaces.Token).ID == "" {
				return store.ErrNotFound
			}
			return o.edited.create(c)
		}
	})},
	{"replaces by token alone", "Sessions/replacing_nothing_is_fine", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			c.replaces = o.madeWith(c.replaces.Token).Ref
			return o.edited.create(c)
		}
	})},
	{"replaces, then looks at the proof", "Sessions/refused_login_replaces_nothing", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			_ = o.edited.drop(c.replaces)
			return o.edited.create(c)
		}
	})},
	{"no cap", "Sessions/oldest_sessions_go", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			c.most = 0
			return o.edited.create(c)
		}
	})},
	{"who was seen least goes", "Sessions/oldest_sessions_go", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			live := o.sessionsOf(c.n.Identity.Subject, c.now)
			slices.SortFunc(live, func(a, b store.Session) int { return a.SeenAt.Compare(b.SeenAt) })
			for i := 0; c.most > 0 && i <= len(live)-c.most; i++ {
				_ = o.edited.drop(live[i].Ref)
			}
			return o.edited.create(c)
		}
	})},
	{"the cap counts dead ones", "Sessions/session_cap_counts_live_ones", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			c.now = time.Time{}
			return o.edited.create(c)
		}
	})},
	{"a cap for a tag", "Sessions/session_cap_is_of_one_subject", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return c.most > 0 && n.Ref.Tag == c.n.Ref.Tag }) {
				_ = o.edited.drop(n.Ref)
			}
			return o.edited.create(c)
		}
	})},
	{"a cap for nobody", "Sessions/anonymous_sessions_have_no_cap", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			for _, n := range o.madeSessions(func(n store.Session) bool { return c.most > 0 && n.Identity.Subject+c.n.Identity.Subject == "" }) {
				_ = o.edited.drop(n.Ref)
			}
			return o.edited.create(c)
		}
	})},
	{"caps, then replaces", "Sessions/replaced_session_leaves_its_place", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			old := c.replaces
			c.replaces = store.SessionRef{}
			err := o.edited.create(c)
			_ = o.edited.drop(old)
			return err
		}
	})},
	{"counts, then caps", "Sessions/session_cap_holds_in_a_race", sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			live := len(o.sessionsOf(c.n.Identity.Subject, c.now))
			o.wait()
			if c.most > 0 && live >= c.most {
				o.makeRoom(c, c.most)
			}
			c.most = 0
			return o.edited.create(c)
		}
	})},
}

// createdSession changes what is inserted.
func createdSession(change func(o *otherSessions, n *store.Session)) func(*edited) any {
	return sessionsWith(func(o *otherSessions) {
		o.create = func(c creation) error {
			change(o, &c.n)
			return o.edited.create(c)
		}
	})
}

// makeRoom deletes the oldest of n sessions, so that c's is not one too many.
func (o *otherSessions) makeRoom(c creation, n int) {
	live := o.sessionsOf(c.n.Identity.Subject, c.now)
	slices.Reverse(live)
	for i := 0; c.most > 0 && i <= n-c.most && i < len(live); i++ {
		_ = o.edited.drop(live[i].Ref)
	}
}

// compact is what a database that reads JSON writes.
func compact(data []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, data) != nil {
		return data
	}
	return b.Bytes()
}

// sameFold is a collation.
func sameFold(a, b string) bool { return strings.EqualFold(a, b) }
