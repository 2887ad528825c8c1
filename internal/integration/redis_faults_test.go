package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D5: a server that has forgotten the scripts gets them again.
func TestRedisForgetsScripts(t *testing.T) {
	server := servers.OwnRedis(t)
	c := redisClient(t, server)
	s := openRedis(t, c, redisstore.Config{})
	now := time.Now()
	claim := func(d string) error {
		return s.ClaimOnce(t.Context(), "scripts", store.DigestOf(d), now.Add(time.Hour), now)
	}
	wantErr(t, claim("a"), nil)
	wantErr(t, c.ScriptFlush(t.Context()).Err(), nil)
	wantErr(t, claim("a"), store.ErrExists)
	wantErr(t, claim("b"), nil)
	stats := commandStats(t, c)
	if n := stats["eval"].calls; n != 2 {
		t.Errorf("the script travelled %d times, want 2: at first and after the flush", n)
	}
}

// D8: while the server is away calls are outages, within the client's timeout,
// and after it is back they work by themselves.
func TestRedisRestarts(t *testing.T) {
	server := servers.OwnRedis(t, "--appendonly", "yes", "--appendfsync", "always")
	c := redisWith(t, &redis.Options{
		Addr: server.Addr, DialTimeout: time.Second, ReadTimeout: 2 * time.Second, DialerRetries: 1, MaxRetries: 1,
	})
	s := openRedis(t, c, redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	k := redisKey("ann", "k", now)
	wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
	wantErr(t, s.RevokeAPIKey(ctx, "ann", "k", now), nil)

	server.Kill()
	start := time.Now()
	for what, err := range redisOutages(ctx, s, k, now) {
		if wantOutage(t, err); t.Failed() {
			t.Fatal(what)
		}
		var answer *authn.Error
		if errors.As(err, &answer) {
			t.Errorf("%s: %v has an answer of its own, %d", what, err, answer.Status)
		}
		if e := authn.AsError(err); e.Status != 503 {
			t.Errorf("%s: is answered %d, want 503", what, e.Status)
		}
	}
	if d := time.Since(start); d > patience {
		t.Errorf("the outages of all methods took %v", d)
	}

	wantErr(t, server.Start(), nil)
	eventually(t, "the store works again", func() error { return s.Check(ctx) })
	got, err := s.APIKeyByDigest(ctx, k.Digest)
	wantErr(t, err, nil)
	if !got.RevokedAt.Equal(now) {
		t.Error("the revocation that was acknowledged is gone")
	}
	wantErr(t, s.ClaimOnce(ctx, "jti", store.DigestOf("after"), now.Add(time.Hour), now), nil)
}

// redisOutages is what each method answers.
func redisOutages(ctx context.Context, s *redisstore.Store, k store.APIKey, now time.Time) map[string]error {
	errs := map[string]error{
		"Open":            s.Open(ctx),
		"Check":           s.Check(ctx),
		"ClaimOnce":       s.ClaimOnce(ctx, "jti", k.Digest, now.Add(time.Hour), now),
		"CreateAPIKey":    s.CreateAPIKey(ctx, redisKey(k.Owner, "new", now), store.APIKeyLimits{}, now),
		"RotateAPIKey":    s.RotateAPIKey(ctx, k.Owner, k.ID, redisKey(k.Owner, "next", now), now, now),
		"RevokeAPIKey":    s.RevokeAPIKey(ctx, k.Owner, k.ID, now),
		"RevokeAPIKeysOf": s.RevokeAPIKeysOf(ctx, k.Owner, now),
	}
	maps.Copy(errs, redisTokenOutages(ctx, s, now))
	maps.Copy(errs, redisSessionOutages(ctx, s, now))
	maps.Copy(errs, redisAccountOutages(ctx, s, now))
	maps.Copy(errs, redisTOTPOutages(ctx, s, now))
	_, errs["APIKeyByDigest"] = s.APIKeyByDigest(ctx, k.Digest)
	_, errs["APIKey"] = s.APIKey(ctx, k.Owner, k.ID)
	_, _, errs["ListAPIKeys"] = s.ListAPIKeys(ctx, k.Owner, store.Page{})
	_, errs["RecordAPIKeyUses"] = s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: k.ID, N: 1, At: now}})
	_, errs["ClaimExpiringAPIKeys"] = s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{}, 10, now)
	return errs
}

