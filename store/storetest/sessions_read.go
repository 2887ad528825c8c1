package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionReadCases() []sessionCase {
	return []sessionCase{
		{
			name: "missing_session_is_not_found",
			rule: "what names one record answers ErrNotFound when there is none; deleting and touching what is not there is fine",
			test: missingSessionIsNotFound,
		},
		{
			name: "session_of_another_tag_is_not_found",
			rule: "a session is found by its Tag and its Token: with another Tag it answers ErrNotFound, and nothing changes",
			test: sessionOfAnotherTagIsNotFound,
		},
		{
			name: "session_ends_at_its_end",
			rule: "a session is found while now, the caller's, is before IdleUntil and before ExpiresAt; at the end it is ErrNotFound",
			test: sessionEndsAtItsEnd,
		},
		{
			name: "expired_sessions_take_no_writes",
			rule: "a session that is dead at now answers ErrNotFound to UpdateSessionData, RotateSession and RevokeSession, and TouchSession is fine; none of them changes it or brings it back",
			test: expiredSessionsTakeNoWrites,
		},
		{
			name:   "cleaning_spares_sessions",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesSessions,
		},
	}
}

func missingSessionIsNotFound(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "missing", now)
	another := newSession("ann", "another", now)
	for _, there := range []bool{false, true} {
		if there {
			createSessions(t, s, another)
		}
		what := fmt.Sprintf("it was never there (sessions of its subject: %v)", there)
		for _, n.Ref = range []store.SessionRef{n.Ref, {Tag: n.Ref.Tag}, {}} {
			refuseWrites(t, s, n, now, what)
			wantErr(t, s.DeleteSession(t.Context(), n.Ref), nil, "DeleteSession: %s", what)
			noSession(t, s, n, now, what)
		}
		wantErr(t, s.RevokeSession(t.Context(), "ann", n.ID, now), store.ErrNotFound, "RevokeSession: %s", what)
		wantErr(t, s.RevokeSession(t.Context(), "ann", "", now), store.ErrNotFound, "RevokeSession of no ID: %s", what)
	}
	wantSession(t, s, another, now, "calls were about a session that is not there")
	wantErr(t, s.RevokeSessionsOf(t.Context(), "nobody", ""), nil, "RevokeSessionsOf a subject without sessions")
}

func sessionOfAnotherTagIsNotFound(t *testing.T, s store.Sessions) {
	now := today()
	n, nobodys := newSession("ann", "n", now), newAnonymous("nobodys", now)
	createSessions(t, s, n, nobodys, newSession("bob", "bobs", now))
	for _, n := range []store.Session{n, nobodys} {
		tag := n.Ref.Tag
		for _, other := range []string{
			store.TagOf("bob"), store.TagOf("nobody"), "", strings.ToLower(tag), strings.ToUpper(tag), tag + " ", tag[:7], tag + "A",
		} {
			wrong := n
			wrong.Ref.Tag = other
			refuseWrites(t, s, wrong, now, "with another tag")
			wantErr(t, s.DeleteSession(t.Context(), wrong.Ref), nil, "DeleteSession with another tag")
			wantSession(t, s, n, now, "calls had another tag")
		}
	}
}

// ending are sessions that end at end, by one end or both.
func ending(now, end time.Time) []store.Session {
	idled, expired, both := newSession("ann", "idled", now), newSession("ann", "expired", now), newSession("ann", "both", now)
	idled.IdleUntil, idled.ExpiresAt = end, end.Add(time.Hour)
	expired.IdleUntil, expired.ExpiresAt = end, end
	both.IdleUntil, both.ExpiresAt = end, end.Add(time.Microsecond)
	nobodys := newAnonymous("nobodys", now)
	nobodys.IdleUntil, nobodys.ExpiresAt = end, end
	return []store.Session{idled, expired, both, nobodys}
}

