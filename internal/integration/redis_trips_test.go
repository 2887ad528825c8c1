package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D9: each operation is one round trip: one write to the socket, and one
// command of the client, of which the server knows the name.
func TestRedisRoundTrips(t *testing.T) {
	server := servers.OwnRedis(t)
	stats := redisClient(t, server)
	var trips tripCounter
	c := redisWith(t, &redis.Options{Addr: server.Addr, PoolSize: 1, Dialer: trips.dial})
	c.AddHook(&trips)
	s := openRedis(t, c, redisstore.Config{})
	loadScripts(t, s)

	ctx := t.Context()
	now := time.Now().UTC().Truncate(time.Microsecond)
	const n = 100
	family := func(i int) store.RefreshFamily {
		return redisFamily(fmt.Sprint("subject", i), fmt.Sprint("family", i), now)
	}
	revoked := func(i int) store.RefreshFamily {
		return redisFamily(fmt.Sprint("revoker", i), fmt.Sprint("family", i), now)
	}
	session := func(i int) store.Session { return redisSession(fmt.Sprint("subject", i), "session", now) }
	dead := func(i int) store.Session { return redisSession(fmt.Sprint("subject", i), "dead", now) }
	turned := func(i int) store.Session { return redisSession(fmt.Sprint("subject", i), "turned", now) }
	ring := newestKey(t, s, now)
	var uses []store.APIKeyUse
	key := func(i int) store.APIKey { return redisKey(fmt.Sprint("owner", i), fmt.Sprint("key", i), now) }
	old := func(i int) store.APIKey { return redisKey(fmt.Sprint("rotator", i), fmt.Sprint("old", i), now) }
	for i := range n {
		k := key(i)
		k.ExpiresAt = now.Add(time.Hour)
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{MaxLive: 5, MaxAge: 48 * time.Hour}, now), nil)
		wantErr(t, s.CreateAPIKey(ctx, old(i), store.APIKeyLimits{}, now), nil) // which nothing else revokes
		uses = append(uses, store.APIKeyUse{ID: k.ID, N: 2, At: now})
		wantErr(t, s.CreateFamily(ctx, family(i)), nil)
		wantErr(t, s.CreateFamily(ctx, revoked(i)), nil)
		wantErr(t, s.CreatePassword(ctx, redisPassword(fmt.Sprint("subject", i)), now), nil)
		wantErr(t, s.CreatePassword(ctx, redisPassword(fmt.Sprint("gone", i)), now), nil)
		wantErr(t, redisEnrol(ctx, s, fmt.Sprint("subject", i), "secret", now), nil)
		wantErr(t, s.BeginTOTP(ctx, fmt.Sprint("confirmer", i), nil, redisSealed("secret"), now.Add(time.Hour)), nil)
		wantErr(t, s.CreateOAuthClient(ctx, redisOAuthClient(fmt.Sprint("client", i), now)), nil)
		wantErr(t, s.PutProviderToken(ctx, fmt.Sprint("subject", i), "google", []byte("1")), nil)
		for _, id := range []string{"read", "claimed"} {
			wantErr(t, s.CreateOneTime(ctx, redisOneTime(fmt.Sprint("subject", i), id, now), 0, now), nil)
		}
		wantErr(t, s.CreateOneTime(ctx, redisOneTime(fmt.Sprint("revoker", i), "revoked", now), 0, now), nil)
		for _, n := range []store.Session{session(i), dead(i), turned(i), redisSession(revoked(i).Subject, "revoked", now)} {
			wantErr(t, redisLogin(ctx, s, n, store.SessionRef{}), nil)
		}
	}
	for name, op := range map[string]struct {
		command string
		call    func(i int) error
	}{
		"APIKeyByDigest": {"hgetall", func(i int) error { _, err := s.APIKeyByDigest(ctx, key(i).Digest); return err }},
		"ClaimOnce": {"evalsha", func(i int) error {
			return s.ClaimOnce(ctx, "trips", store.DigestOf(fmt.Sprint(i)), now.Add(time.Hour), now)
		}},
		"RecordAPIKeyUses of 100": {"evalsha", func(int) error { _, err := s.RecordAPIKeyUses(ctx, uses); return err }},
		"CreateAPIKey": {"evalsha", func(i int) error {
			return s.CreateAPIKey(ctx, redisKey("new", fmt.Sprint("new", i), now), store.APIKeyLimits{MaxLive: n}, now)
		}},
		"APIKey":      {"evalsha", func(i int) error { _, err := s.APIKey(ctx, key(i).Owner, key(i).ID); return err }},
		"ListAPIKeys": {"evalsha", func(i int) error { _, _, err := s.ListAPIKeys(ctx, key(i).Owner, store.Page{}); return err }},
		"RotateAPIKey": {"evalsha", func(i int) error {
			return s.RotateAPIKey(ctx, old(i).Owner, old(i).ID, redisKey(old(i).Owner, fmt.Sprint("next", i), now), now.Add(time.Minute), now)
		}},
		"RevokeAPIKey":    {"evalsha", func(i int) error { return s.RevokeAPIKey(ctx, key(i).Owner, key(i).ID, now) }},
		"RevokeAPIKeysOf": {"evalsha", func(i int) error { return s.RevokeAPIKeysOf(ctx, key(i).Owner, now) }},
		"ClaimExpiringAPIKeys": {"evalsha", func(int) error {
			_, err := s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{}, 100, now)
			return err
		}},
		"TokenRevoked": {"mget", func(i int) error { return wantRevoked(ctx, s, redisToken(family(i)), now, "") }},
		"RevokeToken":  {"evalsha", func(i int) error { return s.RevokeToken(ctx, redisToken(revoked(i)), now.Add(time.Hour)) }},
		"CreateFamily": {"evalsha", func(i int) error { return s.CreateFamily(ctx, redisFamily("new", fmt.Sprint("new", i), now)) }},
		"Family":       {"hgetall", func(i int) error { _, err := s.Family(ctx, family(i).Ref); return err }},
		"AdvanceFamily": {"evalsha", func(i int) error {
			_, err := s.AdvanceFamily(ctx, family(i).Ref, redisUse(family(i), 1))
			return err
		}},
		"RevokeFamily":   {"evalsha", func(i int) error { return s.RevokeFamily(ctx, revoked(i).Ref, now) }},
		"TokenVersion":   {"evalsha", func(i int) error { _, err := s.TokenVersion(ctx, family(i).Subject, time.Hour); return err }},
		"RevokeTokensOf": {"evalsha", func(i int) error { return s.RevokeTokensOf(ctx, revoked(i).Subject) }},
		"SessionByRef":   {"get", func(i int) error { _, err := s.SessionByRef(ctx, session(i).Ref, now); return err }},
		"CreateSession that replaces": {"evalsha", func(i int) error {
			old, n := session(i), redisSession(session(i).Identity.Subject, fmt.Sprint("new", i), now)
			old.Ref.Token = store.DigestOf("nothing")
			return s.CreateSession(ctx, n, old.Ref, 10, 0, now)
		}},
		"RotateSession": {"evalsha", func(i int) error {
			return s.RotateSession(ctx, turned(i).Ref, redisRotation(turned(i), fmt.Sprint("turned", i)), now)
		}},
		"UpdateSessionData": {"evalsha", func(i int) error { return s.UpdateSessionData(ctx, session(i).Ref, 1, []byte("{}"), now) }},
		"TouchSession": {"evalsha", func(i int) error {
			return s.TouchSession(ctx, session(i).Ref, session(i).IdleUntil.Add(time.Minute), now.Add(time.Minute))
		}},
		"DeleteSession":    {"evalsha", func(i int) error { return s.DeleteSession(ctx, redisSession("deleter", fmt.Sprint(i), now).Ref) }},
		"RevokeSession":    {"evalsha", func(i int) error { return s.RevokeSession(ctx, dead(i).Identity.Subject, "dead", now) }},
		"RevokeSessionsOf": {"evalsha", func(i int) error { return s.RevokeSessionsOf(ctx, revoked(i).Subject, "") }},
		"ListSessions": {"evalsha", func(i int) error {
			_, _, err := s.ListSessions(ctx, session(i).Identity.Subject, store.Page{}, now)
			return err
		}},
		"ListSigningKeys": {"hgetall", func(int) error { _, err := s.ListSigningKeys(ctx, now); return err }},
		"AddSigningKey": {"evalsha", func(i int) error {
			k := redisSigningKey(fmt.Sprint("ring", i), now)
			newest := ring
			ring = k.ID
			return s.AddSigningKey(ctx, k, newest, now.Add(time.Hour))
		}},
		"ExpireSigningKey": {"evalsha", func(int) error { return s.ExpireSigningKey(ctx, "load", now) }},
		"PasswordByName": {"get", func(i int) error {
			_, err := s.PasswordByName(ctx, redisPassword(fmt.Sprint("subject", i)).Name)
			return err
		}},
		"PasswordBySubject": {"evalsha", func(i int) error { _, err := s.PasswordBySubject(ctx, fmt.Sprint("subject", i)); return err }},
		"ReplacePasswordHash": {"evalsha", func(i int) error {
			p := redisPassword(fmt.Sprint("subject", i))
			return s.ReplacePasswordHash(ctx, p.Subject, p.Hash, "next", now)
		}},
		"CreatePassword": {"evalsha", func(i int) error { return s.CreatePassword(ctx, redisPassword(fmt.Sprint("new", i)), now) }},
		"DeletePassword": {"evalsha", func(i int) error { return s.DeletePassword(ctx, fmt.Sprint("gone", i)) }},
		"CreateOneTime": {"evalsha", func(i int) error {
			return s.CreateOneTime(ctx, redisOneTime(fmt.Sprint("subject", i), "new", now), 10, now)
		}},
		"OneTimeByDigest": {"get", func(i int) error {
			_, err := s.OneTimeByDigest(ctx, redisOneTime(fmt.Sprint("subject", i), "read", now).Digest, now)
			return err
		}},
		"ClaimOneTime": {"evalsha", func(i int) error {
			_, err := s.ClaimOneTime(ctx, redisOneTime(fmt.Sprint("subject", i), "claimed", now).Digest, now)
			return err
		}},
		"RevokeOneTimeOf": {"evalsha", func(i int) error { return s.RevokeOneTimeOf(ctx, fmt.Sprint("revoker", i)) }},
		"TakeLimits of four keys": {"evalsha", func(i int) error {
			_, err := takeOf(ctx, s, redisWindow("a", 64), redisGCRA("a", 200), redisWindow(fmt.Sprint("b", i), 1), redisGCRA("c", 50))
			return err
		}},
		"ReserveAttempts of three": {"evalsha", func(i int) error { _, err := s.ReserveAttempts(ctx, redisGuess(i)); return err }},
		"SettleAttempts of three":  {"evalsha", func(i int) error { return s.SettleAttempts(ctx, redisGuess(i), true) }},
		"TOTP":                     {"hgetall", func(i int) error { _, err := s.TOTP(ctx, fmt.Sprint("subject", i)); return err }},
		"BeginTOTP": {"evalsha", func(i int) error {
			return s.BeginTOTP(ctx, fmt.Sprint("beginner", i), nil, redisSealed("a"), now.Add(time.Hour))
		}},
		"ConfirmTOTP": {"evalsha", func(i int) error {
			return s.ConfirmTOTP(ctx, fmt.Sprint("confirmer", i), redisSealed("secret"), 1, redisCodes("a"), now)
		}},
		"ReserveTOTP": {"evalsha", func(i int) error { _, _, err := s.ReserveTOTP(ctx, fmt.Sprint("subject", i), redisGuesses); return err }},
		"AcceptTOTP": {"evalsha", func(i int) error {
			return s.AcceptTOTP(ctx, fmt.Sprint("subject", i), redisSealed("secret"), 11, nil)
		}},
		"TakeRecoveryCode": {"evalsha", func(i int) error {
			_, err := s.TakeRecoveryCode(ctx, fmt.Sprint("subject", i), redisCodes("secret")[1])
			if errors.Is(err, store.ErrNotFound) { // replaced by then
				return nil
			}
			return err
		}},
		"ReplaceRecoveryCodes": {"evalsha", func(i int) error {
			return s.ReplaceRecoveryCodes(ctx, fmt.Sprint("subject", i), redisSealed("secret"), nil)
		}},
		"ForgetTOTPDevices":      {"evalsha", func(i int) error { return s.ForgetTOTPDevices(ctx, fmt.Sprint("subject", i)) }},
		"DeleteTOTP":             {"evalsha", func(i int) error { return s.DeleteTOTP(ctx, fmt.Sprint("beginner", i), true) }},
		"OAuthClient":            {"hgetall", func(i int) error { _, err := s.OAuthClient(ctx, fmt.Sprint("client", i)); return err }},
		"CreateOAuthClient":      {"evalsha", func(i int) error { return s.CreateOAuthClient(ctx, redisOAuthClient(fmt.Sprint("new", i), now)) }},
		"UpdateOAuthClient":      {"evalsha", func(i int) error { return s.UpdateOAuthClient(ctx, redisOAuthClient(fmt.Sprint("client", i), now)) }},
		"DisableOAuthClient":     {"evalsha", func(int) error { return s.DisableOAuthClient(ctx, "outage", now) }},
		"ListOAuthClients":       {"evalsha", func(int) error { _, _, err := s.ListOAuthClients(ctx, store.Page{}); return err }},
		"ProviderToken":          {"hget", func(i int) error { _, err := s.ProviderToken(ctx, fmt.Sprint("subject", i), "google"); return err }},
		"PutProviderToken":       {"evalsha", func(i int) error { return s.PutProviderToken(ctx, fmt.Sprint("new", i), "google", []byte("1")) }},
		"DeleteProviderToken":    {"evalsha", func(i int) error { return s.DeleteProviderToken(ctx, fmt.Sprint("new", i), "google") }},
		"DeleteProviderTokensOf": {"evalsha", func(i int) error { return s.DeleteProviderTokensOf(ctx, fmt.Sprint("new", i)) }},
		"RotateOAuthSecret": {"evalsha", func(i int) error {
			return s.RotateOAuthSecret(ctx, fmt.Sprint("client", i), redisSecret("next", now), now.Add(time.Hour), now)
		}},
		"ReplaceProviderToken": {"evalsha", func(i int) error {
			return s.ReplaceProviderToken(ctx, fmt.Sprint("subject", i), "google", []byte("1"), []byte("2"))
		}},
		"UnlockAttempts": {"evalsha", func(i int) error { return s.UnlockAttempts(ctx, "password", fmt.Sprint("ann", i)) }},
	} {
		t.Run(name, func(t *testing.T) {
			wantErr(t, stats.ConfigResetStat(ctx).Err(), nil)
			trips.reset()
			for i := range n {
				if err := op.call(i); err != nil {
					t.Fatal(err)
				}
			}
			if w, h := trips.writes.Load(), trips.commands.Load(); w != n || h != n {
				t.Errorf("%d calls were %d writes to the socket and %d commands, want %d of each", n, w, h, n)
			}
			if got := commandStats(t, stats)[op.command]; got.calls < n || got.failed != 0 {
				t.Errorf("the server counts %d times %s and %d failures, want %d and 0", got.calls, op.command, got.failed, n)
			}
			wantNoScan(t, stats)
		})
	}
}

