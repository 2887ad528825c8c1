package memstore_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// userSession is of subject i.
func userSession(i int, now time.Time) store.Session {
	subject := fmt.Sprint("subject ", i)
	s := anonymousSession(i, now)
	s.Ref = store.SessionRef{Tag: store.TagOf(subject), Token: store.DigestOf(subject)}
	s.Identity = authn.Identity{Subject: subject, Kind: authn.KindUser, Roles: []string{"clerk"}, Attributes: map[string]string{"team": "blue"}}
	return s
}

func anonymousSession(i int, now time.Time) store.Session {
	return store.Session{
		Ref: store.SessionRef{Tag: fmt.Sprintf("%08d", i), Token: numbered(i)}, ID: fmt.Sprint("session ", i), Data: []byte("{}"), Revision: 1,
		CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(10 * time.Hour),
	}
}

func begin(t *testing.T, s *memstore.Store, n store.Session, replaces store.SessionRef) error {
	t.Helper()
	return s.CreateSession(t.Context(), n, replaces, 0, 0, n.CreatedAt)
}

// wantFound says when the session n is not answered with err.
func wantFound(t *testing.T, s *memstore.Store, n store.Session, now time.Time, err error, what string) {
	t.Helper()
	_, got := s.SessionByRef(t.Context(), n.Ref, now)
	want(t, got, err, "SessionByRef of %q, %s", n.ID, what)
}

// D3: full means refuse. No live session of somebody's is evicted; one that has
// expired makes room at once, and so does one that leaves.
func TestFullOfSessionsRefuses(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, begin(t, s, userSession(i, now), store.SessionRef{}), nil, "session %d of 100", i+1)
	}
	extra, nobodys := userSession(100, now), anonymousSession(101, now)
	for range 3 {
		want(t, begin(t, s, extra, store.SessionRef{}), store.ErrFull, "one session more")
		want(t, begin(t, s, nobodys, store.SessionRef{}), store.ErrFull, "an anonymous one more")
		wantFound(t, s, extra, now, store.ErrNotFound, "which was refused")
	}
	for i := range 100 {
		wantFound(t, s, userSession(i, now), now, nil, "in the full store")
	}

	want(t, begin(t, s, extra, userSession(0, now).Ref), nil, "a session that replaces another")
	wantFound(t, s, userSession(0, now), now, store.ErrNotFound, "which was replaced")
	again := userSession(1, now)
	again.Ref.Token = numbered(1)
	want(t, s.CreateSession(t.Context(), again, store.SessionRef{}, 1, 0, now), nil, "a session whose subject's oldest goes")
	want(t, s.DeleteSession(t.Context(), again.Ref), nil, "DeleteSession")
	want(t, s.RevokeSession(t.Context(), "subject 2", "session 2", now), nil, "RevokeSession")
	want(t, s.RevokeSessionsOf(t.Context(), "subject 3", ""), nil, "RevokeSessionsOf")
	for i := range 3 {
		want(t, begin(t, s, userSession(200+i, now), store.SessionRef{}), nil, "a session in the place of one that has left, %d of 3", i+1)
	}
	want(t, begin(t, s, userSession(300, now), store.SessionRef{}), store.ErrFull, "one session more")

	stays := userSession(50, now)
	want(t, s.TouchSession(t.Context(), stays.Ref, now.Add(5*time.Hour), now), nil, "TouchSession")
	ahead.Store(int64(time.Hour + time.Minute))
	later := now.Add(time.Hour + time.Minute)
	for i := range 99 {
		want(t, begin(t, s, userSession(1000+i, later), store.SessionRef{}), nil, "session %d of the next 99, when the first have expired", i+1)
	}
	want(t, begin(t, s, userSession(2000, later), store.SessionRef{}), store.ErrFull, "one session more")
	wantFound(t, s, stays, later, nil, "whose end was moved")
}

// D3: all sessions that leave for another one make room, however many.
func TestAllSessionsThatLeaveMakeRoom(t *testing.T) {
	s, _, now := small(t)
	own := func(i int) store.Session {
		n := userSession(0, now)
		n.ID, n.Ref.Token, n.CreatedAt = fmt.Sprint("own ", i), numbered(i), now.Add(time.Duration(i)*time.Second)
		return n
	}
	for i := range 3 {
		want(t, begin(t, s, own(i), store.SessionRef{}), nil, "session %d of the subject", i+1)
	}
	for i := range 97 {
		want(t, begin(t, s, userSession(i+1, now), store.SessionRef{}), nil, "session %d of 100", i+4)
	}
	next := own(3)
	want(t, s.CreateSession(t.Context(), next, userSession(1, now).Ref, 2, 0, now), nil, "a session for which two of its subject and another leave")
	rotation := store.SessionRotation{Token: numbered(4), Identity: next.Identity, SeenAt: now, IdleUntil: next.IdleUntil, ExpiresAt: next.ExpiresAt, Max: 1}
	want(t, s.RotateSession(t.Context(), next.Ref, rotation, now), nil, "a rotation for which one of its subject leaves")
	for i := range 3 {
		want(t, begin(t, s, userSession(200+i, now), store.SessionRef{}), nil, "a session in the place of one that has left, %d of 3", i+1)
	}
	want(t, begin(t, s, userSession(300, now), store.SessionRef{}), store.ErrFull, "one session more")
}

