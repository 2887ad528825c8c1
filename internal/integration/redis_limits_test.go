package integration_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// counterKey is where a counter lies; kind is limit or attempts.
func counterKey(prefix, kind, policy, key string) string {
	digest := func(text string) string {
		d := store.DigestOf(text)
		return base64.RawURLEncoding.EncodeToString(d[:16])
	}
	return prefix + "{" + digest(key) + "}" + kind + ":" + digest(policy)
}

// D5, R2: where a later slot of a cluster refuses, or fails, what was taken from
// those before is given back; those behind are looked at only.
func TestRedisClusterGivesBack(t *testing.T) {
	c := redisCluster(t)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "back:"})
	full, none := redisWindow("full", 1), redisGCRA("none", 0)
	none.Burst = 1
	wantTaken(t, s, []store.LimitTake{full}, 0)
	before := []store.LimitTake{redisWindow("a", 3), redisGCRA("a", 3), redisWindow("b", 64), redisGCRA("c", 3)}
	before[2].Cost = 60
	wantWhole := func() {
		t.Helper()
		for i, n := range []int{3, 3, 64, 3} {
			l := before[i]
			l.Cost = 0
			if got := wantTaken(t, s, []store.LimitTake{l}, n); got[0].ResetIn != 0 {
				t.Errorf("take %d was given back, and is restored in %v", i, got[0].ResetIn)
			}
		}
	}
	for range 3 {
		wantTaken(t, s, append(before[:4:4], full, redisWindow("behind", 5), none), 3, 3, 64, 3, -1, 5, -1)
		wantWhole()
	}
	wantErr(t, c.Set(t.Context(), counterKey("back:", "limit", "login", "broken"), "oops", 0).Err(), nil)
	_, err := takeOf(t.Context(), s, append(before[:4:4], redisWindow("broken", 3))...)
	wantOutage(t, err)
	wantWhole()

	account, client := redisAttempt("ann", "192.0.2.1", 2), redisAttempt("192.0.2.1", "", 2)
	row, locked := redisAttempt("ann", "", 5), redisAttempt("locked", "", 1)
	client.Account, row.DisableAfter = false, 2
	wantReserved(t, s, 0, locked)
	wantReserved(t, s, 0, account, client, row)
	for range 3 { // each would begin a lock, and disable
		wantReserved(t, s, 10*time.Minute, account, client, row, locked)
		wantReserved(t, s, 10*time.Minute, account, locked, client, row)
	}
	if got := wantReserved(t, s, 0, account, client, row); !got.First {
		t.Errorf("the second attempt: %+v, want it to begin the lock", got)
	}
	if got := wantReserved(t, s, 10*time.Minute, client, row); !got.Disabled || got.First {
		t.Errorf("the third attempt: %+v, want it to be disabled", got)
	}
}

// between runs f before the n-th script of a client, once.
type between struct {
	n int
	f func()
}

// DialHook and the two below are of redis.Hook.
func (b *between) DialHook(next redis.DialHook) redis.DialHook { return next }

func (b *between) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if cmd.Name() == "evalsha" {
			if b.n--; b.n == 0 {
				b.f()
			}
		}
		return next(ctx, cmd)
	}
}

