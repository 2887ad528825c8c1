package integration_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

const redisDay = 24 * time.Hour

// redisFamily is a live family of a login at now.
func redisFamily(subject, id string, now time.Time) store.RefreshFamily {
	return store.RefreshFamily{
		Ref: store.FamilyRef{Tag: store.TagOf(subject), ID: id}, Subject: subject, ClientID: "app",
		Identity: authn.Identity{Subject: subject, Kind: authn.KindUser, Method: "password", Factors: []authn.Factor{{Name: "pwd", At: now}}},
		Scopes:   []string{"orders:read"}, Audience: []string{"https://api.example"}, Confirm: "thumbprint",
		Version: 1, Generation: 1, KeyID: "key1", RotatedAt: now, IdleUntil: now.Add(30 * redisDay), ExpiresAt: now.Add(90 * redisDay),
	}
}

// redisToken is an access token of f.
func redisToken(f store.RefreshFamily) store.TokenRef {
	return store.TokenRef{
		Issuer: "https://issuer.example", ID: "jti of " + f.Ref.ID, Subject: f.Subject,
		Family: f.Ref.ID, Version: f.Version, IssuedAt: f.RotatedAt.Truncate(time.Second),
	}
}

// redisUse is the use of a refresh token of f, without a grace.
func redisUse(f store.RefreshFamily, generation int64) store.FamilyAdvance {
	return store.FamilyAdvance{Generation: generation, ClientID: f.ClientID, Confirm: f.Confirm, KeyID: "key2", Idle: 30 * redisDay}
}

func redisSigningKey(id string, now time.Time) store.SigningKey {
	return store.SigningKey{
		ID: id, Algorithm: "ES256", Public: []byte(`{"kty":"EC"}`), Sealed: []byte("\x00sealed\xff" + id),
		CreatedAt: now, SignFrom: now.Add(time.Hour),
	}
}

// newestKey is the ID of the newest key of the ring, "" if there is none.
func newestKey(t *testing.T, s store.SigningKeys, now time.Time) string {
	t.Helper()
	keys, err := s.ListSigningKeys(t.Context(), now)
	wantErr(t, err, nil)
	if len(keys) == 0 {
		return ""
	}
	return keys[0].ID
}

// wantRevoked is an error if token is dead for another reason than want, ""
// being alive.
func wantRevoked(ctx context.Context, s store.Revocations, token store.TokenRef, now time.Time, want string) error {
	reason, err := s.TokenRevoked(ctx, token, now)
	if err == nil && reason != want {
		err = fmt.Errorf("%s of %s is dead by %q, want %q", token.ID, token.Subject, reason, want)
	}
	return err
}

// loadTokenScripts is of loadScripts.
func loadTokenScripts(t *testing.T, s *redisstore.Store, now time.Time) {
	t.Helper()
	ctx := t.Context()
	f := redisFamily("load", "load", now)
	_, err := s.TokenVersion(ctx, "load", time.Hour)
	wantErr(t, err, nil)
	wantErr(t, s.CreateFamily(ctx, f), nil)
	_, err = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
	for _, err := range []error{
		err,
		s.RevokeFamily(ctx, f.Ref, now),
		s.RevokeToken(ctx, redisToken(f), now),
		s.RevokeTokensOf(ctx, "load"),
		s.AddSigningKey(ctx, redisSigningKey("load", now), "", now),
		s.ExpireSigningKey(ctx, "load", now),
	} {
		wantErr(t, err, nil)
	}
}

// redisTokenMethods are all methods of tokens and signing keys.
var redisTokenMethods = []string{
	"TokenRevoked", "RevokeToken", "CreateFamily", "Family", "AdvanceFamily", "RevokeFamily", "TokenVersion", "RevokeTokensOf",
	"ListSigningKeys", "AddSigningKey", "ExpireSigningKey",
}

// redisTokenOutages is what each of them answers.
func redisTokenOutages(ctx context.Context, s *redisstore.Store, now time.Time) map[string]error {
	f := redisFamily("outage", "outage", now)
	errs := map[string]error{
		"RevokeToken":      s.RevokeToken(ctx, redisToken(f), now.Add(time.Hour)),
		"CreateFamily":     s.CreateFamily(ctx, f),
		"RevokeFamily":     s.RevokeFamily(ctx, f.Ref, now),
		"RevokeTokensOf":   s.RevokeTokensOf(ctx, f.Subject),
		"AddSigningKey":    s.AddSigningKey(ctx, redisSigningKey("outage", now), "", now),
		"ExpireSigningKey": s.ExpireSigningKey(ctx, "outage", now),
	}
	_, errs["TokenRevoked"] = s.TokenRevoked(ctx, redisToken(f), now)
	_, errs["Family"] = s.Family(ctx, f.Ref)
	_, errs["AdvanceFamily"] = s.AdvanceFamily(ctx, f.Ref, redisUse(f, 1))
	_, errs["TokenVersion"] = s.TokenVersion(ctx, f.Subject, time.Hour)
	_, errs["ListSigningKeys"] = s.ListSigningKeys(ctx, now)
	return errs
}