// D1: what is no cursor of the list is not found, though it begins as one.
func TestCursorsOfSessionsAreWhole(t *testing.T) {
	s, _, now := small(t)
	for i := range 2 {
		n := userSession(0, now)
		n.ID, n.Ref.Token = fmt.Sprint("session ", i), numbered(i)
		want(t, begin(t, s, n, store.SessionRef{}), nil, "session %d", i+1)
	}
	_, next, err := s.ListSessions(t.Context(), "subject 0", store.Page{Limit: 1}, now)
	want(t, err, nil, "ListSessions")
	for cursor, wanted := range map[string]error{
		next: nil, next[:strings.LastIndex(next, ".")]: store.ErrNotFound, next[:strings.Index(next, ".")]: store.ErrNotFound, "x" + next: store.ErrNotFound,
	} {
		_, _, err := s.ListSessions(t.Context(), "subject 0", store.Page{Cursor: cursor}, now)
		want(t, err, wanted, "ListSessions from %q", cursor)
	}
}

// D3, S10: when there is no room the oldest anonymous sessions go, those that
// have expired before them.
func TestFullOfSessionsEvictsAnonymousOnes(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		n := userSession(i, now)
		if i%2 == 1 {
			n = anonymousSession(i, now)
		}
		if i == 99 {
			n.ExpiresAt, n.IdleUntil = now.Add(time.Minute), now.Add(time.Minute)
		}
		want(t, begin(t, s, n, store.SessionRef{}), nil, "session %d of 100", i+1)
	}
	ahead.Store(int64(2 * time.Minute))
	for i := range 50 {
		n := userSession(1000+i, now)
		if i < 10 { // anonymous ones evict those before them
			n = anonymousSession(1000+i, now)
		}
		want(t, begin(t, s, n, store.SessionRef{}), nil, "session %d more", i+1)
		wantFound(t, s, n, now, nil, "which was let in")
		wantFound(t, s, anonymousSession(99, now), now, store.ErrNotFound, "which had expired")
		for j := 1; j < 99; j += 2 {
			wanted := error(nil)
			if j < 2*i {
				wanted = store.ErrNotFound
			}
			wantFound(t, s, anonymousSession(j, now), now, wanted, fmt.Sprintf("after %d more", i+1))
		}
	}
	for i := range 100 {
		if i%2 == 0 {
			wantFound(t, s, userSession(i, now), now, nil, "which is somebody's")
		}
	}
	for i := range 10 {
		want(t, begin(t, s, userSession(2000+i, now), store.SessionRef{}), nil, "in the place of the last anonymous ones")
	}
	want(t, begin(t, s, userSession(3000, now), store.SessionRef{}), store.ErrFull, "when all are somebody's")
}

// D3: what a revocation refuses is never forgotten, so that the store remembers
// no more than it has room for; sessions are ended all the same.
func TestFullOfRevokedSubjectsStillEndsSessions(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.RevokeSessionsOf(t.Context(), userSession(i, now).Identity.Subject, ""), nil, "RevokeSessionsOf, %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, 10_000 * 24 * time.Hour} {
		ahead.Store(int64(at))
		n := userSession(100, now.Add(at))
		want(t, begin(t, s, n, store.SessionRef{}), nil, "CreateSession")
		want(t, s.RevokeSessionsOf(t.Context(), n.Identity.Subject, ""), store.ErrFull, "one subject more, %v later", at)
		wantFound(t, s, n, now, store.ErrNotFound, "whose subject was revoked")
		for i := range 100 {
			want(t, s.RevokeSessionsOf(t.Context(), userSession(i, now).Identity.Subject, ""), nil, "a subject that is there")
			want(t, s.CreateSession(t.Context(), userSession(i, now), store.SessionRef{}, 0, time.Hour, now), store.ErrConflict, "a login with an older proof")
		}
	}
}

// D1: Run deletes sessions that expired over a day ago.
func TestRunDeletesSessionsThatAreLongOver(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 50 {
		want(t, begin(t, s, userSession(i, now), store.SessionRef{}), nil, "CreateSession")
		want(t, begin(t, s, anonymousSession(i, now), store.SessionRef{}), nil, "CreateSession")
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		at  time.Duration
		err error
	}{{24 * time.Hour, nil}, {26 * time.Hour, store.ErrNotFound}} {
		ahead.Store(int64(c.at))
		want(t, s.Run(ended), nil, "Run")
		for i := range 50 {
			for _, n := range []store.Session{userSession(i, now), anonymousSession(i, now)} {
				wantFound(t, s, n, now, c.err, fmt.Sprintf("by a slow clock, after Run, %v later", c.at))
			}
		}
	}
}

