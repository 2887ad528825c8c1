package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// replaysOfSessions is of TestRedisReplayedScripts. other is another client, and
// its connection loses nothing.
func replaysOfSessions(t *testing.T, s, other *redisstore.Store, prefix string, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	var none store.SessionRef
	create := func(t *testing.T, subject, id string) store.Session {
		t.Helper()
		n := redisSession(subject, id, now)
		wantErr(t, redisLogin(ctx, other, n, none), nil)
		return n
	}

	t.Run("CreateSession", func(t *testing.T) {
		n := redisSession("ann", "new", now)
		p.lose(t, 2, func() { wantErr(t, redisLogin(ctx, s, n, none), nil) })
		p.lose(t, 2, func() { wantErr(t, redisLogin(ctx, s, n, none), store.ErrExists) })
		wantSessions(t, s, "ann", now, "new")
	})
	t.Run("CreateSession that replaces", func(t *testing.T) {
		old, basket := create(t, "bob", "old"), create(t, "", "basket")
		n, next := redisSession("bob", "new", now), redisSession("bob", "next", now)
		p.lose(t, 2, func() { wantErr(t, redisLogin(ctx, s, n, old.Ref), nil) })
		wantSession(t, other, old.Ref, now, store.ErrNotFound)
		p.lose(t, 3, func() { wantErr(t, redisLogin(ctx, s, next, basket.Ref), nil) })
		wantSession(t, other, basket.Ref, now, store.ErrNotFound)
		wantSessions(t, s, "bob", now, "next", "new")
	})
	t.Run("CreateSession at the cap", func(t *testing.T) {
		old, n, newest := create(t, "cap", "old"), redisSession("cap", "new", now), redisSession("cap", "newest", now)
		n.CreatedAt, newest.CreatedAt = now.Add(time.Second), now.Add(2*time.Second)
		another := func() { wantErr(t, other.CreateSession(ctx, newest, none, 1, 0, now), nil) }
		p.loseWhile(t, 3, another, func() { wantErr(t, s.CreateSession(ctx, n, none, 1, 0, now), nil) })
		wantSession(t, other, old.Ref, now, store.ErrNotFound)
		wantSessions(t, other, "cap", now, "newest") // the replay brings none back, and ends none
	})
	t.Run("CreateSession, then it is revoked", func(t *testing.T) {
		n := redisSession("cy", "new", now)
		revoke := func() { wantErr(t, other.RevokeSession(ctx, "cy", "new", now), nil) }
		p.loseWhile(t, 3, revoke, func() { wantErr(t, redisLogin(ctx, s, n, none), nil) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
		n = redisSession("cy", "newer", now)
		revokeAll := func() { wantErr(t, other.RevokeSessionsOf(ctx, "cy", ""), nil) }
		p.loseWhile(t, 3, revokeAll, func() { wantErr(t, redisLogin(ctx, s, n, none), nil) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
	})
	t.Run("CreateSession that arrives late", func(t *testing.T) {
		// As if only the second request had reached the server. The proof was of
		// this moment when the first was sent.
		n := redisSession("dan", "new", now)
		base := prefix + "{" + n.Ref.Tag + "}"
		revoke := func() {
			wantErr(t, other.RevokeSessionsOf(ctx, "dan", ""), nil)
			calls, err := p.stats.Keys(ctx, base+"call:*").Result()
			wantErr(t, err, nil)
			wantErr(t, p.stats.Del(ctx, calls...).Err(), nil)
		}
		p.loseWhile(t, 3, revoke, func() { wantErr(t, redisLogin(ctx, s, n, none), store.ErrConflict) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
	})
	t.Run("RotateSession", func(t *testing.T) {
		n := create(t, "eve", "n")
		next := redisRotation(n, "eve next")
		p.lose(t, 2, func() { wantErr(t, s.RotateSession(ctx, n.Ref, next, now), nil) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
		wantSession(t, other, refAfter(n, next), now, nil)
		p.lose(t, 2, func() { wantErr(t, s.RotateSession(ctx, n.Ref, next, now), store.ErrNotFound) })
		last := redisRotation(n, "eve last")
		revoke := func() { wantErr(t, other.RevokeSessionsOf(ctx, "eve", ""), nil) }
		p.loseWhile(t, 3, revoke, func() { wantErr(t, s.RotateSession(ctx, refAfter(n, next), last, now), nil) })
		wantSession(t, other, refAfter(n, last), now, store.ErrNotFound)
	})
	t.Run("RotateSession at the cap", func(t *testing.T) {
		half := redisSession("paid", "half", now)
		half.Identity.Pending = []string{"otp"}
		wantErr(t, redisLogin(ctx, other, half, none), nil)
		create(t, "paid", "old")
		next := redisRotation(half, "paid next")
		next.Identity.Pending, next.Max = nil, 1
		newest := redisSession("paid", "newest", now.Add(time.Second))
		another := func() { wantErr(t, redisLogin(ctx, other, newest, none), nil) }
		p.loseWhile(t, 3, another, func() { wantErr(t, s.RotateSession(ctx, half.Ref, next, now), nil) })
		wantSessions(t, other, "paid", now, "newest", "half") // the replay ends none
	})
	t.Run("UpdateSessionData", func(t *testing.T) {
		n := create(t, "flo", "n")
		p.lose(t, 2, func() { wantErr(t, s.UpdateSessionData(ctx, n.Ref, 1, []byte("1"), now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.UpdateSessionData(ctx, n.Ref, 1, []byte("1"), now), store.ErrConflict) })
		another := func() { wantErr(t, other.UpdateSessionData(ctx, n.Ref, 3, []byte("3"), now), nil) }
		p.loseWhile(t, 3, another, func() { wantErr(t, s.UpdateSessionData(ctx, n.Ref, 2, []byte("2"), now), nil) })
		if got := wantSession(t, other, n.Ref, now, nil); got.Revision != 4 || string(got.Data) != "3" {
			t.Errorf("revision %d is %s, want 4, 3", got.Revision, got.Data)
		}
	})
	t.Run("TouchSession", func(t *testing.T) {
		n := create(t, "guy", "n")
		end := now.Add(2 * time.Hour)
		another := func() { wantErr(t, other.TouchSession(ctx, n.Ref, end.Add(time.Hour), now.Add(time.Minute)), nil) }
		p.loseWhile(t, 3, another, func() { wantErr(t, s.TouchSession(ctx, n.Ref, end, now), nil) })
		if got := wantSession(t, other, n.Ref, now, nil); !got.IdleUntil.Equal(end.Add(time.Hour)) || !got.SeenAt.Equal(now.Add(time.Minute)) {
			t.Errorf("seen at %v, idle until %v", got.SeenAt, got.IdleUntil)
		}
		revoke := func() { wantErr(t, other.RevokeSession(ctx, "guy", "n", now), nil) }
		p.loseWhile(t, 3, revoke, func() { wantErr(t, s.TouchSession(ctx, n.Ref, end.Add(2*time.Hour), now), nil) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
	})
	t.Run("DeleteSession", func(t *testing.T) {
		n := create(t, "hal", "n")
		p.lose(t, 2, func() { wantErr(t, s.DeleteSession(ctx, n.Ref), nil) })
		wantSessions(t, other, "hal", now)
	})
	t.Run("RevokeSession", func(t *testing.T) {
		create(t, "ike", "n")
		p.lose(t, 2, func() { wantErr(t, s.RevokeSession(ctx, "ike", "n", now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.RevokeSession(ctx, "ike", "n", now), store.ErrNotFound) })
	})
	t.Run("RevokeSessionsOf", func(t *testing.T) {
		n := create(t, "joe", "n")
		again := func() { create(t, "joe", "after") }
		p.loseWhile(t, 3, again, func() { wantErr(t, s.RevokeSessionsOf(ctx, "joe", ""), nil) })
		wantSession(t, other, n.Ref, now, store.ErrNotFound)
		wantSessions(t, other, "joe", now, "after") // it is of a login after the call
		others := func() {
			for range 7 {
				wantErr(t, other.RevokeSessionsOf(ctx, "joe", ""), nil)
			}
			create(t, "joe", "last")
		}
		for range 2 { // in the second there are older calls to forget
			p.loseWhile(t, 10, others, func() { wantErr(t, s.RevokeSessionsOf(ctx, "joe", ""), nil) })
			wantSessions(t, other, "joe", now, "last")
		}
	})
}