// redisGuess is what one login is counted by.
func redisGuess(i int) []store.AttemptTake {
	ann := fmt.Sprint("ann", i)
	client := redisAttempt("192.0.2.1", "", 64)
	client.Account = false
	return []store.AttemptTake{redisAttempt(ann, "192.0.2.1", 5), redisAttempt(ann, "", 20), client}
}

// D5, D9: a denial that waits for a replica is one round trip, too.
func TestRedisWaitIsNoTripOfItsOwn(t *testing.T) {
	primary := servers.OwnRedis(t)
	servers.OwnRedisReplica(t, primary)
	var trips tripCounter
	c := redisWith(t, &redis.Options{Addr: primary.Addr, PoolSize: 1, PipelinePoolSize: -1, Dialer: trips.dial})
	s := openRedis(t, c, redisstore.Config{Wait: 1})
	loadScripts(t, s)
	trips.reset()
	now := time.Now()
	for i := range 20 {
		wantErr(t, s.ClaimOnce(t.Context(), "trips", store.DigestOf(fmt.Sprint(i)), now.Add(time.Hour), now), nil)
	}
	if n := trips.writes.Load(); n != 20 {
		t.Errorf("20 claims were %d writes to the socket", n)
	}
}

// tripCounter counts what a client sends.
type tripCounter struct{ writes, commands atomic.Int64 }

