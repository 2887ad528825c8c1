package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// replaysOfTokens is of TestRedisReplayedScripts. other is another client, and
// its connection loses nothing.
func replaysOfTokens(t *testing.T, s, other *redisstore.Store, prefix string, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	create := func(t *testing.T, subject string) store.RefreshFamily {
		t.Helper()
		f := redisFamily(subject, "family of "+subject, now)
		wantErr(t, s.CreateFamily(ctx, f), nil)
		return f
	}
	advance := func(t *testing.T, f store.RefreshFamily, generation int64, grace time.Duration, want error) store.RefreshFamily {
		t.Helper()
		a := redisUse(f, generation)
		a.Grace = grace
		got, err := s.AdvanceFamily(ctx, f.Ref, a)
		wantErr(t, err, want)
		return got
	}
	// wantKept says when the family is not at generation, or not as live as said.
	wantKept := func(t *testing.T, f store.RefreshFamily, generation int64, live bool) store.RefreshFamily {
		t.Helper()
		got, err := other.Family(ctx, f.Ref)
		wantErr(t, err, nil)
		if got.Generation != generation || got.RevokedAt.IsZero() != live {
			t.Errorf("the family is at generation %d, revoked at %v: want %d, live: %v", got.Generation, got.RevokedAt, generation, live)
		}
		return got
	}

	t.Run("CreateFamily", func(t *testing.T) {
		f := redisFamily("ann", "created", now)
		p.lose(t, 2, func() { wantErr(t, s.CreateFamily(ctx, f), nil) })
		p.lose(t, 2, func() { wantErr(t, s.CreateFamily(ctx, f), store.ErrExists) })
	})
	t.Run("CreateFamily, then RevokeTokensOf", func(t *testing.T) {
		f := redisFamily("cy", "created", now)
		revoke := func() { wantErr(t, other.RevokeTokensOf(ctx, "cy"), nil) }
		p.loseWhile(t, 3, revoke, func() { wantErr(t, s.CreateFamily(ctx, f), nil) })
		advance(t, f, 1, 0, store.ErrNotFound)
	})
	t.Run("AdvanceFamily without a grace", func(t *testing.T) {
		f := create(t, "dan")
		var got store.RefreshFamily
		p.lose(t, 2, func() { got = advance(t, f, 1, 0, nil) })
		if kept := wantKept(t, f, 2, true); got.Generation != 2 || got.KeyID != "key2" || !got.RotatedAt.Equal(kept.RotatedAt) || !got.IdleUntil.Equal(kept.IdleUntil) {
			t.Errorf("answered %+v, and kept %+v", got, kept)
		}
		wantErr(t, wantRevoked(ctx, s, redisToken(f), now, ""), nil)
		advance(t, f, 2, 0, nil)
	})
	t.Run("AdvanceFamily, and others go on", func(t *testing.T) {
		f := create(t, "eve")
		var rotated time.Time
		var got store.RefreshFamily
		onwards := func() { // who got the successor by the grace uses it
			rotated = wantKept(t, f, 2, true).RotatedAt
			use := redisUse(f, 2)
			use.KeyID = "key3"
			_, err := other.AdvanceFamily(ctx, f.Ref, use)
			wantErr(t, err, nil)
		}
		p.loseWhile(t, 3, onwards, func() { got = advance(t, f, 1, time.Minute, nil) })
		if got.Generation != 2 || got.KeyID != "key2" || !got.RotatedAt.Equal(rotated) {
			t.Errorf("the replay is answered generation %d, key %s of %v: want 2, key2, %v", got.Generation, got.KeyID, got.RotatedAt, rotated)
		}
		wantKept(t, f, 3, true)
	})
	t.Run("AdvanceFamily, then RevokeFamily", func(t *testing.T) {
		f := create(t, "flo")
		revoke := func() { wantErr(t, other.RevokeFamily(ctx, f.Ref, now), nil) }
		p.loseWhile(t, 3, revoke, func() {
			if got := advance(t, f, 1, 0, nil); got.Generation != 2 || !got.RevokedAt.IsZero() {
				t.Errorf("answered generation %d, revoked at %v", got.Generation, got.RevokedAt)
			}
		})
		wantKept(t, f, 2, false)
	})
	t.Run("AdvanceFamily at the end of the grace", func(t *testing.T) {
		f := create(t, "guy")
		advance(t, f, 1, 0, nil)
		end := func() { // the same as if the time had passed
			key := prefix + "{" + f.Ref.Tag + "}family:" + f.Ref.ID
			wantErr(t, p.stats.HSet(ctx, key, "rotated", now.Add(-time.Hour).UnixMicro()).Err(), nil)
		}
		p.loseWhile(t, 2, end, func() { advance(t, f, 1, time.Minute, nil) })
		wantKept(t, f, 2, true)
	})
	t.Run("AdvanceFamily with a spent token", func(t *testing.T) {
		f := create(t, "hal")
		advance(t, f, 1, 0, nil)
		var got store.RefreshFamily
		p.lose(t, 2, func() { got = advance(t, f, 1, 0, store.ErrConflict) })
		if kept := wantKept(t, f, 2, false); !got.RevokedAt.Equal(kept.RevokedAt) {
			t.Errorf("answered that it is revoked at %v, and kept %v", got.RevokedAt, kept.RevokedAt)
		}
		p.lose(t, 2, func() { advance(t, f, 1, 0, store.ErrNotFound) })
	})
	t.Run("RevokeFamily", func(t *testing.T) {
		f := create(t, "ike")
		p.lose(t, 2, func() { wantErr(t, s.RevokeFamily(ctx, f.Ref, now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.RevokeFamily(ctx, f.Ref, now.Add(time.Hour)), nil) })
		if kept := wantKept(t, f, 1, false); !kept.RevokedAt.Equal(now) {
			t.Errorf("revoked at %v, want %v", kept.RevokedAt, now)
		}
	})
	t.Run("RevokeToken", func(t *testing.T) {
		token := store.TokenRef{Issuer: "i", ID: "replayed", Subject: "joe", Version: 1}
		p.lose(t, 2, func() { wantErr(t, s.RevokeToken(ctx, token, now.Add(time.Hour)), nil) })
		p.lose(t, 2, func() { wantErr(t, s.RevokeToken(ctx, token, now), nil) })
		wantErr(t, wantRevoked(ctx, s, token, now.Add(time.Minute), store.TokenRevokedByID), nil)
		wantErr(t, wantRevoked(ctx, s, token, now.Add(time.Hour), ""), nil)
	})
	t.Run("RevokeTokensOf", func(t *testing.T) {
		token := store.TokenRef{Issuer: "i", ID: "replayed", Subject: "kim"}
		for version := int64(2); version < 4; version++ {
			p.lose(t, 2, func() { wantErr(t, s.RevokeTokensOf(ctx, "kim"), nil) })
			token.Version = version
			wantErr(t, wantRevoked(ctx, s, token, now, ""), nil)
		}
	})
	t.Run("RevokeTokensOf, and others do", func(t *testing.T) {
		token := store.TokenRef{Issuer: "i", ID: "replayed", Subject: "lou"}
		for round := range int64(2) { // in the second there are older calls to forget
			others := func() {
				for range 7 {
					wantErr(t, other.RevokeTokensOf(ctx, "lou"), nil)
				}
			}
			p.loseWhile(t, 9, others, func() { wantErr(t, s.RevokeTokensOf(ctx, "lou"), nil) })
			token.Version = 1 + 8*(round+1)
			wantErr(t, wantRevoked(ctx, s, token, now, ""), nil)
		}
	})
}

// replaysOfSigningKeys is of TestRedisReplayedScripts, too.
func replaysOfSigningKeys(t *testing.T, s, other *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	end := now.Add(2 * time.Hour)
	t.Run("AddSigningKey", func(t *testing.T) {
		first, second, third := redisSigningKey("first", now), redisSigningKey("second", now), redisSigningKey("third", now)
		p.lose(t, 2, func() { wantErr(t, s.AddSigningKey(ctx, first, "", end), nil) })
		add := func() { wantErr(t, other.AddSigningKey(ctx, third, "second", end), nil) }
		p.loseWhile(t, 3, add, func() { wantErr(t, s.AddSigningKey(ctx, second, "first", end), nil) })
		p.lose(t, 2, func() { wantErr(t, s.AddSigningKey(ctx, second, "first", end), store.ErrExists) })
		p.lose(t, 2, func() {
			wantErr(t, s.AddSigningKey(ctx, redisSigningKey("fourth", now), "second", end), store.ErrConflict)
		})
		keys, err := s.ListSigningKeys(ctx, now)
		wantErr(t, err, nil)
		if len(keys) != 3 || keys[0].ID != "third" || keys[1].ID != "second" || keys[2].ID != "first" {
			t.Errorf("the ring is %+v, want the third, the second and the first", keys)
		}
	})
	t.Run("ExpireSigningKey", func(t *testing.T) {
		p.lose(t, 2, func() { wantErr(t, s.ExpireSigningKey(ctx, "third", now.Add(time.Minute)), nil) })
		p.lose(t, 2, func() { wantErr(t, s.ExpireSigningKey(ctx, "third", now.Add(time.Hour)), nil) })
		keys, err := s.ListSigningKeys(ctx, now)
		wantErr(t, err, nil)
		if len(keys) != 3 || !keys[0].ExpiresAt.Equal(now.Add(time.Minute)) {
			t.Errorf("the ring is %+v, want the third to end in a minute", keys)
		}
	})
}
