package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5: a full Redis refuses what is new, and still takes what denies.
func TestRedisOutOfMemory(t *testing.T) {
	server := servers.OwnRedis(t, "--maxmemory-policy", "noeviction")
	c := redisClient(t, server)
	s := openRedis(t, c, redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	later := now.Add(time.Hour)
	for _, id := range []string{"one", "two", "three"} {
		k := redisKey("ann", id, now)
		k.ExpiresAt = later
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
	}
	wantErr(t, s.ClaimOnce(ctx, "jti", store.DigestOf("a"), later, now), nil)
	families := []store.RefreshFamily{redisFamily("ann", "one", now), redisFamily("ann", "two", now), redisFamily("ann", "three", now)}
	for _, f := range families {
		wantErr(t, s.CreateFamily(ctx, f), nil)
	}
	_, err := s.AdvanceFamily(ctx, families[1].Ref, redisUse(families[1], 1))
	wantErr(t, err, nil)
	token := redisToken(families[2])
	wantErr(t, s.RevokeToken(ctx, token, later), nil)
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("one", now), "", later), nil)
	sessions := []store.Session{
		redisSession("ann", "one", now), redisSession("ann", "two", now), redisSession("ann", "three", now), redisSession("bob", "bob", now),
	}
	for _, n := range sessions {
		wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
	}
	for _, p := range []store.Password{redisPassword("ann"), redisPassword("bob")} {
		wantErr(t, s.CreatePassword(ctx, p, now), nil)
	}
	links := []store.OneTimeToken{redisOneTime("ann", "one", now), redisOneTime("ann", "two", now), redisOneTime("bob", "bob", now)}
	for _, l := range links {
		wantErr(t, s.CreateOneTime(ctx, l, 0, now), nil)
	}
	window, attempt := redisWindow("ann", 1), redisAttempt("ann", "", 1)
	wantTaken(t, s, []store.LimitTake{window}, 0)
	wantTaken(t, s, []store.LimitTake{window}, -1)
	wantReserved(t, s, 0, attempt)
	for _, name := range []string{"ann", "bob"} {
		wantErr(t, redisEnrol(ctx, s, name, name, now), nil)
		_, _, err = s.ReserveTOTP(ctx, name, redisGuesses)
		wantErr(t, err, nil)
		wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient(name, now)), nil)
		wantErr(t, s.PutProviderToken(ctx, name, "google", []byte("1")), nil)
	}
	wantErr(t, s.BeginTOTP(ctx, "ann", redisSealed("ann"), redisSealed("next"), later), nil)
	wantErr(t, c.ConfigSet(ctx, "maxmemory", "1mb").Err(), nil) // less than it has

	wantErr(t, s.CreateAPIKey(ctx, redisKey("ann", "new", now), store.APIKeyLimits{}, now), store.ErrFull)
	wantErr(t, s.ClaimOnce(ctx, "jti", store.DigestOf("b"), later, now), store.ErrFull)
	wantErr(t, s.RotateAPIKey(ctx, "ann", "one", redisKey("ann", "next", now), later, now), store.ErrFull)
	_, err = s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "one", N: 1, At: now}})
	wantErr(t, err, store.ErrFull)
	wantErr(t, s.CreateFamily(ctx, redisFamily("ann", "new", now)), store.ErrFull)
	_, err = s.AdvanceFamily(ctx, families[2].Ref, redisUse(families[2], 1))
	wantErr(t, err, store.ErrFull)
	wantErr(t, s.RevokeToken(ctx, redisToken(families[0]), later), store.ErrFull)
	wantErr(t, s.AddSigningKey(ctx, redisSigningKey("two", now), "one", later), store.ErrFull)
	wantErr(t, s.CreateSession(ctx, redisSession("ann", "new", now), sessions[0].Ref, 1, 0, now), store.ErrFull)
	wantErr(t, s.RotateSession(ctx, sessions[0].Ref, redisRotation(sessions[0], "full"), now), store.ErrFull)
	wantErr(t, s.UpdateSessionData(ctx, sessions[0].Ref, 1, []byte("{}"), now), store.ErrFull)
	wantErr(t, s.TouchSession(ctx, sessions[0].Ref, now.Add(2*time.Hour), now), store.ErrFull)
	wantSessions(t, s, "ann", now, "two", "three", "one")
	wantErr(t, s.DeleteSession(ctx, sessions[0].Ref), nil)
	wantErr(t, s.DeleteSession(ctx, sessions[0].Ref), nil)
	wantErr(t, s.RevokeSession(ctx, "ann", "two", now), nil)
	wantErr(t, s.RevokeSession(ctx, "ann", "two", now), store.ErrNotFound)
	wantSessions(t, s, "ann", now, "three")
	for _, subject := range []string{"ann", "ann", "bob", "cy"} {
		wantErr(t, s.RevokeSessionsOf(ctx, subject, ""), nil)
		wantSessions(t, s, subject, now)
	}

	wantErr(t, s.CreatePassword(ctx, redisPassword("new"), now), store.ErrFull)
	for range 2 { // the second finds another hash, and nobody
		want := error(nil)
		if got, _ := s.PasswordBySubject(ctx, "ann"); got.Hash == "next" {
			want = store.ErrConflict
		}
		wantErr(t, s.ReplacePasswordHash(ctx, "ann", redisPassword("ann").Hash, "next", now), want)
		wantErr(t, s.DeletePassword(ctx, "bob"), nil)
	}
	wantErr(t, s.CreateOneTime(ctx, redisOneTime("ann", "new", now), 0, now), store.ErrFull)
	_, err = s.ClaimOneTime(ctx, links[0].Digest, now)
	wantErr(t, err, nil)
	_, err = s.ClaimOneTime(ctx, links[0].Digest, now)
	wantErr(t, err, store.ErrNotFound)
	for _, subject := range []string{"ann", "ann", "bob"} {
		wantErr(t, s.RevokeOneTimeOf(ctx, subject), nil)
	}
	_, err = s.OneTimeByDigest(ctx, links[2].Digest, now)
	wantErr(t, err, store.ErrNotFound)
	_, err = takeOf(ctx, s, redisGCRA("new", 1))
	wantErr(t, err, store.ErrFull)
	_, err = s.ReserveAttempts(ctx, []store.AttemptTake{redisAttempt("new", "", 1)})
	wantErr(t, err, store.ErrFull)
	wantTaken(t, s, []store.LimitTake{window}, -1)
	wantReserved(t, s, 10*time.Minute, attempt)
	wantErr(t, s.UnlockAttempts(ctx, attempt.Policy, attempt.Key), nil)

	wantFullTOTPs(t, s, now)

	wantErr(t, s.RevokeFamily(ctx, families[0].Ref, now), nil)
	wantErr(t, s.RevokeFamily(ctx, families[0].Ref, now), nil)
	_, err = s.AdvanceFamily(ctx, families[1].Ref, redisUse(families[1], 1)) // spent
	wantErr(t, err, store.ErrConflict)
	for _, f := range families[:2] {
		wantErr(t, wantRevoked(ctx, s, redisToken(f), now, store.TokenRevokedByFamily), nil)
	}
	wantErr(t, s.RevokeToken(ctx, token, later.Add(time.Hour)), nil)
	wantErr(t, wantRevoked(ctx, s, token, later, store.TokenRevokedByID), nil)
	for _, subject := range []string{"ann", "ann", "bob"} {
		wantErr(t, s.RevokeTokensOf(ctx, subject), nil)
	}
	wantErr(t, wantRevoked(ctx, s, store.TokenRef{Subject: "ann", Version: 3}, now, ""), nil)
	wantErr(t, wantRevoked(ctx, s, store.TokenRef{Subject: "bob", Version: 1}, now, store.TokenRevokedBySubject), nil)
	wantErr(t, s.ExpireSigningKey(ctx, "one", now), nil)
	wantErr(t, s.ExpireSigningKey(ctx, "one", now), nil)
	if keys, err := s.ListSigningKeys(ctx, now); err != nil || len(keys) != 0 {
		t.Errorf("the ring has %d keys, %v, want none", len(keys), err)
	}

	wantErr(t, s.ClaimOnce(ctx, "jti", store.DigestOf("a"), later, now), store.ErrExists)
	wantErr(t, s.RevokeAPIKey(ctx, "ann", "one", now), nil)
	wantErr(t, s.RevokeAPIKey(ctx, "ann", "one", now), nil)
	wantErr(t, s.RevokeAPIKeysOf(ctx, "ann", now), nil)
	wantErr(t, s.RevokeAPIKeysOf(ctx, "ann", now), nil)
	for _, k := range wantListed(t, s, "ann", 3) {
		if !k.RevokedAt.Equal(now) || k.ReplacedBy != "" || k.Uses != 0 {
			t.Errorf("%+v: want it revoked, and nothing else", k)
		}
	}
	wantErr(t, c.ConfigSet(ctx, "maxmemory", "0").Err(), nil)
	wantErr(t, s.ClaimOnce(ctx, "jti", store.DigestOf("b"), later, now), nil)
	for _, subject := range []string{"ann", "bob", "cy"} {
		wantErr(t, s.CreateSession(ctx, redisSession(subject, "late", now), store.SessionRef{}, 0, time.Hour, now), store.ErrConflict)
	}
}

