package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// This file and redis_*_accounts_test.go are of passwords, one-time tokens and
// limits.

func redisPassword(subject string) store.Password {
	return store.Password{Subject: subject, Name: subject + "@example.com", Hash: "$argon2id$v=19$m=65536,t=3,p=4$" + subject}
}

// redisOneTime is a token that is live for an hour.
func redisOneTime(subject, id string, now time.Time) store.OneTimeToken {
	return store.OneTimeToken{
		Digest: store.DigestOf("one-time " + subject + "/" + id), Purpose: "reset", Subject: subject, Bound: subject + "@example.com",
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// redisWindow takes one of n in an hour.
func redisWindow(key string, n int) store.LimitTake {
	return store.LimitTake{Policy: "login", Key: key, Limit: n, Period: time.Hour, Cost: 1}
}

// redisGCRA takes one of n in an hour, all of which may come at once.
func redisGCRA(key string, n int) store.LimitTake {
	return store.LimitTake{Policy: "api", Key: key, GCRA: true, Limit: n, Burst: n, Period: time.Hour, Cost: 1}
}

// redisAttempt is a guess at an account, which the n-th locks for 10 minutes.
func redisAttempt(key, sub string, n int) store.AttemptTake {
	return store.AttemptTake{
		Policy: "password", Key: key, Sub: sub, Account: true,
		Tiers: []store.AttemptTier{{N: n, Period: time.Hour, Locks: []time.Duration{10 * time.Minute, 30 * time.Minute}}},
	}
}

func takeOf(ctx context.Context, s store.Limits, takes ...store.LimitTake) ([]store.LimitState, error) {
	states := make([]store.LimitState, len(takes))
	return states, s.TakeLimits(ctx, takes, states)
}

// wantTaken takes, and wants what remains of each; -1: it refuses.
func wantTaken(t *testing.T, s store.Limits, takes []store.LimitTake, want ...int) []store.LimitState {
	t.Helper()
	states, err := takeOf(context.WithoutCancel(t.Context()), s, takes...)
	wantErr(t, err, nil)
	for i, state := range states {
		if state.RetryIn > 0 {
			state.Remaining = -1
		}
		if state.Remaining != want[i] {
			t.Errorf("take %d of %q, %q: %+v, want %d left", i, takes[i].Policy, takes[i].Key, states[i], want[i])
		}
	}
	return states
}

// wantReserved reserves, and wants to be refused for about that long; 0: not.
func wantReserved(t *testing.T, s store.Limits, want time.Duration, takes ...store.AttemptTake) store.AttemptState {
	t.Helper()
	state, err := s.ReserveAttempts(context.WithoutCancel(t.Context()), takes)
	wantErr(t, err, nil)
	if state.RetryIn > want || state.RetryIn < want-time.Minute || (state.RetryIn == 0) != (want == 0) {
		t.Errorf("attempts at %q: %+v, want RetryIn %v", takes[0].Key, state, want)
	}
	return state
}

// loadAccountScripts is of loadScripts.
func loadAccountScripts(t *testing.T, s *redisstore.Store, now time.Time) {
	t.Helper()
	for what, err := range redisAccountOutages(t.Context(), s, now) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// redisAccountMethods are all methods of passwords, one-time tokens and limits.
var redisAccountMethods = []string{
	"PasswordByName", "PasswordBySubject", "ReplacePasswordHash", "CreatePassword", "DeletePassword",
	"CreateOneTime", "OneTimeByDigest", "ClaimOneTime", "RevokeOneTimeOf",
	"TakeLimits", "ReserveAttempts", "SettleAttempts", "UnlockAttempts",
}

// redisAccountOutages is what each of them answers: nil on a store that works.
func redisAccountOutages(ctx context.Context, s *redisstore.Store, now time.Time) map[string]error {
	p, link := redisPassword("outage"), redisOneTime("outage", "outage", now)
	attempts := []store.AttemptTake{redisAttempt("outage", "", 60)}
	errs := make(map[string]error)
	errs["CreatePassword"] = s.CreatePassword(ctx, p, now)
	_, errs["PasswordByName"] = s.PasswordByName(ctx, p.Name)
	_, errs["PasswordBySubject"] = s.PasswordBySubject(ctx, p.Subject)
	errs["ReplacePasswordHash"] = s.ReplacePasswordHash(ctx, p.Subject, p.Hash, "next", now)
	errs["DeletePassword"] = s.DeletePassword(ctx, p.Subject)
	errs["CreateOneTime"] = s.CreateOneTime(ctx, link, 1, now)
	_, errs["OneTimeByDigest"] = s.OneTimeByDigest(ctx, link.Digest, now)
	_, errs["ClaimOneTime"] = s.ClaimOneTime(ctx, link.Digest, now)
	errs["RevokeOneTimeOf"] = s.RevokeOneTimeOf(ctx, link.Subject)
	_, errs["TakeLimits"] = takeOf(ctx, s, redisWindow("outage", 60), redisGCRA("outage", 60))
	_, errs["ReserveAttempts"] = s.ReserveAttempts(ctx, attempts)
	errs["SettleAttempts"] = s.SettleAttempts(ctx, attempts, true)
	errs["UnlockAttempts"] = s.UnlockAttempts(ctx, "password", "outage")
	return errs
}

// D5, R5: passwords and one-time tokens lie in a slot each, all counters of a key
// in one; TTLs are relative, and longer than what they keep matters; passwords
// have none, and nothing stays of what was deleted. Names of counters have no
// key of a request in them.
func TestRedisAccountKeysAndTTLs(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "acc:"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	// The caller's clock is years ahead of Redis: only the length counts.
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond).AddDate(3, 0, 0)
	want := make(map[string]time.Duration) // TTL by key, 0: none
	passwords, links := prefix+"{"+prefix+"passwords}", prefix+"{"+prefix+"onetime}"
	for _, subject := range []string{"ann", "{other slot}", "deleted"} {
		p := redisPassword(subject)
		wantErr(t, s.CreatePassword(ctx, p, now), nil)
		wantErr(t, s.ReplacePasswordHash(ctx, subject, p.Hash, "next", now), nil)
		want[passwords+"name:"+p.Name], want[passwords+"subject:"+subject] = 0, 0
	}
	wantErr(t, s.DeletePassword(ctx, "deleted"), nil)
	delete(want, passwords+"name:deleted@example.com")
	delete(want, passwords+"subject:deleted")

	for id, lives := range map[string]time.Duration{"short": time.Hour, "long": 48 * time.Hour, "claimed": 72 * time.Hour, "forever": 290 * 365 * redisDay} {
		link := redisOneTime("ann", id, now)
		if id == "forever" {
			link = redisOneTime("bob", id, now)
		}
		link.ExpiresAt = now.Add(lives)
		wantErr(t, s.CreateOneTime(ctx, link, 0, now), nil)
		want[links+"token:"+link.Digest.String()] = min(lives, 200*365*redisDay) + redisDay
	}
	_, err := s.ClaimOneTime(ctx, redisOneTime("ann", "claimed", now).Digest, now)
	wantErr(t, err, nil)
	delete(want, links+"token:"+redisOneTime("ann", "claimed", now).Digest.String())
	want[links+"of:ann"], want[links+"of:bob"] = 72*time.Hour+redisDay, (200*365+1)*redisDay
	wantErr(t, s.CreateOneTime(ctx, redisOneTime("revoked", "", now), 0, now), nil)
	wantErr(t, s.RevokeOneTimeOf(ctx, "revoked"), nil)

	// Of counters the test knows the kind by the TTL: GCRA is restored in 12
	// minutes, a lock of ten ends, and begins anew a day later.
	counters := map[time.Duration]int{}
	const minute = time.Minute
	for _, key := range []string{"192.0.2.1", "{bob}"} {
		wantTaken(t, s, []store.LimitTake{redisWindow(key, 2), redisGCRA(key, 5)}, 1, 4)
		wantTaken(t, s, []store.LimitTake{{Policy: "none", Key: key, Period: 2 * time.Hour, Cost: 1}, redisGCRA(key, 5)}, -1, 4)
		wantTaken(t, s, []store.LimitTake{{Policy: "look", Key: key, Limit: 3, Period: time.Hour}}, 3)
		counters[61*minute]++  // the window
		counters[13*minute]++  // GCRA
		counters[121*minute]++ // the refusal
		locked, counted, disabled := redisAttempt(key, "a", 1), redisAttempt(key, "b", 5), redisAttempt(key, "c", 1)
		disabled.Policy, disabled.DisableAfter = "disabled", 1
		row := redisAttempt(key, "d", 5)
		row.Policy, row.DisableAfter = "row", 100
		for _, a := range []store.AttemptTake{counted, locked, counted, disabled, row} {
			wantReserved(t, s, 0, a)
		}
		counters[redisDay+11*minute]++ // locked and counted are one
		counters[200*365*redisDay+minute]++
		counters[30*redisDay+minute]++
		unlocked := redisAttempt(key, "e", 1)
		unlocked.Policy = "unlocked"
		wantReserved(t, s, 0, unlocked)
		wantErr(t, s.UnlockAttempts(ctx, "unlocked", key), nil)
	}

	slots := make(map[string]bool)
	for all := c.Scan(ctx, 0, "*", 1000).Iterator(); all.Next(ctx); {
		key := all.Val()
		ttl, err := c.PTTL(ctx, key).Result()
		wantErr(t, err, nil)
		wanted, ok := want[key]
		slot, rest, _ := strings.Cut(strings.TrimPrefix(key, prefix), "}")
		switch {
		case strings.HasPrefix(rest, "call:"):
			if ttl <= 0 || ttl > 3*time.Minute {
				t.Errorf("key %q, of a call, has a TTL of %v", key, ttl)
			}
		case strings.HasPrefix(rest, "limit:"), strings.HasPrefix(rest, "attempts:"):
			slots[slot] = true
			ttl = (ttl + minute - 1).Truncate(minute)
			if counters[ttl]--; counters[ttl] < 0 || strings.Contains(key, "192") || strings.Contains(key, "bob") {
				t.Errorf("key %q has a TTL of %v", key, ttl)
			}
		case !ok:
			t.Errorf("key %q, which nobody needs", key)
		case wanted == 0 && ttl != -1, wanted != 0 && (ttl > wanted || ttl < wanted-minute):
			t.Errorf("key %q has a TTL of %v, want %v", key, ttl, wanted)
		}
		delete(want, key)
	}
	for key := range want {
		t.Errorf("key %q is missing", key)
	}
	for ttl, n := range counters {
		if n > 0 {
			t.Errorf("%d counters with a TTL of %v are missing", n, ttl)
		}
	}
	if len(slots) != 2 {
		t.Errorf("the counters of 2 keys lie in %d slots", len(slots))
	}
}

// D5, P12: one-time tokens that ended over a day ago leave the index when their
// subject gets one, by the store's clock and by the caller's; others stay, so that
// they are counted and revoked.
func TestRedisEndedOneTimeTokensLeaveTheIndex(t *testing.T) {
	var ahead time.Duration
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "mails:", ClockOffset: func() time.Duration { return ahead }})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	const many = 20
	for i := range many {
		wantErr(t, s.CreateOneTime(ctx, redisOneTime("ann", fmt.Sprint("ended ", i), now), 0, now), nil)
	}
	other := redisOneTime("ann", "other", now)
	other.Purpose = "reset\x01"
	wantErr(t, s.CreateOneTime(ctx, other, 1, now), nil)
	for i, step := range []struct {
		ahead, at time.Duration // of the store and of the caller
		left      int64
	}{
		{0, time.Minute, many + 2},
		{0, 30 * time.Hour, many + 3}, // the caller's clock is fast
		{30 * time.Hour, 2 * time.Hour, many + 4},
		{24 * time.Hour, 24 * time.Hour, many + 5},
		{30 * time.Hour, 28 * time.Hour, 4},
	} {
		ahead = step.ahead
		at := now.Add(step.at)
		wantErr(t, s.CreateOneTime(ctx, redisOneTime("ann", fmt.Sprint("new ", i), at), 0, at), nil)
		if n := c.ZCard(ctx, "mails:{mails:onetime}of:ann").Val(); n != step.left {
			t.Errorf("after step %d the index has %d tokens, want %d", i, n, step.left)
		}
	}
	longer := redisOneTime("bob", "longer", now) // a purpose that begins like another
	longer.Purpose = other.Purpose
	wantErr(t, s.CreateOneTime(ctx, longer, 1, now), nil)
	wantErr(t, s.CreateOneTime(ctx, redisOneTime("bob", "shorter", now), 1, now), nil)
	wantErr(t, s.RevokeOneTimeOf(ctx, "ann"), nil)
	_, err := s.OneTimeByDigest(ctx, other.Digest, now)
	wantErr(t, err, store.ErrNotFound)
}
