package integration_test

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// replaysOfAccounts is of TestRedisReplayedScripts. other is another client, and
// its connection loses nothing.
func replaysOfAccounts(t *testing.T, s, other *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	wantHash := func(t *testing.T, subject, want string) {
		t.Helper()
		if got, err := other.PasswordBySubject(ctx, subject); err != nil || got.Hash != want {
			t.Errorf("%s has the hash %q, %v, want %q", subject, got.Hash, err, want)
		}
	}
	t.Run("CreatePassword", func(t *testing.T) {
		ann := redisPassword("ann")
		p.lose(t, 2, func() { wantErr(t, s.CreatePassword(ctx, ann, now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.CreatePassword(ctx, ann, now), store.ErrExists) })
		bob := redisPassword("bob")
		remove := func() { wantErr(t, other.DeletePassword(ctx, "bob"), nil) }
		p.loseWhile(t, 3, remove, func() { wantErr(t, s.CreatePassword(ctx, bob, now), nil) })
		_, err := other.PasswordByName(ctx, bob.Name) // the replay brings nobody back
		wantErr(t, err, store.ErrNotFound)
	})
	t.Run("ReplacePasswordHash", func(t *testing.T) {
		cy := redisPassword("cy")
		wantErr(t, s.CreatePassword(ctx, cy, now), nil)
		p.lose(t, 2, func() { wantErr(t, s.ReplacePasswordHash(ctx, "cy", cy.Hash, "2", now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.ReplacePasswordHash(ctx, "cy", cy.Hash, "2", now), store.ErrConflict) })
		back := func() {
			wantErr(t, other.ReplacePasswordHash(ctx, "cy", "3", "2", now), nil)
		}
		p.loseWhile(t, 3, back, func() { wantErr(t, s.ReplacePasswordHash(ctx, "cy", "2", "3", now), nil) })
		wantHash(t, "cy", "2") // the replay does not do it again
	})
	t.Run("DeletePassword", func(t *testing.T) {
		dan := redisPassword("dan")
		wantErr(t, s.CreatePassword(ctx, dan, now), nil)
		again := func() { wantErr(t, other.CreatePassword(ctx, dan, now), nil) }
		p.loseWhile(t, 3, again, func() { wantErr(t, s.DeletePassword(ctx, "dan"), nil) })
		wantHash(t, "dan", dan.Hash) // it was registered after the call
		p.lose(t, 2, func() { wantErr(t, s.DeletePassword(ctx, "nobody"), nil) })
	})
	t.Run("CreateOneTime", func(t *testing.T) {
		link := redisOneTime("ann", "link", now)
		p.lose(t, 2, func() { wantErr(t, s.CreateOneTime(ctx, link, 1, now), nil) })
		p.lose(t, 2, func() { wantErr(t, s.CreateOneTime(ctx, link, 0, now), store.ErrExists) })
		p.lose(t, 2, func() { wantErr(t, s.CreateOneTime(ctx, redisOneTime("ann", "second", now), 1, now), store.ErrLimit) })
		used := redisOneTime("bob", "used", now)
		claim := func() { _, err := other.ClaimOneTime(ctx, used.Digest, now); wantErr(t, err, nil) }
		p.loseWhile(t, 3, claim, func() { wantErr(t, s.CreateOneTime(ctx, used, 0, now), nil) })
		_, err := other.ClaimOneTime(ctx, used.Digest, now) // the replay makes no second one
		wantErr(t, err, store.ErrNotFound)
	})
	t.Run("ClaimOneTime", func(t *testing.T) {
		link := redisOneTime("cy", "link", now)
		wantErr(t, s.CreateOneTime(ctx, link, 0, now), nil)
		p.lose(t, 2, func() {
			if got, err := s.ClaimOneTime(ctx, link.Digest, now); err != nil || got != link {
				t.Errorf("got %+v, %v, want %+v", got, err, link)
			}
		})
		p.lose(t, 2, func() { _, err := s.ClaimOneTime(ctx, link.Digest, now); wantErr(t, err, store.ErrNotFound) })
	})
	t.Run("RevokeOneTimeOf", func(t *testing.T) {
		before, after := redisOneTime("dan", "before", now), redisOneTime("dan", "after", now)
		wantErr(t, s.CreateOneTime(ctx, before, 0, now), nil)
		again := func() { wantErr(t, other.CreateOneTime(ctx, after, 0, now), nil) }
		p.loseWhile(t, 3, again, func() { wantErr(t, s.RevokeOneTimeOf(ctx, "dan"), nil) })
		_, err := other.OneTimeByDigest(ctx, before.Digest, now)
		wantErr(t, err, store.ErrNotFound)
		_, err = other.OneTimeByDigest(ctx, after.Digest, now)
		wantErr(t, err, nil)
		p.lose(t, 2, func() { wantErr(t, s.RevokeOneTimeOf(ctx, "nobody"), nil) })
	})
}

// replaysOfLimits is of TestRedisReplayedScripts, too: a limit errs on the side of
// refusing.
func replaysOfLimits(t *testing.T, s, other *redisstore.Store, p *lossyProxy) {
	ctx := t.Context()
	t.Run("TakeLimits", func(t *testing.T) {
		for _, l := range []store.LimitTake{redisWindow("ann", 3), redisGCRA("ann", 3)} {
			p.lose(t, 2, func() { wantTaken(t, s, []store.LimitTake{l}, 1) }) // it took twice
			p.lose(t, 2, func() { wantTaken(t, s, []store.LimitTake{l}, -1) })
			wantTaken(t, s, []store.LimitTake{l}, -1)
		}
	})
	t.Run("ReserveAttempts", func(t *testing.T) {
		a := redisAttempt("ann", "", 3)
		p.lose(t, 2, func() { wantReserved(t, s, 0, a) }) // it counted twice
		p.lose(t, 2, func() { wantReserved(t, s, 10*time.Minute, a) })
	})
	t.Run("SettleAttempts", func(t *testing.T) {
		// What others have reserved since counts.
		account, client := redisAttempt("bob", "", 2), redisAttempt("192.0.2.1", "", 2)
		client.Account = false
		for _, a := range []store.AttemptTake{account, client} {
			wantReserved(t, s, 0, a)
			others := func() {
				wantReserved(t, other, 0, a)
				wantReserved(t, other, 0, a)
			}
			p.loseWhile(t, 4, others, func() { wantErr(t, s.SettleAttempts(ctx, []store.AttemptTake{a}, true), nil) })
			wantReserved(t, other, 10*time.Minute, a)
		}
	})
	t.Run("UnlockAttempts", func(t *testing.T) {
		a := redisAttempt("cy", "", 1)
		wantReserved(t, s, 0, a)
		others := func() { wantReserved(t, other, 0, a) }
		p.loseWhile(t, 3, others, func() { wantErr(t, s.UnlockAttempts(ctx, a.Policy, a.Key), nil) })
		wantReserved(t, other, 10*time.Minute, a)
	})
}
