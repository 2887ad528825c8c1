package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionTouchCases() []sessionCase {
	return []sessionCase{
		{
			name: "touch_moves_a_session_on",
			rule: "TouchSession moves SeenAt to now and IdleUntil to idleUntil, of this session alone, and changes nothing else",
			test: touchMovesASessionOn,
		},
		{
			name: "touch_never_moves_back",
			rule: "TouchSession moves neither SeenAt nor IdleUntil back, each for itself",
			test: touchNeverMovesBack,
		},
		{
			name: "touch_ends_with_the_session",
			rule: "TouchSession moves IdleUntil never beyond ExpiresAt",
			test: touchEndsWithTheSession,
		},
		{
			name: "latest_touch_counts_in_a_race",
			rule: "of concurrent TouchSession the latest counts, whichever is last",
			test: latestTouchCountsInARace,
		},
	}
}

func touchMovesASessionOn(t *testing.T, s store.Sessions) {
	now := today()
	n, other := newSession("ann", "n", now), newSession("ann", "other", now)
	n.Remember, n.Revision = true, 7
	createSessions(t, s, n, other)
	for range 3 {
		n.SeenAt, n.IdleUntil = n.SeenAt.Add(time.Hour+time.Microsecond), n.IdleUntil.Add(time.Minute+time.Microsecond)
		must(t, s.TouchSession(t.Context(), n.Ref, n.IdleUntil, n.SeenAt), "TouchSession")
		wantSession(t, s, n, now, "it was touched")
		wantSession(t, s, n, n.IdleUntil.Add(-time.Microsecond), "it was touched")
		noToken(t, s, n.Ref, n.IdleUntil, "it was touched, and is idle for too long since")
	}
	wantSession(t, s, other, now, "another was touched")
}

func touchNeverMovesBack(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	createSessions(t, s, n)
	for _, c := range []struct{ seen, idle time.Duration }{ // since now, and since IdleUntil
		{0, 0},
		{-time.Microsecond, -time.Microsecond},
		{-time.Hour, -time.Hour},
		{time.Minute, -idle + 2*time.Minute},
		{-time.Minute, time.Minute},
		{0, 2 * time.Minute},
		{2 * time.Minute, 0},
		{0, 0},
	} {
		seen, until := now.Add(c.seen), now.Add(idle).Add(c.idle)
		must(t, s.TouchSession(t.Context(), n.Ref, until, seen), "TouchSession")
		if seen.After(n.SeenAt) {
			n.SeenAt = seen
		}
		if until.After(n.IdleUntil) {
			n.IdleUntil = until
		}
		wantSession(t, s, n, now, "it was touched")
	}
}

func touchEndsWithTheSession(t *testing.T, s store.Sessions) {
	now := today()
	n := newSession("ann", "n", now)
	n.IdleUntil, n.ExpiresAt = now.Add(time.Hour), now.Add(2*time.Hour)
	createSessions(t, s, n)
	for i, until := range []time.Time{n.ExpiresAt.Add(-time.Microsecond), n.ExpiresAt, n.ExpiresAt.Add(time.Microsecond), n.ExpiresAt.Add(400 * day)} {
		n.SeenAt, n.IdleUntil = now.Add(time.Duration(i)*time.Minute), until
		if until.After(n.ExpiresAt) {
			n.IdleUntil = n.ExpiresAt
		}
		must(t, s.TouchSession(t.Context(), n.Ref, until, n.SeenAt), "TouchSession")
		wantSession(t, s, n, now, "it was touched")
	}
	noSession(t, s, n, n.ExpiresAt, "it has expired, however lately it was touched")
}

func latestTouchCountsInARace(t *testing.T, s store.Sessions) {
	now := today()
	for round := range 4 {
		n := newSession("ann", string(rune('a'+round)), now)
		createSessions(t, s, n)
		const touches = 50
		race(t, touches, func(i int) {
			i = (i*37 + round) % touches // in no order
			err := s.TouchSession(t.Context(), n.Ref, n.IdleUntil.Add(time.Duration(i)*time.Second), now.Add(time.Duration(i)*time.Minute))
			wantErr(t, err, nil, "TouchSession")
		})
		n.SeenAt, n.IdleUntil = now.Add((touches-1)*time.Minute), n.IdleUntil.Add((touches-1)*time.Second)
		wantSession(t, s, n, now, "it was touched many times at once")
	}
}