func (b *between) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// D5, R2: what is given back is no more than was taken, however others came in
// between; and it is given back though the caller has gone, or the server is slow.
func TestRedisClusterGivesBackNoMore(t *testing.T) {
	var ahead time.Duration
	cfg := redisstore.Config{KeyPrefix: "more:", ClockOffset: func() time.Duration { return ahead }}
	other := openRedis(t, redisCluster(t), cfg)
	c := clusterOf(t, servers.RedisCluster(t))
	s := openRedis(t, c, cfg)
	var b between
	c.AddHook(&b)
	full := redisWindow("full", 0)
	wantTaken(t, s, []store.LimitTake{full}, -1) // loads the script

	const m = time.Minute
	for name, l := range map[string]store.LimitTake{"window": redisWindow("ann", 6), "GCRA": redisGCRA("ann", 6)} {
		t.Run(name, func(t *testing.T) {
			ahead = 0
			b = between{2, func() {
				ahead = 5 * m
				wantTaken(t, other, []store.LimitTake{l}, 4)
			}}
			wantTaken(t, s, []store.LimitTake{l, full}, 5, -1)
			// As if the other one alone had taken, at 5 minutes.
			want := map[string]time.Duration{"window": 60 * m, "GCRA": 10 * m}[name]
			l.Cost = 0
			if got := wantTaken(t, other, []store.LimitTake{l}, 5)[0].ResetIn; got > want || got < want-m {
				t.Errorf("it is restored in %v, want %v", got, want)
			}
		})
	}
	t.Run("attempts", func(t *testing.T) {
		ahead = 0
		a, locked := redisAttempt("ann", "", 3), redisAttempt("locked", "", 1)
		wantReserved(t, s, 0, locked)
		b = between{2, func() {
			wantReserved(t, other, 0, a)
			wantReserved(t, other, 0, a) // which locks
		}}
		wantReserved(t, s, 10*m, a, locked)
		wantReserved(t, s, 10*m, a) // it was not this call's lock
	})
	t.Run("the caller has gone", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b = between{2, cancel}
		l := redisGCRA("bob", 3)
		if _, err := takeOf(ctx, s, l, full); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that the context ended", err)
		}
		l.Cost = 0
		wantTaken(t, s, []store.LimitTake{l}, 3)
	})
	t.Run("the server is slow", func(t *testing.T) {
		b = between{3, func() { // which gives back
			wantErr(t, c.ForEachMaster(t.Context(), func(ctx context.Context, node *redis.Client) error {
				return node.Do(ctx, "client", "pause", 600).Err()
			}), nil)
		}}
		l := redisGCRA("eve", 3)
		wantTaken(t, s, []store.LimitTake{l, full}, 3, -1)
	})
}

// D5, R5: of one Key there are 64 Subs, and one that all others share until some
// of the 64 have ended.
func TestRedisSubsAreBounded(t *testing.T) {
	var ahead time.Duration
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "subs:", ClockOffset: func() time.Duration { return ahead }})
	ctx := t.Context()
	key := counterKey("subs:", "attempts", "password", "ann")
	sub := func(i int) store.AttemptTake { return redisAttempt("ann", fmt.Sprint("sub ", i), 10) }
	for i := range 74 {
		wantReserved(t, s, 0, sub(i))
		if n := c.HLen(ctx, key).Val(); n != int64(min(i+1, 65)) {
			t.Fatalf("after %d Subs there are %d counters", i+1, n)
		}
	}
	if got := wantReserved(t, s, 10*time.Minute, sub(1000)); got.First {
		t.Errorf("one more of many: %+v", got)
	}
	for range 9 {
		wantReserved(t, s, 0, sub(63)) // it has its own
	}
	wantReserved(t, s, 10*time.Minute, sub(63))
	wantErr(t, s.SettleAttempts(ctx, []store.AttemptTake{sub(63)}, true), nil)
	wantReserved(t, s, 0, sub(63))
	// Who succeeds gives back what is shared, and does not clear it for others.
	wantErr(t, s.SettleAttempts(ctx, []store.AttemptTake{sub(70)}, true), nil)
	wantReserved(t, s, 0, sub(71))
	wantReserved(t, s, 10*time.Minute, sub(72))

	ahead = 2 * redisDay
	wantReserved(t, s, 0, sub(2000))
	if n := c.HLen(ctx, key).Val(); n != 1 {
		t.Errorf("after two days there are %d counters, want the new one", n)
	}
	for range 9 {
		wantReserved(t, s, 0, sub(2000))
	}
	wantReserved(t, s, 10*time.Minute, sub(2000))
	wantErr(t, s.UnlockAttempts(ctx, "password", "ann"), nil)
	wantReserved(t, s, 0, sub(2000))
}