// D5, J24: all of a subject lies in the slot of its tag, signing keys in one;
// TTLs are relative to the store's clock and a day longer than what they keep;
// versions have none.
func TestRedisTokenKeysAndTTLs(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "tok:"
	// The store's clock is years ahead of Redis: only the length counts.
	ahead := 3 * 365 * redisDay
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix, ClockOffset: func() time.Duration { return ahead }})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond).Add(ahead)
	tag := prefix + "{" + store.TagOf("ann") + "}"
	want := make(map[string]time.Duration) // TTL by key, 0: none

	f, revoked, spent := redisFamily("ann", "living", now), redisFamily("ann", "revoked", now), redisFamily("ann", "spent", now)
	spent.ExpiresAt, spent.IdleUntil = now.Add(time.Hour), now.Add(time.Hour)
	for _, f := range []store.RefreshFamily{f, revoked, spent} {
		wantErr(t, s.CreateFamily(ctx, f), nil)
		want[tag+"family:"+f.Ref.ID] = f.ExpiresAt.Sub(now) + redisDay
	}
	want[tag+"living:living"] = 91 * redisDay
	for _, family := range []store.RefreshFamily{f, spent} {
		_, err := s.AdvanceFamily(ctx, family.Ref, redisUse(family, 1))
		wantErr(t, err, nil)
	}
	_, err := s.AdvanceFamily(ctx, spent.Ref, redisUse(spent, 1))
	wantErr(t, err, store.ErrConflict)
	wantErr(t, s.RevokeFamily(ctx, revoked.Ref, now), nil)

	for _, until := range []struct{ first, then, ttl time.Duration }{
		{time.Hour, time.Hour, 25 * time.Hour},
		{time.Hour, 2 * time.Hour, 26 * time.Hour},
		{2 * time.Hour, time.Hour, 26 * time.Hour},
		{-100 * redisDay, -90 * redisDay, redisDay},
		{290 * 365 * redisDay, time.Hour, (200*365 + 1) * redisDay},
	} {
		token := redisToken(f)
		token.ID = fmt.Sprint(until)
		wantErr(t, s.RevokeToken(ctx, token, now.Add(until.first)), nil)
		wantErr(t, s.RevokeToken(ctx, token, now.Add(until.then)), nil)
		want[tag+"token:"+token.Digest().String()] = until.ttl
	}
	for _, subject := range []string{"ann", "ann", "{other slot}"} {
		wantErr(t, s.RevokeTokensOf(ctx, subject), nil)
		want[prefix+"{"+store.TagOf(subject)+"}version:"+subject] = 0
	}
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("a", now), "", now), nil)
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("b", now), "a", now.Add(time.Hour)), nil)
	want[prefix+"{"+prefix+"signingkeys}"] = 0

	for all := c.Scan(ctx, 0, "*", 1000).Iterator(); all.Next(ctx); {
		key := all.Val()
		ttl, err := c.PTTL(ctx, key).Result()
		wantErr(t, err, nil)
		wanted, ok := want[key]
		switch {
		case strings.HasPrefix(key, tag+"call:"):
			if ttl <= time.Minute || ttl > 3*time.Minute {
				t.Errorf("the memory of a call has a TTL of %v", ttl)
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

// D5, J14: a signing key that ended over a day ago leaves the ring when one is
// added, by the store's clock and by the caller's; until then its ID is taken.
func TestRedisEndedSigningKeysLeave(t *testing.T) {
	var ahead time.Duration
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "ring:", ClockOffset: func() time.Duration { return ahead }})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("a", now), "", now), nil)
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("b", now), "a", now.Add(time.Hour)), nil)
	newest := "b"
	for i, step := range []struct {
		ahead, at time.Duration // of the store and of the caller
		left      int64         // keys in the ring
	}{
		{0, time.Minute, 3},
		{0, 26 * time.Hour, 4}, // the caller's clock is fast
		{26 * time.Hour, 2 * time.Hour, 5},
		{24 * time.Hour, 24 * time.Hour, 6},
		{26 * time.Hour, 26 * time.Hour, 6},
	} {
		ahead = step.ahead
		wantErr(t, s.AddSigningKey(ctx, redisSigningKey("a", now.Add(step.at)), newest, now.Add(1000*time.Hour)), store.ErrExists)
		k := redisSigningKey(fmt.Sprint(i), now.Add(step.at))
		wantErr(t, s.AddSigningKey(ctx, k, newest, now.Add(1000*time.Hour)), nil)
		newest = k.ID
		if n, err := c.HLen(ctx, "ring:{ring:signingkeys}").Result(); err != nil || n != step.left {
			t.Errorf("after step %d the ring has %d keys, %v, want %d", i, n, err, step.left)
		}
	}
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("a", now.Add(26*time.Hour)), newest, now.Add(1000*time.Hour)), nil)
}