func (c *tripCounter) reset() {
	c.writes.Store(0)
	c.commands.Store(0)
}

func (c *tripCounter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	return countedConn{conn, &c.writes}, err
}

type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// DialHook and the two below are of redis.Hook.
func (c *tripCounter) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *tripCounter) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		c.commands.Add(1)
		return next(ctx, cmd)
	}
}

func (c *tripCounter) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		c.commands.Add(1)
		return next(ctx, cmds)
	}
}

type commandStat struct{ calls, failed int64 }

// commandStats is what the server has run since it started or was reset, by
// command; scripts' commands count, too.
func commandStats(t *testing.T, c *redis.Client) map[string]commandStat {
	t.Helper()
	text, err := c.Info(t.Context(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	stats := make(map[string]commandStat)
	for line := range strings.Lines(text) {
		name, fields, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":")
		if !ok {
			continue
		}
		var stat commandStat
		for field := range strings.SplitSeq(strings.TrimSpace(fields), ",") {
			_, _ = fmt.Sscanf(field, "calls=%d", &stat.calls)
			var n int64
			if _, err := fmt.Sscanf(field, "failed_calls=%d", &n); err == nil {
				stat.failed += n
			}
			if _, err := fmt.Sscanf(field, "rejected_calls=%d", &n); err == nil {
				stat.failed += n
			}
		}
		stats[name] = stat
	}
	return stats
}

// D5: no path walks the key space.
func wantNoScan(t *testing.T, c *redis.Client) {
	t.Helper()
	stats := commandStats(t, c)
	for _, name := range slices.Sorted(maps.Keys(stats)) {
		switch name {
		case "keys", "scan", "hscan", "sscan", "zscan", "randomkey", "dbsize", "smembers":
			t.Errorf("the server ran %s %d times", name, stats[name].calls)
		}
	}
}