// wantFullTOTPs is of TestRedisOutOfMemory: ann and bob are enrolled, by their
// names, and each has a client and a token of a provider.
func wantFullTOTPs(t *testing.T, s *redisstore.Store, now time.Time) {
	t.Helper()
	ctx := t.Context()
	wantErr(t, s.BeginTOTP(ctx, "new", nil, redisSealed("new"), now), store.ErrFull)
	wantErr(t, s.ConfirmTOTP(ctx, "ann", redisSealed("next"), 11, nil, now), store.ErrFull)
	_, _, err := s.ReserveTOTP(ctx, "ann", redisGuesses)
	wantErr(t, err, store.ErrFull)
	wantErr(t, s.AcceptTOTP(ctx, "ann", redisSealed("ann"), 11, nil), store.ErrFull)
	for _, want := range []error{nil, store.ErrNotFound} {
		_, err = s.TakeRecoveryCode(ctx, "ann", redisCodes("ann")[0])
		wantErr(t, err, want)
		wantErr(t, s.ReplaceRecoveryCodes(ctx, "bob", redisSealed("bob"), redisCodes("new")), nil)
		wantErr(t, s.ForgetTOTPDevices(ctx, "ann"), nil)
	}
	if got := wantTOTP(t, s, "ann"); got.Codes.Row != 0 || len(got.Recovery) != 2 || got.DeviceEpoch != 3 || got.Step != 10 {
		t.Errorf("ann has %+v", got)
	}
	if got := wantTOTP(t, s, "bob"); got.Recovery[0] != redisCodes("new")[0] {
		t.Errorf("bob has the codes %v", got.Recovery)
	}
	for _, subject := range []string{"bob", "bob", "nobody"} {
		wantErr(t, s.DeleteTOTP(ctx, subject, true), nil)
	}
	if got := wantTOTP(t, s, "bob"); got.Secret != nil || got.DeviceEpoch != 3 || got.Step != 10 {
		t.Errorf("bob has %+v", got)
	}

	wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient("new", now)), store.ErrFull)
	c := redisOAuthClient("ann", now)
	c.Scopes, c.JWKS = nil, nil
	wantErr(t, s.UpdateOAuthClient(ctx, c), nil)
	wantErr(t, s.RotateOAuthSecret(ctx, "ann", redisSecret("next", now), now, now), nil)
	for range 2 {
		wantErr(t, s.DisableOAuthClient(ctx, "bob", now), nil)
	}
	if got := wantOAuthClient(t, s, "ann"); len(got.Secrets) != 1 || got.Secrets[0] != redisSecret("next", now) || got.Scopes != nil {
		t.Errorf("the client is %+v", got)
	}
	if wantOAuthClient(t, s, "bob").DisabledAt.IsZero() {
		t.Error("the client is not disabled")
	}

	wantErr(t, s.PutProviderToken(ctx, "new", "google", []byte("1")), store.ErrFull)
	wantErr(t, s.ReplaceProviderToken(ctx, "ann", "google", []byte("1"), []byte("2")), nil)
	wantProviderToken(t, s, "ann", "google", "2")
	for _, subject := range []string{"ann", "nobody"} {
		wantErr(t, s.DeleteProviderToken(ctx, subject, "google"), nil)
		wantErr(t, s.DeleteProviderTokensOf(ctx, "bob"), nil)
	}
	wantProviderToken(t, s, "ann", "google", "")
	wantProviderToken(t, s, "bob", "google", "")
}