// D8: a wrong password is an outage that names itself.
func TestRedisWrongPassword(t *testing.T) {
	server := servers.OwnRedis(t, "--requirepass", "right")
	for password, want := range map[string]string{"wrong": "WRONGPASS", "": "NOAUTH"} {
		c := redisWith(t, &redis.Options{Addr: server.Addr, Password: password, MaxRetries: -1, DialerRetries: 1})
		s := newRedisStore(t, c, redisstore.Config{})
		if err := s.Open(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Open with password %q: %v, want %s", password, err, want)
		}
		_, err := s.APIKeyByDigest(t.Context(), store.DigestOf("a"))
		wantOutage(t, err)
	}
}

// D5: a user that is allowed what the package doc lists can do everything, and
// one that may not ask INFO learns what is missing.
func TestRedisACL(t *testing.T) {
	server := servers.OwnRedis(t)
	admin := redisClient(t, server)
	ctx := t.Context()
	for name, rules := range map[string][]string{
		"enough": {"on", ">secret", "~acl:*", "+@read", "+@write", "+@scripting", "+wait", "+time", "-@dangerous", "+info", "+@connection"},
		"noinfo": {"on", ">secret", "~acl:*", "+@read", "+@write", "+@scripting", "+wait", "+time", "-@dangerous", "+@connection"},
	} {
		wantErr(t, admin.ACLSetUser(ctx, name, rules...).Err(), nil)
	}
	connect := func(user string) *redisstore.Store {
		return newRedisStore(t, redisWith(t, &redis.Options{Addr: server.Addr, Username: user, Password: "secret"}), redisstore.Config{KeyPrefix: "acl:"})
	}
	s := connect("enough")
	wantErr(t, s.Open(ctx), nil)
	loadScripts(t, s)
	if err := connect("noinfo").Open(ctx); err == nil || !strings.Contains(err.Error(), "+info") {
		t.Errorf("Open of a user without INFO: %v, want it to name +info", err)
	}
}

// D8: a context that has ended ends the call, and the store is well after it.
func TestRedisContexts(t *testing.T) {
	s := openRedis(t, redisClient(t, nil), redisstore.Config{})
	now := time.Now()
	k := redisKey("ann", "k", now)
	wantErr(t, s.CreateAPIKey(t.Context(), k, store.APIKeyLimits{}, now), nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range redisOutages(ctx, s, k, now) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", what, err)
		}
	}
	got, err := s.APIKeyByDigest(t.Context(), k.Digest)
	wantErr(t, err, nil)
	if !got.RevokedAt.IsZero() || got.ReplacedBy != "" {
		t.Errorf("a call with a cancelled context changed %+v", got)
	}
	ended := make(chan error)
	ctx, cancel = context.WithCancel(t.Context())
	go func() { ended <- s.Run(ctx) }()
	cancel()
	wantErr(t, <-ended, nil)
}

// D8: with all connections taken a call is an outage after PoolTimeout.
func TestRedisPoolExhausted(t *testing.T) {
	c := redisWith(t, &redis.Options{
		Addr: servers.Redis(t).Addr, PoolSize: 1, PipelinePoolSize: -1, PoolTimeout: 50 * time.Millisecond, MaxRetries: -1,
	})
	s := openRedis(t, c, redisstore.Config{})
	taken := c.Conn()
	wantErr(t, taken.Ping(t.Context()).Err(), nil)
	now := time.Now()
	err := s.ClaimOnce(t.Context(), "jti", store.DigestOf("a"), now.Add(time.Hour), now)
	wantErr(t, err, redis.ErrPoolTimeout)
	wantOutage(t, err)
	wantErr(t, taken.Close(), nil)
	wantErr(t, s.ClaimOnce(t.Context(), "jti", store.DigestOf("a"), now.Add(time.Hour), now), nil)
}

