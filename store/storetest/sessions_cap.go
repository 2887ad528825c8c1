package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func sessionCapCases() []sessionCase {
	return []sessionCase{
		{
			name: "oldest_sessions_go",
			rule: "beyond max live sessions of the subject the oldest, by CreatedAt, then ID, are deleted; 0 is no cap",
			test: oldestSessionsGo,
		},
		{
			name: "session_cap_counts_live_ones",
			rule: "max counts live sessions, those of which neither end is reached at now",
			test: sessionCapCountsLiveOnes,
		},
		{
			name: "session_cap_is_of_one_subject",
			rule: "max is of the subject: sessions of others do not count and do not go, with one tag or another",
			test: sessionCapIsOfOneSubject,
		},
		{
			name: "anonymous_sessions_have_no_cap",
			rule: "max is not looked at where s is anonymous, and an anonymous one does not count",
			test: anonymousSessionsHaveNoCap,
		},
		{
			name: "replaced_session_leaves_its_place",
			rule: "a session that is replaced does not count: no other goes for it",
			test: replacedSessionLeavesItsPlace,
		},
		{
			name: "session_cap_holds_in_a_race",
			rule: "concurrent CreateSession leave no more than max live ones of the subject, when one more has come after them",
			test: sessionCapHoldsInARace,
		},
	}
}

func oldestSessionsGo(t *testing.T, s store.Sessions) {
	now := today()
	var all []store.Session
	for _, c := range []struct {
		id  string
		age time.Duration
	}{
		{"z oldest", 5 * time.Hour},
		{"B", 3 * time.Hour},
		{"a", 3 * time.Hour},
		{"_", 3 * time.Hour},
		{"c10", 3 * time.Hour},
		{"c9", 3 * time.Hour},
		{"a bit later", 3*time.Hour - time.Microsecond},
		{"newest", time.Hour},
	} {
		n := newSession("ann", c.id, now.Add(-c.age))
		n.SeenAt = now.Add(-time.Hour + c.age) // who was seen last does not matter
		all = append(all, n)
	}
	createSessions(t, s, all...)
	byID := make(map[string]store.Session)
	for _, n := range all {
		byID[n.ID] = n
	}
	capped := func(id string, most int, gone ...string) {
		n := newSession("ann", id, now)
		n.CreatedAt = now.Add(time.Duration(len(byID)) * time.Second)
		byID[id] = n
		must(t, s.CreateSession(t.Context(), n, nothing, most, 0, now), "CreateSession with max %d", most)
		for _, id := range gone {
			noSession(t, s, byID[id], now, fmt.Sprintf("it was the oldest beyond %d", most))
			refuseWrites(t, s, byID[id], now, fmt.Sprintf("it was the oldest beyond %d", most))
			byID[id] = store.Session{}
		}
		for _, n := range byID {
			if n.ID != "" {
				wantSession(t, s, n, now, fmt.Sprintf("max is %d, and older ones are gone", most))
			}
		}
	}
	capped("new 1", 0)
	capped("new 2", 100)
	capped("new 3", 11)
	capped("new 4", 11, "z oldest")
	capped("new 5", 10, "B", "_")
	capped("new 6", 9, "a", "c10")
	capped("new 7", 9, "c9")
	capped("new 8", 0)
	capped("new 9", 3, "a bit later", "newest", "new 1", "new 2", "new 3", "new 4", "new 5", "new 6")
	wantList(t, s, "ann", now, []string{"new 9", "new 8", "new 7"}, "the newest 3 stay")
	capped("last", 1, "new 7", "new 8", "new 9")
}

func sessionCapCountsLiveOnes(t *testing.T, s store.Sessions) {
	now := today()
	end := now.Add(time.Hour)
	var all []store.Session
	for i := range 5 { // the older ones end
		n := newSession("ann", fmt.Sprint("session ", i), now.Add(-5*time.Hour+time.Duration(i)*time.Minute))
		n.IdleUntil, n.ExpiresAt = now.Add(10*time.Hour), now.Add(20*time.Hour)
		switch i {
		case 1:
			n.IdleUntil = end
		case 3:
			n.IdleUntil, n.ExpiresAt = end, end
		}
		all = append(all, n)
	}
	createSessions(t, s, all...)
	must(t, s.DeleteSession(t.Context(), all[4].Ref), "DeleteSession")
	live := newSession("ann", "live", now)
	must(t, s.CreateSession(t.Context(), live, nothing, 3, 0, end), "CreateSession when two are live, with max 3")
	for _, n := range []store.Session{all[0], all[2], live} {
		wantSession(t, s, n, end, "there are 3 live ones")
	}
	next := newSession("ann", "next", now.Add(time.Minute))
	must(t, s.CreateSession(t.Context(), next, nothing, 3, 0, end), "CreateSession when three are live, with max 3")
	noSession(t, s, all[0], end, "it was the oldest of 4 live ones")
	for _, n := range []store.Session{all[2], live, next} {
		wantSession(t, s, n, end, "an older one was live, and is gone")
	}

	// A microsecond before their end they count.
	early := []store.Session{newSession("bob", "a", now.Add(-time.Hour)), newSession("bob", "b", now), newSession("bob", "c", now)}
	early[0].IdleUntil, early[1].IdleUntil, early[1].ExpiresAt = end, end, end
	createSessions(t, s, early[0], early[1])
	must(t, s.CreateSession(t.Context(), early[2], nothing, 2, 0, end.Add(-time.Microsecond)), "CreateSession when two are live, with max 2")
	noSession(t, s, early[0], now, "it was the oldest of 3 live ones")
	wantSession(t, s, early[1], now, "an older one was live, and is gone")
}

