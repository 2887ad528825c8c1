package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5, D8: while the slot of a subject is moving its sessions are read, and what
// is dead is dead; all else works or is an outage, and takes no part of the
// sessions for all.
func TestRedisClusterMovesTheSlotOfSessions(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	loadScripts(t, s)
	wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil)
	dead := redisSession("ann", "dead", now)
	sessions := []store.Session{redisSession("ann", "a", now), redisSession("ann", "b", now), redisSession("ann", "c", now)}
	for _, n := range append(sessions, dead) {
		wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	}
	wantErr(t, s.RevokeSession(ctx, "ann", "dead", now), nil)
	revision := int64(1) // of a

	key := "move:{" + dead.Ref.Tag + "}"
	works := func() error { return s.TouchSession(ctx, sessions[0].Ref, now, now) }
	whileMoving(t, cluster, c, key, works, func(when string, right func(what string, err, want error)) {
		if when == noKeyMoved {
			wantOutage(t, s.RevokeSessionsOf(ctx, "ann", "")) // and not done for a part
		}
		for _, n := range sessions {
			wantSession(t, s, n.Ref, now, nil)
		}
		wantSession(t, s, dead.Ref, now, store.ErrNotFound)
		late := redisSession("ann", "late", now)
		right("CreateSession of an old proof", s.CreateSession(ctx, late, store.SessionRef{}, 0, time.Hour, now), store.ErrConflict)
		right("UpdateSessionData of a dead one", s.UpdateSessionData(ctx, dead.Ref, 1, nil, now), store.ErrNotFound)
		err := s.UpdateSessionData(ctx, sessions[0].Ref, revision, []byte("{}"), now)
		if right("UpdateSessionData", err, nil); err == nil {
			revision++
		}
		right("TouchSession of a dead one", s.TouchSession(ctx, dead.Ref, now.Add(2*time.Hour), now), nil)
		wantSession(t, s, dead.Ref, now, store.ErrNotFound)
		right("RevokeSession of a dead one", s.RevokeSession(ctx, "ann", "dead", now), store.ErrNotFound)
		ss, _, err := s.ListSessions(ctx, "ann", store.Page{}, now)
		if right("ListSessions", err, nil); err == nil && len(ss) != len(sessions) {
			t.Errorf("%s: a list of %d sessions, want %d", when, len(ss), len(sessions))
		}
	})
	wantErr(t, s.RevokeSessionsOf(ctx, "ann", ""), nil)
	for _, n := range sessions {
		wantSession(t, s, n.Ref, now, store.ErrNotFound)
	}
}