// D5: a Redis that evicts is refused, and the message says what would be lost.
func TestRedisThatEvicts(t *testing.T) {
	server := servers.OwnRedis(t)
	c := redisClient(t, server)
	ctx := t.Context()
	for _, policy := range []string{"volatile-ttl", "volatile-lru", "allkeys-lru", "allkeys-random"} {
		wantErr(t, c.ConfigSet(ctx, "maxmemory-policy", policy).Err(), nil)
		s := newRedisStore(t, c, redisstore.Config{})
		for name, err := range map[string]error{"Open": s.Open(ctx), "Check": s.Check(ctx)} {
			if err == nil {
				t.Errorf("%s accepts %s", name, policy)
				continue
			}
			for _, word := range []string{policy, "claims and revocations", "noeviction", "InsecureAllowEviction"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%s of a Redis with %s does not say %s: %v", name, policy, word, err)
				}
			}
		}
		openRedis(t, c, redisstore.Config{InsecureAllowEviction: true})
	}
}

// D5: of a cluster, each primary is asked.
func TestRedisClusterOfWhichOneEvicts(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	for _, addr := range servers.RedisCluster(t).Addrs() {
		node := redisWith(t, &redis.Options{Addr: addr})
		wantErr(t, node.ConfigSet(t.Context(), "maxmemory-policy", "volatile-lru").Err(), nil)
		if err := s.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "volatile-lru") {
			t.Errorf("Check: %v, want it to say that %s evicts", err, addr)
		}
		wantErr(t, node.ConfigSet(t.Context(), "maxmemory-policy", "noeviction").Err(), nil)
		wantErr(t, s.Check(t.Context()), nil)
	}
}

