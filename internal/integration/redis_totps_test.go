package integration_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// This file and redis_*_totps_test.go are of TOTPs, OAuth clients and tokens of
// providers.

func redisSealed(name string) []byte { return append([]byte{1, 0, 0xff, '\n'}, name...) }

// redisCodes are 3 recovery codes.
func redisCodes(name string) []store.Digest {
	return []store.Digest{store.DigestOf(name + "1"), store.DigestOf(name + "2"), store.DigestOf(name + "3")}
}

// redisGuesses wait for a minute after the second in a row, and stop at 50.
var redisGuesses = store.GuessPolicy{Free: 2, Wait: time.Minute, MaxWait: time.Hour, MaxRow: 50, RecentFor: redisDay}

// redisEnrol makes name the first secret of a subject, with step 10.
func redisEnrol(ctx context.Context, s store.TOTPs, subject, name string, now time.Time) error {
	if err := s.BeginTOTP(ctx, subject, nil, redisSealed(name), now.Add(time.Hour)); err != nil {
		return err
	}
	return s.ConfirmTOTP(ctx, subject, redisSealed(name), 10, redisCodes(name), now)
}

func wantTOTP(t *testing.T, s store.TOTPs, subject string) store.TOTP {
	t.Helper()
	got, err := s.TOTP(context.WithoutCancel(t.Context()), subject)
	wantErr(t, err, nil)
	return got
}

func redisOAuthClient(id string, now time.Time) store.OAuthClient {
	return store.OAuthClient{
		ID: id, Name: "client " + id, AuthMethod: "client_secret_basic", Secrets: []store.ClientSecret{redisSecret("first of "+id, now)},
		JWKS: []byte(`{"keys":[]}`), CertSubject: "CN=" + id, Scopes: []string{"orders:read"}, Audience: []string{"https://api.example"},
		Serves: []string{"https://orders.example"}, CreatedAt: now, Revision: 1,
	}
}

func redisSecret(secret string, now time.Time) store.ClientSecret {
	return store.ClientSecret{Digest: store.DigestOf(secret), CreatedAt: now}
}

func wantOAuthClient(t *testing.T, s store.OAuthClients, id string) store.OAuthClient {
	t.Helper()
	got, err := s.OAuthClient(context.WithoutCancel(t.Context()), id)
	wantErr(t, err, nil)
	return got
}

// wantProviderToken wants that sealed is kept; "": none.
func wantProviderToken(t *testing.T, s store.ProviderTokens, subject, provider, sealed string) {
	t.Helper()
	got, err := s.ProviderToken(context.WithoutCancel(t.Context()), subject, provider)
	if sealed == "" {
		wantErr(t, err, store.ErrNotFound)
	} else if wantErr(t, err, nil); string(got) != sealed {
		t.Errorf("the token of %q at %q is %q, want %q", subject, provider, got, sealed)
	}
}

