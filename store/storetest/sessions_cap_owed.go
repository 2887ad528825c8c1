package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionCapOwedCases() []sessionCase {
	return []sessionCase{
		{
			name: "session_cap_spares_full_logins",
			rule: "sessions that owe a factor are counted apart from those that owe none, and beyond max only those go that are like the new one",
			test: sessionCapSparesFullLogins,
		},
		{
			name: "rotate_session_keeps_the_cap",
			rule: "beyond next.Max live sessions of the subject that owe a factor, or none, as the rotated one then does, the oldest others are deleted; 0 is no cap",
			test: rotateSessionKeepsTheCap,
		},
		{
			name: "refused_rotation_deletes_nothing",
			rule: "a RotateSession that answers an error deletes no session, whatever next.Max is",
			test: refusedRotationDeletesNothing,
		},
		{
			name: "session_cap_holds_in_a_race_of_rotations",
			rule: "concurrent RotateSession leave no more than next.Max live ones of the subject",
			test: sessionCapHoldsInARaceOfRotations,
		},
	}
}

// newHalf is half a login: it owes a code.
func newHalf(subject, id string, now time.Time) store.Session {
	n := newSession(subject, id, now)
	n.Identity.Pending = []string{"otp"}
	return n
}

// paid is a rotation of a half login that owes nothing then, below a cap.
func paid(n store.Session, most int) store.SessionRotation {
	next := rotationOf(n, n.Identity.Subject+"/"+n.ID+" paid")
	next.Identity.Pending, next.Max = nil, most
	return next
}

func sessionCapSparesFullLogins(t *testing.T, s store.Sessions) {
	now := today()
	at := func(i int) time.Time { return now.Add(time.Duration(i-100) * time.Second) }
	old := []store.Session{newSession("ann", "full 1", at(1)), newHalf("ann", "half 1", at(2)), newSession("ann", "full 2", at(3)), newHalf("ann", "half 2", at(4))}
	createSessions(t, s, old...)
	ids := []string{"half 2", "full 2", "half 1", "full 1"}
	capped := func(n store.Session, most int, want ...string) {
		t.Helper()
		must(t, s.CreateSession(t.Context(), n, nothing, most, 0, now), "CreateSession of %q with max %d", n.ID, most)
		wantSession(t, s, n, now, "it is new")
		ids = append([]string{n.ID}, want...)
		wantList(t, s, "ann", now, ids, fmt.Sprintf("%q came, with max %d", n.ID, most))
	}
	capped(newHalf("ann", "half 3", at(5)), 3, ids...)
	capped(newHalf("ann", "half 4", at(6)), 3, "half 3", "half 2", "full 2", "full 1")
	capped(newHalf("ann", "half 5", at(7)), 1, "full 2", "full 1")
	capped(newSession("ann", "full 3", at(8)), 3, ids...)
	capped(newSession("ann", "full 4", at(9)), 3, "full 3", "half 5", "full 2")
	capped(newSession("ann", "full 5", at(10)), 1, "half 5")
	older := newHalf("ann", "older half", at(0))
	must(t, s.CreateSession(t.Context(), older, nothing, 1, 0, now), "CreateSession of an older half login, with max 1")
	wantList(t, s, "ann", now, []string{"full 5", "older half"}, "the new one is never what goes")
	noSession(t, s, old[0], now, "it was the oldest full one")
	noSession(t, s, old[1], now, "it was the oldest half login")
	refuseWrites(t, s, old[3], now, "it was the oldest half login")
}

func rotateSessionKeepsTheCap(t *testing.T, s store.Sessions) {
	now := today()
	at := func(i int) time.Time { return now.Add(time.Duration(i-100) * time.Second) }
	halves := make([]store.Session, 4)
	for i := range halves { // older than the full ones
		halves[i] = newHalf("ann", fmt.Sprint("half ", i), at(i))
	}
	dead := newSession("ann", "dead", at(8))
	dead.IdleUntil = now
	bobs := []store.Session{newSession("bob", "full", at(0)), newHalf("bob", "half", at(0))}
	createSessions(t, s, halves...)
	createSessions(t, s, newSession("ann", "full 1", at(5)), newSession("ann", "full 2", at(6)), newSession("ann", "full 3", at(7)), dead)
	createSessions(t, s, bobs...)
	rotate := func(n store.Session, next store.SessionRotation, want ...string) {
		t.Helper()
		must(t, s.RotateSession(t.Context(), n.Ref, next, now), "RotateSession of %q with Max %d", n.ID, next.Max)
		wantSession(t, s, rotated(n, next), now, "it was rotated")
		wantList(t, s, "ann", now, want, fmt.Sprintf("%q was rotated, with Max %d", n.ID, next.Max))
		for _, n := range bobs {
			wantSession(t, s, n, now, "it is another subject's")
		}
	}
	rotate(halves[0], paid(halves[0], 4), "full 3", "full 2", "full 1", "half 3", "half 2", "half 1", "half 0")
	rotate(halves[1], paid(halves[1], 4), "full 3", "full 2", "full 1", "half 3", "half 2", "half 1")
	rotate(halves[2], paid(halves[2], 0), "full 3", "full 2", "full 1", "half 3", "half 2", "half 1")

	// One that owes a factor yet is counted with those that do.
	last := newHalf("ann", "half 4", at(9))
	createSessions(t, s, last)
	more := rotationOf(last, "owes yet")
	more.Max = 1
	rotate(last, more, "half 4", "full 3", "full 2", "full 1", "half 2", "half 1")
	noSession(t, s, halves[3], now, "it was the oldest other half login beyond 1")
	rotate(rotated(last, more), paid(last, 1), "half 4")
	rotate(rotated(last, paid(last, 1)), func() store.SessionRotation {
		next := rotationOf(last, "full and rotated")
		next.Identity.Pending, next.Max = nil, 1
		return next
	}(), "half 4")
}

func refusedRotationDeletesNothing(t *testing.T, s store.Sessions) {
	now := today()
	full, half := newSession("ann", "full", now), newHalf("ann", "half", now.Add(time.Second))
	createSessions(t, s, full, half)
	known := paid(half, 1)
	known.Token = full.Ref.Token
	wantErr(t, s.RotateSession(t.Context(), half.Ref, known, now), store.ErrExists, "RotateSession to the token of another")
	gone := half.Ref
	gone.Token = digest("nobody's")
	wantErr(t, s.RotateSession(t.Context(), gone, paid(half, 1), now), store.ErrNotFound, "RotateSession of no session")
	for _, n := range []store.Session{full, half} {
		wantSession(t, s, n, now, "a rotation was refused")
	}
	wantList(t, s, "ann", now, []string{"half", "full"}, "a rotation was refused")
}

func sessionCapHoldsInARaceOfRotations(t *testing.T, s store.Sessions) {
	now := today()
	const n, most = 20, 5
	all := make([]store.Session, n)
	for i := range all {
		all[i] = newHalf("ann", fmt.Sprintf("session %02d", i), now.Add(time.Duration(i%7)*time.Second))
	}
	createSessions(t, s, all...)
	race(t, n, func(i int) {
		wantErr(t, s.RotateSession(t.Context(), all[i].Ref, paid(all[i], most), now), nil, "RotateSession with Max %d, goroutine %d of %d", most, i, n)
	})
	if live := listSessions(t, s, "ann", now); len(live) != most {
		t.Errorf("%d sessions are live, want %d: %q", len(live), most, sessionIDs(live))
	}
}
