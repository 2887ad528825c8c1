package integration_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// redisSession is a live session of a login at now; anonymous if subject is "".
func redisSession(subject, id string, now time.Time) store.Session {
	n := store.Session{
		Ref: store.SessionRef{Tag: store.TagOf(subject), Token: store.DigestOf("session " + subject + "/" + id)}, ID: id,
		Data: []byte(`{"basket":[1,2]}`), Revision: 1, Remember: true,
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", Addr: netip.MustParseAddr("192.0.2.1"),
		CreatedAt: now, SeenAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(redisDay),
	}
	if subject == "" {
		n.Ref.Tag = store.TagOf("nobody " + id)
		return n
	}
	n.Identity = authn.Identity{
		Subject: subject, Kind: authn.KindUser, Method: "password",
		Factors: []authn.Factor{{Name: "pwd", At: now}, {Name: "otp", At: now}}, Roles: []string{"clerk"},
	}
	return n
}

// redisLogin creates n of a proof of this moment, without a cap.
func redisLogin(ctx context.Context, s store.Sessions, n store.Session, replaces store.SessionRef) error {
	return s.CreateSession(ctx, n, replaces, 0, 0, n.CreatedAt)
}

// redisRotation gives n another token, and an hour more.
func redisRotation(n store.Session, to string) store.SessionRotation {
	return store.SessionRotation{
		Token: store.DigestOf("session " + to), Identity: n.Identity,
		SeenAt: n.SeenAt.Add(time.Minute), IdleUntil: n.IdleUntil.Add(time.Hour), ExpiresAt: n.ExpiresAt.Add(time.Hour),
	}
}

func refAfter(n store.Session, next store.SessionRotation) store.SessionRef {
	return store.SessionRef{Tag: n.Ref.Tag, Token: next.Token}
}

// wantSession wants that n is there, or not.
func wantSession(t *testing.T, s store.Sessions, ref store.SessionRef, now time.Time, want error) store.Session {
	t.Helper()
	n, err := s.SessionByRef(context.WithoutCancel(t.Context()), ref, now)
	wantErr(t, err, want)
	return n
}

// wantSessions wants that subject has these, newest first.
func wantSessions(t *testing.T, s store.Sessions, subject string, now time.Time, want ...string) {
	t.Helper()
	ss, _, err := s.ListSessions(context.WithoutCancel(t.Context()), subject, store.Page{}, now)
	wantErr(t, err, nil)
	ids := make([]string, len(ss))
	for i, n := range ss {
		ids[i] = n.ID
	}
	if strings.Join(ids, " ") != strings.Join(want, " ") {
		t.Errorf("%s has the sessions %q, want %q", subject, ids, want)
	}
}

// loadSessionScripts is of loadScripts.
func loadSessionScripts(t *testing.T, s *redisstore.Store, now time.Time) {
	t.Helper()
	ctx := t.Context()
	n, next := redisSession("load", "load", now), redisSession("load", "next", now)
	wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	wantErr(t, redisLogin(ctx, s, next, n.Ref), nil)
	rotation := redisRotation(next, "load rotated")
	wantErr(t, s.RotateSession(ctx, next.Ref, rotation, now), nil)
	ref := refAfter(next, rotation)
	wantErr(t, s.UpdateSessionData(ctx, ref, 1, []byte("{}"), now), nil)
	wantErr(t, s.TouchSession(ctx, ref, next.IdleUntil, now), nil)
	wantSessions(t, s, "load", now, "next")
	wantErr(t, s.RevokeSession(ctx, "load", "next", now), nil)
	wantErr(t, s.DeleteSession(ctx, ref), nil)
	wantErr(t, s.RevokeSessionsOf(ctx, "load", ""), nil)
}

// redisSessionMethods are all methods of sessions.
var redisSessionMethods = []string{
	"CreateSession", "SessionByRef", "RotateSession", "UpdateSessionData", "TouchSession", "DeleteSession",
	"RevokeSession", "RevokeSessionsOf", "ListSessions",
}

// redisSessionOutages is what each of them answers.
func redisSessionOutages(ctx context.Context, s *redisstore.Store, now time.Time) map[string]error {
	n := redisSession("outage", "outage", now)
	errs := map[string]error{
		"CreateSession":     redisLogin(ctx, s, n, store.SessionRef{}),
		"RotateSession":     s.RotateSession(ctx, n.Ref, redisRotation(n, "outage rotated"), now),
		"UpdateSessionData": s.UpdateSessionData(ctx, n.Ref, 1, []byte("{}"), now),
		"TouchSession":      s.TouchSession(ctx, n.Ref, n.IdleUntil, now),
		"DeleteSession":     s.DeleteSession(ctx, n.Ref),
		"RevokeSession":     s.RevokeSession(ctx, "outage", "outage", now),
		"RevokeSessionsOf":  s.RevokeSessionsOf(ctx, "outage", ""),
	}
	_, errs["SessionByRef"] = s.SessionByRef(ctx, n.Ref, now)
	_, _, errs["ListSessions"] = s.ListSessions(ctx, "outage", store.Page{}, now)
	return errs
}