// D5: a replica is refused by Open and Check, and never takes a write.
func TestRedisReplica(t *testing.T) {
	replica := servers.OwnRedisReplica(t, servers.OwnRedis(t))
	c := redisWith(t, &redis.Options{Addr: replica.Addr, MaxRetries: -1})
	s := newRedisStore(t, c, redisstore.Config{})
	if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), "not a primary") {
		t.Errorf("Open on a replica: %v", err)
	}
	now := time.Now()
	err := s.ClaimOnce(t.Context(), "jti", store.DigestOf("a"), now.Add(time.Hour), now)
	wantOutage(t, err)
	if errors.Is(err, store.ErrFull) {
		t.Errorf("a replica is full: %v", err)
	}
}

// D5, D8: fewer replicas than Wait is an outage, though the primary has it, so
// that the denial holds.
func TestRedisWithoutTheReplicasOfWait(t *testing.T) {
	server := servers.OwnRedis(t)
	s := newRedisStore(t, redisClient(t, server), redisstore.Config{Wait: 1})
	now := time.Now()
	for name, err := range map[string]error{"Open": s.Open(t.Context()), "Check": s.Check(t.Context())} {
		if err == nil || !strings.Contains(err.Error(), "Config.Wait is 1, and this Redis has 0 replicas") {
			t.Errorf("%s: %v, want it to say how many replicas there are", name, err)
		}
	}
	err := s.ClaimOnce(t.Context(), "jti", store.DigestOf("a"), now.Add(time.Hour), now)
	wantOutage(t, err)
	if err == nil || !strings.Contains(err.Error(), "Config.Wait is 1, 0 replicas") {
		t.Errorf("got %v, want it to say how many replicas there are", err)
	}
	wantErr(t, s.ClaimOnce(t.Context(), "jti", store.DigestOf("a"), now.Add(time.Hour), now), store.ErrExists)
}