func sessionEndsAtItsEnd(t *testing.T, s store.Sessions) {
	now := today()
	end := now.Add(time.Hour)
	all := ending(now, end)
	lives := newSession("ann", "lives", now)
	createSessions(t, s, append(all, lives)...)
	for _, at := range []time.Time{now.Add(-time.Hour), now, end.Add(-time.Microsecond)} {
		for _, n := range all {
			wantSession(t, s, n, at, "its end is to come")
		}
		wantList(t, s, "ann", at, []string{"lives", "idled", "expired", "both"}, "their end is to come")
	}
	for _, at := range []time.Time{end, end.Add(time.Microsecond), end.Add(time.Minute), end.Add(10 * day)} {
		for _, n := range all {
			noSession(t, s, n, at, "its end is over")
		}
		wantSession(t, s, lives, at, "its end is to come")
	}
	// A session may be made that is over by then.
	late := newSession("ann", "late", now)
	late.IdleUntil = end
	_ = s.CreateSession(t.Context(), late, nothing, 0, 0, end) // any answer will do
	noSession(t, s, late, end, "it was over when it was created")
}

func expiredSessionsTakeNoWrites(t *testing.T, s store.Sessions) {
	now := today()
	end := now.Add(time.Hour)
	all := ending(now, end)
	createSessions(t, s, all...)
	for _, at := range []time.Time{end, end.Add(time.Minute), end.Add(10 * day)} {
		for _, n := range all {
			refuseWrites(t, s, n, at, "its end is over", end, end.Add(time.Minute))
			wantErr(t, s.RevokeSession(t.Context(), "ann", n.ID, at), store.ErrNotFound, "RevokeSession of %q, which is over", n.ID)
			wantSession(t, s, n, now, "by a slow clock: writes came after its end")
		}
	}
	last := end.Add(-time.Microsecond)
	for _, n := range all {
		n = update(t, s, n, `"last"`, last)
		must(t, s.TouchSession(t.Context(), n.Ref, end.Add(time.Minute), last), "TouchSession")
		n.SeenAt = last
		if n.IdleUntil = end.Add(time.Minute); n.IdleUntil.After(n.ExpiresAt) {
			n.IdleUntil = n.ExpiresAt
		}
		wantSession(t, s, n, last, "it was written to before its end")
		n = rotateSession(t, s, n, "last "+n.ID, last)
		wantSession(t, s, n, last, "it was rotated before its end")
	}
}

// cleaningSparesSessions: the store's clock is fast, not wrong by a day.
func cleaningSparesSessions(t *testing.T, s store.Sessions, c *clock) {
	now := today()
	var all []store.Session
	for _, end := range []time.Duration{time.Second, time.Minute, 12 * time.Hour, 30 * time.Hour} {
		for _, n := range ending(now, now.Add(end)) {
			n.ID = fmt.Sprint(n.ID, " at ", end)
			n.Ref.Token = digest(n.ID)
			all = append(all, n)
		}
	}
	touched, turned := newSession("bob", "touched", now), newSession("bob", "turned", now)
	touched.IdleUntil, turned.IdleUntil = now.Add(time.Minute), now.Add(time.Minute)
	createSessions(t, s, append(all, touched, turned)...)
	must(t, s.TouchSession(t.Context(), touched.Ref, now.Add(idle), now), "TouchSession")
	touched.IdleUntil = now.Add(idle)
	turned.IdleUntil = now.Add(idle)
	turned = rotateSession(t, s, turned, "turned", now)

	for _, ahead := range []time.Duration{23 * time.Hour, 20 * day} {
		c.set(ahead)
		clean(t, s)
		for i := range 50 { // some stores delete when they insert
			createSessions(t, s, newSession("eve", fmt.Sprint("other ", ahead, i), now.Add(ahead)))
		}
		wantSession(t, s, touched, now, "its end was moved on")
		wantSession(t, s, turned, now, "its end was moved on")
		if ahead < day {
			for _, n := range all {
				wantSession(t, s, n, now, "by a slow clock, a day after its end")
			}
		}
	}
}