// D5: names and values are bytes to Redis: none of them is a command, a pattern
// or a hash tag.
func TestRedisAwkwardValues(t *testing.T) {
	s := openRedis(t, redisCluster(t), redisstore.Config{})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	for i, text := range []string{
		"🔑 ключ", "'; DROP TABLE authn_api_keys; --", "{other slot}", "}{", "*", "a\r\nFLUSHALL\r\n",
		"]] redis.call('FLUSHALL') --[[", "%s%d", "none", ":", "-1", "nan", "inf",
	} {
		k := redisKey(text, fmt.Sprint(i, text), now)
		k.Name, k.Prefix, k.ExpiresAt = text, text, now.Add(time.Hour)
		k.Scopes, k.Metadata = []string{text, "", "\xff\x00" + text}, map[string]string{text: text, "": ""}
		k.LastAddr, k.Uses = netip.MustParseAddr("fe80::1%eth0"), 1<<60
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{MaxLive: 1}, now), nil)
		got, err := s.APIKey(ctx, text, k.ID)
		wantErr(t, err, nil)
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", k) {
			t.Errorf("%q: got %+v, want %+v", text, got, k)
		}
		wantErr(t, s.ClaimOnce(ctx, text, k.Digest, now.Add(time.Hour), now), nil)
		wantErr(t, s.ClaimOnce(ctx, text, k.Digest, now.Add(time.Hour), now), store.ErrExists)
		first, err := s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: k.ID, N: 1, At: now}})
		if err != nil || len(first) != 0 {
			t.Errorf("%q: first uses of %q, %v", text, first, err)
		}
		wantErr(t, s.RevokeAPIKeysOf(ctx, text, now), nil)
		wantListed(t, s, text, 1)
	}

	long := redisKey("ann", "long", now)
	long.Metadata = map[string]string{"long": strings.Repeat("🔑", 1<<18)}
	wantErr(t, s.CreateAPIKey(ctx, long, store.APIKeyLimits{}, now), nil)
	got, err := s.APIKeyByDigest(ctx, long.Digest)
	wantErr(t, err, nil)
	if got.Metadata["long"] != long.Metadata["long"] {
		t.Errorf("1 MB of metadata came back as %d bytes", len(got.Metadata["long"]))
	}
}