// S17: the read of each request makes no allocation.
func TestSessionByRefDoesNotAllocate(t *testing.T) {
	s, now := memstore.New(memstore.Config{}), time.Now()
	live, missing := userSession(0, now), userSession(1, now)
	want(t, begin(t, s, live, store.SessionRef{}), nil, "CreateSession")
	ctx := context.Background()
	for _, c := range []struct {
		ref store.SessionRef
		at  time.Time
		err error
	}{
		{live.Ref, now, nil},
		{live.Ref, live.IdleUntil, store.ErrNotFound},
		{missing.Ref, now, store.ErrNotFound},
		{store.SessionRef{Tag: missing.Ref.Tag, Token: live.Ref.Token}, now, store.ErrNotFound},
	} {
		_, err := s.SessionByRef(ctx, c.ref, c.at)
		want(t, err, c.err, "SessionByRef %+v", c.ref)
		if n := testing.AllocsPerRun(100, func() { _, _ = s.SessionByRef(ctx, c.ref, c.at) }); n != 0 {
			t.Errorf("SessionByRef of %+v makes %v allocations, want 0", c.ref, n)
		}
	}
}

// D3: a million sessions come, are read, expire and leave.
func TestManySessions(t *testing.T) {
	ahead := new(atomic.Int64)
	s := memstore.New(memstore.Config{MaxRecords: manyClaims, ClockOffset: func() time.Duration { return time.Duration(ahead.Load()) }})
	now := time.Now()
	var users [1000]store.Session
	for i := range users {
		users[i] = userSession(i, now)
		users[i].Identity.Roles, users[i].Identity.Attributes = nil, nil
	}
	numberedSession := func(i int, at time.Time) store.Session {
		n := users[i%len(users)]
		n.ID, n.Ref.Token = strconv.Itoa(i), numbered(i)
		n.CreatedAt = at.Add(time.Duration(i) * time.Microsecond)
		n.IdleUntil, n.ExpiresAt = at.Add(time.Hour), at.Add(time.Hour)
		return n
	}
	for i := range manyClaims {
		if err := begin(t, s, numberedSession(i, now), store.SessionRef{}); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	want(t, begin(t, s, numberedSession(manyClaims, now), store.SessionRef{}), store.ErrFull, "one session more")
	for i := range manyClaims {
		if _, err := s.SessionByRef(t.Context(), numberedSession(i, now).Ref, now); err != nil {
			t.Fatalf("session %d: %v", i, err)
		}
	}
	ahead.Store(int64(time.Hour + time.Minute))
	n := numberedSession(manyClaims, now.Add(time.Hour))
	want(t, begin(t, s, n, store.SessionRef{}), nil, "a session when all have expired")
	wantFound(t, s, n, now.Add(time.Hour), nil, "which has come after them")
	wantFound(t, s, numberedSession(0, now), now, store.ErrNotFound, "which has left")
}

// D3: sessions of different tags replace each other, when there is no room, and
// nothing waits for ever or is counted twice.
func TestFullOfSessionsInARace(t *testing.T) {
	s, _, now := small(t)
	var wg sync.WaitGroup
	last := make([]store.Session, 8)
	for g := range last {
		wg.Go(func() {
			for i := range 500 {
				n := anonymousSession(1000*g+i, now)
				if i%3 == 0 {
					n = userSession(1000*g+i, now)
				}
				want(t, begin(t, s, n, last[g].Ref), nil, "CreateSession, replacing the last one")
				last[g] = n
				other := anonymousSession(100_000+1000*g+i, now) // stays until it is evicted
				want(t, begin(t, s, other, store.SessionRef{}), nil, "CreateSession of an anonymous one")
			}
			want(t, s.DeleteSession(context.Background(), last[g].Ref), nil, "DeleteSession")
		})
	}
	wg.Wait()
	for i := range 100 { // in the place of anonymous ones
		want(t, begin(t, s, userSession(200_000+i, now), store.SessionRef{}), nil, "session %d of 100", i+1)
	}
	want(t, begin(t, s, userSession(300_000, now), store.SessionRef{}), store.ErrFull, "one session more")
	for i := range 100 {
		want(t, s.DeleteSession(t.Context(), userSession(200_000+i, now).Ref), nil, "DeleteSession")
	}
	for i := range 100 {
		want(t, begin(t, s, userSession(400_000+i, now), store.SessionRef{}), nil, "session %d of the next 100", i+1)
	}
	want(t, begin(t, s, userSession(500_000, now), store.SessionRef{}), store.ErrFull, "one session more")
}