func sessionCapIsOfOneSubject(t *testing.T, s store.Sessions) {
	now := today()
	before := now.Add(-time.Hour)
	others := []store.Session{newSession("bob", "b1", before), newSession("bob", "b2", before), newSession("Ann", "a1", before), newSession(oneTag[1], "o1", before), newSession(oneTag[1], "o2", before)}
	createSessions(t, s, others...)
	for _, subject := range []string{"ann", oneTag[0]} {
		first, second := newSession(subject, "first", now), newSession(subject, "second", now.Add(time.Second))
		for _, n := range []store.Session{first, second} {
			must(t, s.CreateSession(t.Context(), n, nothing, 1, 0, now), "CreateSession with max 1")
			wantSession(t, s, n, now, "it is the newest")
		}
		noSession(t, s, first, now, "max is 1")
		for _, n := range others {
			wantSession(t, s, n, now, "it is another subject's")
		}
	}
}

func anonymousSessionsHaveNoCap(t *testing.T, s store.Sessions) {
	now := today()
	var all []store.Session
	for i := range 4 {
		n := newAnonymous(fmt.Sprint("basket ", i), now.Add(time.Duration(i)*time.Second))
		if i > 1 { // a random tag may be somebody's
			n.Ref.Tag = store.TagOf("ann")
		}
		all = append(all, n)
		must(t, s.CreateSession(t.Context(), n, nothing, 1, 0, now), "CreateSession of an anonymous one with max 1")
	}
	mine := newSession("ann", "mine", now)
	createSessions(t, s, mine)
	last := newAnonymous("last", now.Add(time.Minute))
	last.Ref.Tag = store.TagOf("ann")
	must(t, s.CreateSession(t.Context(), last, nothing, 1, 0, now), "CreateSession of an anonymous one with max 1")
	wantSession(t, s, mine, now, "an anonymous one has no cap")
	next := newSession("ann", "next", now.Add(time.Minute))
	must(t, s.CreateSession(t.Context(), next, nothing, 2, 0, now), "CreateSession with max 2")
	for _, n := range append(all, last, mine, next) {
		wantSession(t, s, n, now, "anonymous ones do not count")
	}
}

func replacedSessionLeavesItsPlace(t *testing.T, s store.Sessions) {
	now := today()
	oldest, middle, newest := newSession("ann", "oldest", now.Add(-3*time.Hour)), newSession("ann", "middle", now.Add(-2*time.Hour)), newSession("ann", "newest", now.Add(-time.Hour))
	createSessions(t, s, oldest, middle, newest)
	n := newSession("ann", "n", now)
	must(t, s.CreateSession(t.Context(), n, newest.Ref, 3, 0, now), "CreateSession with max 3, replacing one of 3")
	noSession(t, s, newest, now, "it was replaced")
	for _, n := range []store.Session{oldest, middle, n} {
		wantSession(t, s, n, now, "one of 3 was replaced")
	}
}

func sessionCapHoldsInARace(t *testing.T, s store.Sessions) {
	now := today()
	const n, most = 50, 5
	all := make([]store.Session, n)
	for i := range all {
		all[i] = newSession("ann", fmt.Sprintf("session %02d", i), now.Add(time.Duration(i%7)*time.Second))
	}
	bobs := newSession("bob", "bobs", now.Add(-time.Hour))
	createSessions(t, s, bobs)
	race(t, n, func(i int) {
		wantErr(t, s.CreateSession(t.Context(), all[i], nothing, most, 0, now), nil, "CreateSession with max %d, goroutine %d of %d", most, i, n)
	})
	last := newSession("ann", "last", now.Add(time.Minute))
	must(t, s.CreateSession(t.Context(), last, nothing, most, 0, now), "CreateSession with max %d", most)
	live := listSessions(t, s, "ann", now)
	if len(live) != most || live[0].ID != "last" {
		t.Errorf("%d sessions are live, want %d, the last first: %q", len(live), most, sessionIDs(live))
	}
	found := 0
	for _, n := range append(all, last) {
		if _, err := s.SessionByRef(t.Context(), n.Ref, now); err == nil {
			found++
		}
	}
	if found != most {
		t.Errorf("%d sessions are found by their tokens, want %d", found, most)
	}
	wantSession(t, s, bobs, now, "it is another subject's")
}