// D5: what the contract rules out is refused before the server sees it; looked
// up, it is not there.
func TestRedisRefusesWhatNoStoreTakes(t *testing.T) {
	s, refused, unasked := redisRefusals(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	good := redisKey("ann", "good", now)
	for text, long := range map[string]int{"nul\x00in it": 0, "\xff\xfe not UTF-8": 0, strings.Repeat("é", 128): 255, strings.Repeat("x", 65): 64} {
		for field, change := range map[string]func(k *store.APIKey){
			"ID":         func(k *store.APIKey) { k.ID = text },
			"ReplacedBy": func(k *store.APIKey) { k.ReplacedBy = text },
			"Owner":      func(k *store.APIKey) { k.Owner = text },
			"Name":       func(k *store.APIKey) { k.Name = text },
			"Prefix":     func(k *store.APIKey) { k.Prefix = text },
			"LastFour":   func(k *store.APIKey) { k.LastFour = text },
		} {
			if isID := field == "ID" || field == "ReplacedBy"; long == 64 && !isID {
				continue
			}
			k := redisKey("ann", "bad", now)
			change(&k)
			refused(fmt.Sprintf("CreateAPIKey, %s %q", field, text), s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now))
			refused(fmt.Sprintf("RotateAPIKey, %s %q", field, text), s.RotateAPIKey(ctx, "ann", "good", k, now, now))
		}
		for _, name := range [][2]string{{text, "good"}, {"ann", text}} {
			if long == 64 && name[0] == text {
				continue
			}
			_, err := s.APIKey(ctx, name[0], name[1])
			wantErr(t, err, store.ErrNotFound)
			_, _, err = s.ListAPIKeys(ctx, name[0], store.Page{Cursor: name[1]})
			wantErr(t, err, store.ErrNotFound)
			wantErr(t, s.RotateAPIKey(ctx, name[0], name[1], redisKey("ann", "next", now), now, now), store.ErrNotFound)
			wantErr(t, s.RevokeAPIKey(ctx, name[0], name[1], now), store.ErrNotFound)
		}
		if long != 64 {
			refused(fmt.Sprintf("RevokeAPIKeysOf %q", text), s.RevokeAPIKeysOf(ctx, text, now))
		}
		refused(fmt.Sprintf("ClaimOnce, purpose %q", text), s.ClaimOnce(ctx, text, good.Digest, now.Add(time.Hour), now))
	}
	refused("ClaimOnce without a purpose", s.ClaimOnce(ctx, "", good.Digest, now.Add(time.Hour), now))
	noID, undated := redisKey("ann", "", now), redisKey("ann", "undated", time.Time{})
	refused("CreateAPIKey without an ID", s.CreateAPIKey(ctx, noID, store.APIKeyLimits{}, now))
	refused("CreateAPIKey without CreatedAt", s.CreateAPIKey(ctx, undated, store.APIKeyLimits{}, now))
	unasked()
	wantErr(t, s.CreateAPIKey(ctx, good, store.APIKeyLimits{}, now), nil)
	first, err := s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "\x00", N: 1, At: now}, {ID: "good", N: 1, At: now}})
	if err != nil || len(first) != 1 {
		t.Errorf("uses next to one of an ID that cannot be: first uses of %q, %v", first, err)
	}
}

// redisRefusals is a store, a func that says when err is none that refuses a
// value, and one that says when the server was asked.
func redisRefusals(t *testing.T) (s *redisstore.Store, refused func(what string, err error), unasked func()) {
	t.Helper()
	c := redisClient(t, servers.OwnRedis(t))
	s = openRedis(t, c, redisstore.Config{})
	wantErr(t, c.ConfigResetStat(t.Context()).Err(), nil)
	refused = func(what string, err error) {
		t.Helper()
		if wantOutage(t, err); err == nil || !strings.HasPrefix(err.Error(), "authn/redisstore: ") {
			t.Errorf("%s: %v", what, err)
		}
	}
	return s, refused, func() {
		t.Helper()
		stats := commandStats(t, c)
		for _, name := range []string{"evalsha", "eval", "get", "mget", "hget", "hgetall"} {
			if stats[name].calls != 0 {
				t.Errorf("the server was asked: %v", stats)
			}
		}
	}
}

// D8: the deadline of a context ends a call on a server that hangs, long before
// the client's ReadTimeout and its retries would.
func TestRedisDeadlines(t *testing.T) {
	server := servers.OwnRedis(t)
	c := redisWith(t, &redis.Options{Addr: server.Addr, ReadTimeout: patience})
	s := openRedis(t, c, redisstore.Config{})
	now := time.Now().UTC().Truncate(time.Microsecond)
	k := redisKey("ann", "k", now)
	wantErr(t, s.CreateAPIKey(t.Context(), k, store.APIKeyLimits{}, now), nil)
	defer server.Pause()()
	for what, call := range map[string]func(ctx context.Context) error{
		"APIKeyByDigest": func(ctx context.Context) error { _, err := s.APIKeyByDigest(ctx, k.Digest); return err },
		"RevokeAPIKey":   func(ctx context.Context) error { return s.RevokeAPIKey(ctx, "ann", "k", now) },
		"ClaimOnce": func(ctx context.Context) error {
			return s.ClaimOnce(ctx, "jti", k.Digest, now.Add(time.Hour), now)
		},
		"Check": s.Check,
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		start := time.Now()
		wantOutage(t, call(ctx))
		if d := time.Since(start); d > patience/2 {
			t.Errorf("%s with a deadline of 200 ms took %v", what, d)
		}
		cancel()
	}
}