// D5, D8: while a slot moves, what is one key goes on: logins by name and limits
// of one policy. All else is right or an outage.
func TestRedisClusterMovesTheSlotsOfAccounts(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	loadScripts(t, s)
	t.Run("passwords", func(t *testing.T) {
		p, hash := redisPassword("ann"), redisPassword("ann").Hash
		wantErr(t, s.CreatePassword(ctx, p, now), nil)
		works := func() error { _, err := s.PasswordBySubject(ctx, "ann"); return err }
		whileMoving(t, cluster, c, "move:{move:passwords}", works, func(when string, right func(what string, err, want error)) {
			got, err := s.PasswordByName(ctx, p.Name)
			if wantErr(t, err, nil); got.Hash != hash {
				t.Errorf("%s: the hash is %q, want %q", when, got.Hash, hash)
			}
			_, err = s.PasswordByName(ctx, "nobody")
			wantErr(t, err, store.ErrNotFound)
			_, err = s.PasswordBySubject(ctx, "ann")
			right("PasswordBySubject", err, nil)
			right("CreatePassword", s.CreatePassword(ctx, p, now), store.ErrExists)
			right("ReplacePasswordHash of another", s.ReplacePasswordHash(ctx, "ann", "other", "next", now), store.ErrConflict)
			next := "hash " + when
			if err := s.ReplacePasswordHash(ctx, "ann", hash, next, now); err == nil {
				hash = next
			} else {
				right("ReplacePasswordHash", err, nil)
			}
		})
	})
	t.Run("one-time tokens", func(t *testing.T) {
		live, used := redisOneTime("ann", "live", now), redisOneTime("ann", "used", now)
		wantErr(t, s.CreateOneTime(ctx, live, 0, now), nil)
		wantErr(t, s.CreateOneTime(ctx, used, 0, now), nil)
		_, err := s.ClaimOneTime(ctx, used.Digest, now)
		wantErr(t, err, nil)
		works := func() error { return s.RevokeOneTimeOf(ctx, "nobody") }
		whileMoving(t, cluster, c, "move:{move:onetime}", works, func(when string, right func(what string, err, want error)) {
			if when == noKeyMoved {
				wantOutage(t, s.RevokeOneTimeOf(ctx, "ann")) // and not done for a part
			}
			_, err := s.OneTimeByDigest(ctx, live.Digest, now)
			wantErr(t, err, nil)
			_, err = s.OneTimeByDigest(ctx, used.Digest, now)
			wantErr(t, err, store.ErrNotFound)
			_, err = s.ClaimOneTime(ctx, used.Digest, now)
			right("ClaimOneTime of a used one", err, store.ErrNotFound)
			right("CreateOneTime over the cap", s.CreateOneTime(ctx, redisOneTime("ann", when, now), 1, now), store.ErrLimit)
		})
		wantErr(t, s.RevokeOneTimeOf(ctx, "ann"), nil)
		_, err = s.OneTimeByDigest(ctx, live.Digest, now)
		wantErr(t, err, store.ErrNotFound)
	})
	t.Run("limits", func(t *testing.T) {
		taken := 0
		window, gcra, locked := redisWindow("ann", 64), redisGCRA("ann", 1), redisAttempt("ann", "", 1)
		wantTaken(t, s, []store.LimitTake{gcra}, 0)
		wantReserved(t, s, 0, locked)
		works := func() error { _, err := takeOf(ctx, s, window, gcra); return err }
		whileMoving(t, cluster, c, counterKey("move:", "limit", "login", "ann"), works, func(when string, right func(what string, err, want error)) {
			taken++
			wantTaken(t, s, []store.LimitTake{window}, 64-taken)
			wantTaken(t, s, []store.LimitTake{gcra}, -1)
			wantReserved(t, s, 10*time.Minute, locked)
			states, err := takeOf(ctx, s, window, gcra)
			if right("TakeLimits of two", err, nil); err == nil && states[1].RetryIn == 0 {
				t.Errorf("%s: a limit that is spent lets one through: %+v", when, states)
			}
		})
	})
}