// loadTOTPScripts is of loadScripts.
func loadTOTPScripts(t *testing.T, s *redisstore.Store, now time.Time) {
	t.Helper()
	for what, err := range redisTOTPOutages(t.Context(), s, now) {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// redisTOTPMethods are all methods of TOTPs, OAuth clients and tokens of
// providers.
var redisTOTPMethods = []string{
	"TOTP", "BeginTOTP", "ConfirmTOTP", "ReserveTOTP", "AcceptTOTP", "TakeRecoveryCode", "ReplaceRecoveryCodes", "ForgetTOTPDevices", "DeleteTOTP",
	"OAuthClient", "CreateOAuthClient", "UpdateOAuthClient", "RotateOAuthSecret", "DisableOAuthClient", "ListOAuthClients",
	"ProviderToken", "PutProviderToken", "ReplaceProviderToken", "DeleteProviderToken", "DeleteProviderTokensOf",
}

// redisTOTPOutages is what each of them answers: nil on a store that works.
func redisTOTPOutages(ctx context.Context, s *redisstore.Store, now time.Time) map[string]error {
	const ann, provider = "outage", "google"
	secret, client := redisSealed("outage"), redisOAuthClient("outage", now)
	errs := make(map[string]error)
	errs["BeginTOTP"] = s.BeginTOTP(ctx, ann, nil, secret, now.Add(time.Hour))
	errs["ConfirmTOTP"] = s.ConfirmTOTP(ctx, ann, secret, 10, redisCodes("outage"), now)
	_, errs["TOTP"] = s.TOTP(ctx, ann)
	_, _, errs["ReserveTOTP"] = s.ReserveTOTP(ctx, ann, redisGuesses)
	errs["AcceptTOTP"] = s.AcceptTOTP(ctx, ann, secret, 11, nil)
	_, errs["TakeRecoveryCode"] = s.TakeRecoveryCode(ctx, ann, redisCodes("outage")[1])
	errs["ReplaceRecoveryCodes"] = s.ReplaceRecoveryCodes(ctx, ann, secret, nil)
	errs["ForgetTOTPDevices"] = s.ForgetTOTPDevices(ctx, ann)
	errs["DeleteTOTP"] = s.DeleteTOTP(ctx, ann, true)
	errs["CreateOAuthClient"] = s.CreateOAuthClient(ctx, client)
	_, errs["OAuthClient"] = s.OAuthClient(ctx, client.ID)
	errs["UpdateOAuthClient"] = s.UpdateOAuthClient(ctx, client)
	errs["RotateOAuthSecret"] = s.RotateOAuthSecret(ctx, client.ID, redisSecret("next", now), now, now)
	errs["DisableOAuthClient"] = s.DisableOAuthClient(ctx, client.ID, now)
	_, _, errs["ListOAuthClients"] = s.ListOAuthClients(ctx, store.Page{})
	errs["PutProviderToken"] = s.PutProviderToken(ctx, ann, provider, []byte("1"))
	_, errs["ProviderToken"] = s.ProviderToken(ctx, ann, provider)
	errs["ReplaceProviderToken"] = s.ReplaceProviderToken(ctx, ann, provider, []byte("1"), []byte("2"))
	errs["DeleteProviderToken"] = s.DeleteProviderToken(ctx, ann, provider)
	errs["DeleteProviderTokensOf"] = s.DeleteProviderTokensOf(ctx, ann)
	return errs
}

// D5: what is kept of a subject lies in the slot of its tag, OAuth clients in one
// slot; none of it has a TTL, but for what DeleteTOTP leaves. Nothing else is there.
func TestRedisTOTPKeysAndTTLs(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "totp:"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	// The caller's clock is years ahead of Redis: only the length counts.
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond).AddDate(3, 0, 0)
	of := func(subject, what string) string {
		return prefix + "{" + store.TagOf(subject) + "}" + what + ":" + subject
	}
	clients := prefix + "{" + prefix + "oauthclients}"
	left := 396 * redisDay
	want := map[string]time.Duration{ // TTL by key, 0: none
		of("begun", "totp"): 0, of("ann", "totp"): 0, of("again", "totp"): 0, of("deleted", "totp"): left, of("{slot}", "totp"): left,
		clients + "ids": 0, clients + "client:a": 0, clients + "client:{b}": 0,
		of("ann", "provider-tokens"): 0, of("{slot}", "provider-tokens"): 0,
	}
	wantErr(t, s.BeginTOTP(ctx, "begun", nil, redisSealed("a"), now.Add(time.Hour)), nil)
	for _, subject := range []string{"ann", "again", "deleted", "{slot}"} {
		wantErr(t, redisEnrol(ctx, s, subject, subject, now), nil)
		_, _, err := s.ReserveTOTP(ctx, subject, redisGuesses)
		wantErr(t, err, nil)
		wantErr(t, s.AcceptTOTP(ctx, subject, redisSealed(subject), 11, redisSealed("resealed")), nil)
		if subject != "ann" {
			wantErr(t, s.DeleteTOTP(ctx, subject, subject == "{slot}"), nil)
		}
		wantErr(t, s.ForgetTOTPDevices(ctx, subject), nil)
	}
	wantErr(t, s.BeginTOTP(ctx, "again", nil, redisSealed("again"), now.Add(time.Hour)), nil)
	wantErr(t, s.ForgetTOTPDevices(ctx, "nobody"), nil)
	wantErr(t, s.DeleteTOTP(ctx, "nobody", true), nil)
	for _, id := range []string{"a", "{b}"} {
		wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient(id, now)), nil)
		wantErr(t, s.UpdateOAuthClient(ctx, redisOAuthClient(id, now)), nil)
		wantErr(t, s.RotateOAuthSecret(ctx, id, redisSecret("next", now), now, now), nil)
		wantErr(t, s.DisableOAuthClient(ctx, id, now), nil)
	}
	for _, subject := range []string{"ann", "{slot}", "one deleted", "all deleted"} {
		wantErr(t, s.PutProviderToken(ctx, subject, "google", []byte("1")), nil)
		wantErr(t, s.ReplaceProviderToken(ctx, subject, "google", []byte("1"), []byte("2")), nil)
	}
	wantErr(t, s.DeleteProviderToken(ctx, "one deleted", "google"), nil)
	wantErr(t, s.DeleteProviderTokensOf(ctx, "all deleted"), nil)

	for all := c.Scan(ctx, 0, "*", 1000).Iterator(); all.Next(ctx); {
		key := all.Val()
		ttl, err := c.PTTL(ctx, key).Result()
		wantErr(t, err, nil)
		wanted, ok := want[key]
		_, rest, _ := strings.Cut(strings.TrimPrefix(key, prefix), "}")
		switch {
		case strings.HasPrefix(rest, "call:"), rest == "wait":
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
	for key := range maps.Keys(want) {
		t.Errorf("key %q is missing", key)
	}
}

// D5, D8: while the slot of a subject moves, the second factor is read, a token of
// a provider is read and replaced, and all else is right or an outage: no guess is
// for free, and no code is good twice.
func TestRedisClusterMovesTheSlotOfTOTPs(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	loadScripts(t, s)
	wantErr(t, redisEnrol(ctx, s, "ann", "a", now), nil)
	wantErr(t, s.PutProviderToken(ctx, "ann", "google", []byte("0")), nil)
	free := redisGuesses
	free.Free, free.MaxRow = 1000, 0
	n, guesses, step := 0, 0, int64(10)

	works := func() error { return s.DeleteProviderToken(ctx, "ann", "none") }
	whileMoving(t, cluster, c, "move:{"+store.TagOf("ann")+"}", works, func(when string, right func(what string, err, want error)) {
		_, _, err := s.ReserveTOTP(ctx, "ann", free)
		if right("ReserveTOTP", err, nil); err == nil {
			guesses++
		}
		if got := wantTOTP(t, s, "ann"); got.Codes.Recent != guesses || got.Step != step || len(got.Recovery) != 3 {
			t.Errorf("%s: %+v, want %d guesses and step %d", when, got, guesses, step)
		}
		err = s.AcceptTOTP(ctx, "ann", redisSealed("a"), step+1, nil)
		if right("AcceptTOTP", err, nil); err == nil {
			step++
			guesses = max(guesses-1, 0)
		}
		right("AcceptTOTP of a used code", s.AcceptTOTP(ctx, "ann", redisSealed("a"), step, nil), store.ErrConflict)
		_, err = s.TakeRecoveryCode(ctx, "ann", store.DigestOf("unknown"))
		right("TakeRecoveryCode", err, store.ErrNotFound)
		right("BeginTOTP of another secret", s.BeginTOTP(ctx, "ann", nil, redisSealed("b"), now), store.ErrConflict)

		n++
		wantErr(t, s.ReplaceProviderToken(ctx, "ann", "google", fmt.Append(nil, n-1), fmt.Append(nil, n)), nil)
		wantErr(t, s.ReplaceProviderToken(ctx, "ann", "google", []byte("old"), []byte("new")), store.ErrConflict)
		wantProviderToken(t, s, "ann", "google", fmt.Sprint(n))
		wantProviderToken(t, s, "ann", "none", "")
	})
	wantErr(t, s.DeleteTOTP(ctx, "ann", false), nil)
	wantErr(t, s.DeleteProviderTokensOf(ctx, "ann"), nil)
	wantProviderToken(t, s, "ann", "google", "")
}

// D5, D8: while the slot of OAuth clients moves, requests go on, and all else is
// right or an outage.
func TestRedisClusterMovesTheSlotOfOAuthClients(t *testing.T) {
	cluster := servers.OwnRedisCluster(t)
	c := clusterOf(t, cluster)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "move:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	loadScripts(t, s) // which makes a client that is disabled
	for _, id := range []string{"a", "b"} {
		wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient(id, now)), nil)
	}
	revision := int64(1)
	works := func() error { _, _, err := s.ListOAuthClients(ctx, store.Page{}); return err }
	whileMoving(t, cluster, c, "move:{move:oauthclients}", works, func(when string, right func(what string, err, want error)) {
		if got := wantOAuthClient(t, s, "a"); got.Revision != revision {
			t.Errorf("%s: the Revision is %d, want %d", when, got.Revision, revision)
		}
		if wantOAuthClient(t, s, "outage").DisabledAt.IsZero() {
			t.Errorf("%s: a disabled client lives", when)
		}
		_, err := s.OAuthClient(ctx, "nobody")
		wantErr(t, err, store.ErrNotFound)
		right("CreateOAuthClient", s.CreateOAuthClient(ctx, redisOAuthClient("b", now)), store.ErrExists)
		right("RotateOAuthSecret of a disabled one", s.RotateOAuthSecret(ctx, "outage", redisSecret("x", now), now, now), store.ErrConflict)
		right("DisableOAuthClient", s.DisableOAuthClient(ctx, "outage", now), nil)
		all, _, err := s.ListOAuthClients(ctx, store.Page{})
		if right("ListOAuthClients", err, nil); err == nil && len(all) != 3 {
			t.Errorf("%s: a list of %d clients, want 3", when, len(all))
		}
		next := redisOAuthClient("a", now)
		next.Revision = revision
		if err = s.UpdateOAuthClient(ctx, next); err == nil {
			revision++
		}
		right("UpdateOAuthClient", err, nil)
	})
}