// D5, D8: one damaged row loses nothing but itself.
func TestRedisDamagedRows(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "damaged:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	row := func(k store.APIKey) string { return "damaged:{damaged:apikeys}k:" + k.Digest.String() }
	create := func(owner, id string) store.APIKey {
		k := redisKey(owner, id, now)
		k.ExpiresAt, k.LastAddr = now.Add(time.Minute), netip.MustParseAddr("192.0.2.1")
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
		return k
	}
	claim := func(want int) error {
		t.Helper()
		keys, err := s.ClaimExpiringAPIKeys(ctx, time.Hour, store.APIKeyLimits{MaxAge: 48 * time.Hour}, 10, now)
		if len(keys) != want {
			t.Errorf("%d keys are claimed, want %d: %v", len(keys), want, err)
		}
		return err
	}

	wantErr(t, c.HSet(ctx, row(create("addr", "addr")), "addr", "oops").Err(), nil)
	if keys := wantListed(t, s, "addr", 1); !t.Failed() && keys[0].LastAddr.IsValid() {
		t.Errorf("an unreadable address is read as %v", keys[0].LastAddr)
	}
	wantErr(t, claim(1), nil)

	create("mixed", "good")
	wantErr(t, c.HSet(ctx, row(create("mixed", "list")), "scopes", "9:x").Err(), nil)
	wantErr(t, c.HSet(ctx, row(create("mixed", "date")), "created", "oops").Err(), nil)
	wantErr(t, claim(1), nil)
	wantErr(t, claim(0), nil)
	wantErr(t, c.HSet(ctx, row(create("alone", "alone")), "scopes", "9:x").Err(), nil)
	if err := claim(0); err == nil || !strings.Contains(err.Error(), `"alone" is damaged`) {
		t.Errorf("a damaged row and no other: %v", err)
	}
	if _, _, err := s.ListAPIKeys(ctx, "mixed", store.Page{}); err == nil {
		t.Error("a list leaves out a damaged row, as if it were not there")
	}
}

// D8: a count that cannot be added to keeps no other from being counted, once.
func TestRedisDamagedCounts(t *testing.T) {
	c := redisClient(t, nil)
	s := openRedis(t, c, redisstore.Config{KeyPrefix: "counts:"})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	var uses []store.APIKeyUse
	for _, id := range []string{"a", "full", "b", "text", "when", "c"} {
		k := redisKey("ann", id, now)
		if id == "full" {
			k.Uses = 1<<63 - 1
		}
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
		uses = append(uses, store.APIKeyUse{ID: id, N: 2, At: now})
		for field, bad := range map[string]string{"text": "uses", "when": "used"} {
			if id == field {
				wantErr(t, c.HSet(ctx, "counts:{counts:apikeys}k:"+k.Digest.String(), bad, "oops").Err(), nil)
			}
		}
	}
	for round, want := range []int{4, 0} {
		first, err := s.RecordAPIKeyUses(ctx, uses)
		if err != nil || len(first) != want {
			t.Errorf("round %d: first uses of %q, %v, want %d of them", round, first, err, want)
		}
	}
	for id, want := range map[string]int64{"a": 4, "b": 4, "c": 4, "when": 4, "full": 1<<63 - 1} {
		if k, err := s.APIKey(ctx, "ann", id); err != nil || k.Uses != want || !k.LastUsedAt.Equal(now) {
			t.Errorf("%s: %d uses until %v, want %d until %v: %v", id, k.Uses, k.LastUsedAt, want, now, err)
		}
	}
}

// eventually waits until f answers nil, for a while.
func eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	end := time.After(patience)
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		err := f()
		if err == nil {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %v: %s: %v", patience, what, err)
		}
	}
}