// D5, D8: who repeats a denial is not told that it holds while no replica has
// it; and is, as soon as one has.
func TestRedisRepeatedDenialsWaitToo(t *testing.T) {
	primary := servers.OwnRedis(t)
	replica := servers.OwnRedisReplica(t, primary)
	ctx, now := t.Context(), time.Now()
	first := openRedis(t, redisClient(t, primary), redisstore.Config{KeyPrefix: "wait:", Wait: 1})
	wantErr(t, first.CreateAPIKey(ctx, redisKey("ann", "k", now), store.APIKeyLimits{}, now), nil)
	wantErr(t, first.CreateAPIKey(ctx, redisKey("ann", "warm", now), store.APIKeyLimits{}, now), nil)
	wantErr(t, first.RevokeAPIKey(ctx, "ann", "warm", now), nil)
	wantErr(t, first.RevokeAPIKeysOf(ctx, "nobody", now), nil)
	f, spent := redisFamily("ann", "f", now), redisFamily("bob", "spent", now)
	token := redisToken(f)
	for _, err := range []error{
		first.CreateFamily(ctx, f), first.CreateFamily(ctx, spent),
		first.RevokeToken(ctx, token, now), first.RevokeTokensOf(ctx, "warm"),
		first.AddSigningKey(ctx, redisSigningKey("k", now), "", now), first.ExpireSigningKey(ctx, "k", now.Add(time.Hour)),
	} {
		wantErr(t, err, nil)
	}
	session, revoked := redisSession("ann", "n", now), redisSession("ann", "revoked", now)
	for _, n := range []store.Session{session, revoked} {
		wantErr(t, redisLogin(ctx, first, n, store.SessionRef{}), nil)
	}
	for _, err := range []error{
		first.CreatePassword(ctx, redisPassword("ann"), now), first.DeletePassword(ctx, "nobody"),
		first.CreateOneTime(ctx, redisOneTime("ann", "link", now), 0, now), first.RevokeOneTimeOf(ctx, "nobody"),
	} {
		wantErr(t, err, nil)
	}
	_, err := first.AdvanceFamily(ctx, spent.Ref, redisUse(spent, 1))
	wantErr(t, err, nil)
	again := redisUse(spent, 1)
	again.Grace = time.Hour

	resume := replica.Pause()
	defer resume()
	deny := func(s *redisstore.Store) map[string]error {
		_, err := s.AdvanceFamily(ctx, spent.Ref, again)
		revoke := s.RevokeSession(ctx, "ann", "revoked", now)
		if errors.Is(revoke, store.ErrNotFound) { // as good as done
			revoke = nil
		}
		return map[string]error{
			"RevokeSession": revoke, "DeleteSession": s.DeleteSession(ctx, session.Ref), "RevokeSessionsOf": s.RevokeSessionsOf(ctx, "ann", ""),
			"RevokeAPIKey": s.RevokeAPIKey(ctx, "ann", "k", now), "RevokeAPIKeysOf": s.RevokeAPIKeysOf(ctx, "ann", now),
			"RevokeFamily": s.RevokeFamily(ctx, f.Ref, now), "RevokeToken": s.RevokeToken(ctx, token, now.Add(time.Hour)),
			"RevokeTokensOf": s.RevokeTokensOf(ctx, "ann"), "ExpireSigningKey": s.ExpireSigningKey(ctx, "k", now),
			"AdvanceFamily within the grace": err,
			"DeletePassword":                 s.DeletePassword(ctx, "ann"), "RevokeOneTimeOf": s.RevokeOneTimeOf(ctx, "ann"),
		}
	}
	second := openRedis(t, redisClient(t, primary), redisstore.Config{KeyPrefix: "wait:", Wait: 1})
	for name, s := range map[string]*redisstore.Store{"first": first, "second": second} {
		for what, err := range deny(s) {
			if err == nil {
				t.Errorf("%s of the %s client is acknowledged, and no replica has it", what, name)
			}
		}
	}
	// On a connection that has written nothing else.
	fresh := openRedis(t, redisClient(t, primary), redisstore.Config{KeyPrefix: "wait:", Wait: 1})
	if err := fresh.DeleteSession(ctx, session.Ref); err == nil {
		t.Error("DeleteSession of what is gone is acknowledged, and no replica knows it")
	}
	resume()
	eventually(t, "denials when the replica is back", func() error {
		var errs []error
		for what, err := range deny(second) {
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: %w", what, err))
			}
		}
		return errors.Join(errs...)
	})
}
