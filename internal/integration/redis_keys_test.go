package integration_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5: a claim's TTL is relative and a day longer than the claim, API keys have
// none, and all keys begin with the prefix.
func TestRedisKeysAndTTLs(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "ttl:"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	ctx := t.Context()
	// The caller's clock is years ahead of Redis: only the length counts.
	now := time.Now().AddDate(3, 0, 0)
	for d, want := range map[time.Duration]time.Duration{
		time.Hour: 25 * time.Hour, 0: 24 * time.Hour, -time.Hour: 24 * time.Hour, 90 * 24 * time.Hour: 91 * 24 * time.Hour,
		math.MaxInt64: (200*365 + 1) * 24 * time.Hour,
	} {
		digest := store.DigestOf(d.String())
		wantErr(t, s.ClaimOnce(ctx, "ttl", digest, now.Add(d), now), nil)
		ttl, err := c.PTTL(ctx, prefix+"{once:ttl:"+digest.String()+"}").Result()
		wantErr(t, err, nil)
		if ttl > want || ttl < want-time.Minute {
			t.Errorf("a claim for %v has a TTL of %v, want %v", d, ttl, want)
		}
	}
	k := redisKey("ann", "k", now)
	k.ExpiresAt = now.Add(time.Hour)
	wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
	wantErr(t, s.RotateAPIKey(ctx, "ann", "k", redisKey("ann", "next", now), now, now), nil)
	_, err := s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "k", N: 1, At: now}, {ID: "unknown", N: 1, At: now}})
	wantErr(t, err, nil)

	for all := c.Scan(ctx, 0, "*", 1000).Iterator(); all.Next(ctx); {
		key := all.Val()
		if strings.HasPrefix(key, prefix+"{once:") {
			continue
		}
		if !strings.HasPrefix(key, prefix+"{"+prefix+"apikeys}") {
			t.Errorf("key %q is not of prefix %q and the slot of API keys", key, prefix)
		}
		ttl, err := c.PTTL(ctx, key).Result()
		wantErr(t, err, nil)
		if memory := strings.Contains(key, "}call:"); (ttl > 0) != memory {
			t.Errorf("key %q has a TTL of %v", key, ttl)
		}
	}
}

// D5: a warning looks at a bounded number of keys at a time, and finds those
// that are due behind thousands that are not; what it has found it does not
// look at again.
func TestRedisClaimsExpiringKeysBehindOthers(t *testing.T) {
	s := openRedis(t, redisClient(t, nil), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	const dead, due = 2500, 1200
	l := store.APIKeyLimits{MaxAge: 30 * 24 * time.Hour}
	for i := range dead { // too old, though they would expire within the hour
		k := redisKey("old", fmt.Sprint("old ", i), now.Add(-31*24*time.Hour))
		k.ExpiresAt = now.Add(time.Minute)
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
	}
	for i := range due {
		k := redisKey("due", fmt.Sprint("due ", i), now.Add(-time.Hour))
		if i%2 == 0 {
			k.ExpiresAt = now.Add(30 * time.Minute)
		} else {
			k.CreatedAt = now.Add(-l.MaxAge + 30*time.Minute)
		}
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
	}
	replaced := redisKey("replaced", "replaced", now) // as an import may have it
	replaced.ExpiresAt, replaced.ReplacedBy = now.Add(time.Minute), "other"
	wantErr(t, s.CreateAPIKey(ctx, replaced, store.APIKeyLimits{}, now), nil)
	claim := func(ctx context.Context, d time.Duration, l store.APIKeyLimits, limit int) []store.APIKey {
		keys, err := s.ClaimExpiringAPIKeys(ctx, d, l, limit, now)
		wantErr(t, err, nil)
		return keys
	}
	seen := make(map[string]bool)
	for _, limit := range []int{7, 600, 5000, 5000} {
		keys := claim(ctx, time.Hour, l, limit)
		if want := min(limit, due-len(seen)); len(keys) != want {
			t.Errorf("%d keys are claimed, want %d", len(keys), want)
		}
		for _, k := range keys {
			if k.Owner != "due" || seen[k.ID] {
				t.Errorf("key %q of %q is claimed (again: %v)", k.ID, k.Owner, seen[k.ID])
			}
			seen[k.ID] = true
		}
	}
	if n := len(claim(ctx, 45*time.Minute, l, 5000)); n != due {
		t.Errorf("%d keys are claimed for a shorter time, want %d", n, due)
	}
	// For a call without MaxAge the old ones live.
	if n := len(claim(ctx, time.Hour, store.APIKeyLimits{}, 5000)); n != dead {
		t.Errorf("%d old keys are claimed, want %d", n, dead)
	}
}

// D5: the keys that expired over a day ago leave the indexes of warnings, a
// bounded number each time; those that may still be due stay.
func TestRedisEndedKeysLeaveTheIndexes(t *testing.T) {
	c := redisClient(t, nil)
	const prefix, base = "ended:", "ended:{ended:apikeys}"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	const many = 700
	const day = 24 * time.Hour
	create := func(id string, end time.Duration) {
		k := redisKey("ann", id, now.Add(-100*day))
		k.ExpiresAt = now.Add(end)
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now.Add(-90*day)), nil)
	}
	create("warned", -2*day)
	keys, err := s.ClaimExpiringAPIKeys(ctx, day, store.APIKeyLimits{}, 10, now.Add(-3*day))
	wantErr(t, err, nil)
	if len(keys) != 1 {
		t.Fatalf("%d keys are claimed, want 1", len(keys))
	}
	for i := range many {
		create(fmt.Sprint("ended ", i), -day-time.Duration(i+1)*time.Second)
	}
	create("within the day", -day+time.Minute)
	create("living", 2*day)
	size := func() (n int64) {
		all, err := c.ZRange(ctx, base+"warned", 0, -1).Result()
		wantErr(t, err, nil)
		for _, warned := range append(all, "none") {
			for _, kind := range []string{"end:", "age:"} {
				found, err := c.ZCard(ctx, base+kind+warned).Result()
				wantErr(t, err, nil)
				n += found
			}
		}
		return n
	}
	for call, want := range []int64{2 * (many + 3 - 500), 4, 4} {
		_, err := s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{MaxAge: 365 * day}, 10, now)
		wantErr(t, err, nil)
		if n := size(); n != want {
			t.Errorf("after %d calls the indexes have %d members, want %d", call+1, n, want)
		}
	}
	if keys, err = s.ClaimExpiringAPIKeys(ctx, 3*day, store.APIKeyLimits{}, 10, now); err != nil || len(keys) != 1 || keys[0].ID != "living" {
		t.Errorf("%d keys are claimed, %v, want the living one", len(keys), err)
	}
}
