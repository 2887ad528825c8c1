package integration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5, D8: while the slot of a subject is moving, what is dead is dead or an
// outage; what is one key goes on.
func TestRedisClusterMovesTheSlotOfASubject(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	loadScripts(t, s)
	old := redisFamily("ann", "old", now)
	wantErr(t, s.CreateFamily(ctx, old), nil)
	wantErr(t, s.RevokeTokensOf(ctx, "ann"), nil)
	live, dead := redisFamily("ann", "live", now), redisFamily("ann", "dead", now)
	live.Version, dead.Version = 2, 2
	wantErr(t, s.CreateFamily(ctx, live), nil)
	wantErr(t, s.CreateFamily(ctx, dead), nil)
	wantErr(t, s.RevokeFamily(ctx, dead.Ref, now), nil)
	revoked := redisToken(live)
	revoked.ID = "revoked"
	wantErr(t, s.RevokeToken(ctx, revoked, now.Add(time.Hour)), nil)
	generation := int64(1)
	loaded := redisFamily("ann", "loaded", now) // of the version that is over
	n := 0

	key := "move:{" + live.Ref.Tag + "}"
	works := func() error { _, err := s.TokenRevoked(ctx, revoked, now); return err }
	whileMoving(t, cluster, c, key, works, func(when string, right func(what string, err, want error)) {
		for _, token := range []struct {
			store.TokenRef
			want string
		}{
			{redisToken(live), ""},
			{store.TokenRef{ID: "old", Subject: "ann", Version: 1}, store.TokenRevokedBySubject},
			{redisToken(dead), store.TokenRevokedByFamily},
			{revoked, store.TokenRevokedByID},
		} {
			reason, err := s.TokenRevoked(ctx, token.TokenRef, now)
			if right("TokenRevoked", err, nil); err == nil && reason != token.want {
				t.Errorf("%s: token %s is dead by %q, want %q", when, token.ID, reason, token.want)
			}
		}
		_, err := s.AdvanceFamily(ctx, old.Ref, redisUse(old, 1))
		right("AdvanceFamily of the old version", err, store.ErrNotFound)
		right("CreateFamily of the old version", s.CreateFamily(ctx, loaded), store.ErrConflict)
		_, err = s.AdvanceFamily(ctx, dead.Ref, redisUse(dead, 1))
		right("AdvanceFamily of a revoked family", err, store.ErrNotFound)
		_, err = s.AdvanceFamily(ctx, live.Ref, redisUse(live, generation))
		if right("AdvanceFamily", err, nil); err == nil {
			generation++
		}
		right("RevokeFamily", s.RevokeFamily(ctx, dead.Ref, now), nil)

		version, err := s.TokenVersion(ctx, "ann", 0)
		if wantErr(t, err, nil); version != 2 {
			t.Errorf("%s: the version is %d, want 2", when, version)
		}
		for _, f := range []store.RefreshFamily{live, dead} {
			got, err := s.Family(ctx, f.Ref)
			if wantErr(t, err, nil); got.RevokedAt.IsZero() != (f.Ref.ID == "live") {
				t.Errorf("%s: family %s is revoked at %v", when, f.Ref.ID, got.RevokedAt)
			}
		}
		n++
		wantErr(t, s.RevokeToken(ctx, store.TokenRef{ID: fmt.Sprint("new ", n), Subject: "ann"}, now.Add(time.Hour)), nil)
	})
	wantErr(t, s.RevokeTokensOf(ctx, "ann"), nil)
	wantErr(t, wantRevoked(ctx, s, redisToken(live), now, store.TokenRevokedBySubject), nil)
}

// D5: signing keys are one key, so that all goes on while their slot moves.
func TestRedisClusterMovesTheSlotOfSigningKeys(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:", Wait: 1})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	newest := ""
	works := func(id string) {
		t.Helper()
		wantErr(t, s.AddSigningKey(ctx, redisSigningKey(id, now), newest, now.Add(time.Hour)), nil)
		wantErr(t, s.AddSigningKey(ctx, redisSigningKey(id, now), newest, now.Add(time.Hour)), store.ErrExists)
		wantErr(t, s.ExpireSigningKey(ctx, id, now.Add(2*time.Hour)), nil)
		if newest = newestKey(t, s, now); newest != id {
			t.Fatalf("the newest key is %q, want %q", newest, id)
		}
	}
	works("before")
	m := newSlotMove(t, cluster, c, "move:{move:signingkeys}")
	m.begin(t)
	works("before it moves")
	m.keys(t, 100)
	works("moved")
	m.end(t)
	works("after the end")
}