// D5, S12: all of a subject's sessions lies in the slot of its tag; a row's TTL
// is relative to the caller's clock and a day longer than its idle time, and
// moves on with it; the indexes' are as long as the longest session and a day;
// revocations have none, and nothing stays of what was deleted.
func TestRedisSessionKeysAndTTLs(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "ses:"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	// The caller's clock is years ahead of Redis: only the length counts.
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond).AddDate(3, 0, 0)
	want := make(map[string]time.Duration) // TTL by key, 0: none
	row := func(ref store.SessionRef) string { return prefix + "{" + ref.Tag + "}session:" + ref.Token.String() }
	index := func(subject string, ttl time.Duration) {
		for _, kind := range []string{"list", "ends", "ids"} {
			want[prefix+"{"+store.TagOf(subject)+"}session-"+kind+":"+subject] = ttl
		}
	}
	create := func(n store.Session, replaces store.SessionRef) {
		wantErr(t, redisLogin(ctx, s, n, replaces), nil)
	}

	plain, touched, updated, rotated := redisSession("ann", "plain", now), redisSession("ann", "touched", now), redisSession("ann", "updated", now), redisSession("ann", "rotated", now)
	for _, n := range []store.Session{plain, touched, updated, rotated} {
		create(n, store.SessionRef{})
		want[row(n.Ref)] = time.Hour + redisDay
	}
	later := now.Add(30 * time.Minute)
	wantErr(t, s.TouchSession(ctx, touched.Ref, later.Add(2*time.Hour), later), nil)
	want[row(touched.Ref)] = 2*time.Hour + redisDay
	wantErr(t, s.UpdateSessionData(ctx, updated.Ref, 1, []byte("{}"), later), nil)
	rotation := redisRotation(rotated, "ttl rotated")
	wantErr(t, s.RotateSession(ctx, rotated.Ref, rotation, now), nil)
	delete(want, row(rotated.Ref))
	want[row(refAfter(rotated, rotation))] = 2*time.Hour + redisDay
	index("ann", 25*time.Hour+redisDay)

	remembered := redisSession("{other slot}", "remembered", now)
	remembered.IdleUntil, remembered.ExpiresAt = now.Add(14*redisDay), now.Add(290*365*redisDay)
	nobodys, replaced := redisSession("", "nobodys", now), redisSession("", "replaced", now)
	create(nobodys, store.SessionRef{})
	create(replaced, store.SessionRef{})
	create(remembered, replaced.Ref)
	want[row(remembered.Ref)], want[row(nobodys.Ref)] = 15*redisDay, time.Hour+redisDay
	index("{other slot}", (200*365+1)*redisDay)

	for _, id := range []string{"deleted", "revoked", "revoked with all"} {
		create(redisSession("bob", id, now), store.SessionRef{})
	}
	wantErr(t, s.DeleteSession(ctx, redisSession("bob", "deleted", now).Ref), nil)
	wantErr(t, s.RevokeSession(ctx, "bob", "revoked", now), nil)
	for _, subject := range []string{"bob", "nobody there"} {
		wantErr(t, s.RevokeSessionsOf(ctx, subject, ""), nil)
		want[prefix+"{"+store.TagOf(subject)+"}session-revoked:"+subject] = 0
	}
	wantErr(t, s.RevokeSessionsOf(ctx, "", ""), nil)
	wantErr(t, s.DeleteSession(ctx, redisSession("", "gone", now).Ref), nil)

	for all := c.Scan(ctx, 0, "*", 1000).Iterator(); all.Next(ctx); {
		key := all.Val()
		ttl, err := c.PTTL(ctx, key).Result()
		wantErr(t, err, nil)
		wanted, ok := want[key]
		switch {
		case strings.Contains(key, "}call:"), strings.HasSuffix(key, "}wait"):
			if ttl <= 0 || ttl > 3*time.Minute {
				t.Errorf("key %q, of a call, has a TTL of %v", key, ttl)
			}
		case !ok:
			t.Errorf("key %q, which nobody needs", key)
		case wanted == 0 && ttl != -1, wanted != 0 && (ttl > wanted || ttl < wanted-time.Minute):
			t.Errorf("key %q has a TTL of %v, want %v", key, ttl, wanted)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("key %q is missing", key)
	}
}

// D5: sessions that ended over a day ago leave the indexes at the next login, by
// the store's clock and by the caller's.
func TestRedisEndedSessionsLeaveTheIndexes(t *testing.T) {
	var ahead time.Duration
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "left:", ClockOffset: func() time.Duration { return ahead }})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	const many = 150
	for i := range many {
		wantErr(t, redisLogin(ctx, s, redisSession("ann", fmt.Sprint("ended ", i), now), store.SessionRef{}), nil)
	}
	base := "left:{" + store.TagOf("ann") + "}session-"
	for i, step := range []struct {
		ahead, at time.Duration // of the store and of the caller
		left      int64
	}{
		{0, time.Minute, many + 1},
		{0, 30 * time.Hour, many + 2}, // the caller's clock is fast
		{30 * time.Hour, 2 * time.Hour, many + 3},
		{24 * time.Hour, 24 * time.Hour, many + 4},
		{30 * time.Hour, 28 * time.Hour, many + 5 - 100}, // a bounded number each time
		{30 * time.Hour, 28 * time.Hour, 4},
	} {
		ahead = step.ahead
		wantErr(t, redisLogin(ctx, s, redisSession("ann", fmt.Sprint("new ", i), now.Add(step.at)), store.SessionRef{}), nil)
		for _, n := range []int64{c.ZCard(ctx, base+"list:ann").Val(), c.ZCard(ctx, base+"ends:ann").Val(), c.HLen(ctx, base+"ids:ann").Val()} {
			if n != step.left {
				t.Errorf("after step %d an index has %d sessions, want %d", i, n, step.left)
			}
		}
	}
}

// S9: RevokeSessionsOf is one script for thousands of sessions, and keeps the
// one that it is to keep.
func TestRedisRevokesThousandsOfSessionsAtOnce(t *testing.T) {
	server := servers.OwnRedis(t)
	c := redisClient(t, server)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "many:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	const many = 2500
	for i := range many {
		n := redisSession("ann", fmt.Sprint(i), now)
		if i%2 == 1 {
			n.Identity.Pending = []string{"otp"}
		}
		wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	}
	wantErr(t, s.RevokeSessionsOf(ctx, "load", ""), nil)
	before := commandStats(t, c)["evalsha"].calls
	wantErr(t, s.RevokeSessionsOf(ctx, "ann", "1700"), nil)
	if n := commandStats(t, c)["evalsha"].calls - before; n != 1 {
		t.Errorf("%d sessions were revoked by %d scripts, want 1", many, n)
	}
	wantSessions(t, s, "ann", now, "1700")
	wantSession(t, s, redisSession("ann", "1700", now).Ref, now, nil)
	wantNoScan(t, c)
	wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil)
	for all := c.Scan(ctx, 0, "many:*}session*", 1000).Iterator(); all.Next(ctx); {
		if key := all.Val(); !strings.Contains(key, "session-revoked:") {
			t.Errorf("key %q is left", key)
		}
	}
}

// S6: a session stays its subject's, and an ID names one session: else there
// would be some that no list shows and no revocation ends.
func TestRedisSessionsThatNobodyCouldRevoke(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "lost:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	n := redisSession("ann", "n", now)
	wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	for _, subject := range []string{"bob", ""} {
		next := redisRotation(n, "lost")
		next.Identity.Subject = subject
		wantErr(t, s.RotateSession(ctx, n.Ref, next, now), store.ErrNotFound)
	}
	second := redisSession("ann", "n", now.Add(time.Second))
	second.Ref.Token = store.DigestOf("second")
	wantErr(t, redisLogin(ctx, s, second, store.SessionRef{}), store.ErrExists)
	wantSession(t, s, n.Ref, now, nil)
	wantSessions(t, s, "ann", now, "n")

	// A row may be gone before its ID, as by its TTL; or by this login.
	wantErr(t, c.Del(ctx, "lost:{"+n.Ref.Tag+"}session:"+n.Ref.Token.String()).Err(), nil)
	wantErr(t, redisLogin(ctx, s, second, store.SessionRef{}), nil)
	third := redisSession("ann", "n", now.Add(2*time.Second))
	third.Ref.Token = store.DigestOf("third")
	wantErr(t, redisLogin(ctx, s, third, second.Ref), nil)
	wantSessions(t, s, "ann", now, "n")
	wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil)
	wantSession(t, s, third.Ref, now, store.ErrNotFound)
}
