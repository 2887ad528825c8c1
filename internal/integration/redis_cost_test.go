package integration_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// D9: what the hot operations cost over the bare client doing the same: the
// median of the ratios of rounds in which the two take turns. It is logged, not
// judged: the machine may be busy. TestRedisRoundTrips holds what is certain.
func TestRedisCost(t *testing.T) {
	const batch = 100
	c := redisClient(t, nil)
	prefix := fmt.Sprintf("cost%d:", redisPrefixes.Add(1))
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	ctx, now := t.Context(), time.Now().UTC()
	loadScripts(t, s)
	var uses []store.APIKeyUse
	var args []any
	for i := range batch {
		k := redisKey(fmt.Sprint("owner", i), fmt.Sprint("key", i), now)
		wantErr(t, s.CreateAPIKey(ctx, k, store.APIKeyLimits{}, now), nil)
		uses = append(uses, store.APIKeyUse{ID: k.ID, N: 1, At: now})
		args = append(args, k.ID, 1, now.UnixMicro(), "")
	}
	k, err := s.APIKey(ctx, "owner7", "key7")
	wantErr(t, err, nil)
	// The bare client keeps the same rows and finds them in the same way.
	bare := fmt.Sprintf("bare%d:", redisPrefixes.Add(1))
	for i, use := range uses {
		digest := store.DigestOf(fmt.Sprint("bare", i)).String()
		wantErr(t, c.Set(ctx, bare+"i:"+use.ID, digest, 0).Err(), nil)
		wantErr(t, c.HSet(ctx, bare+"k:"+digest, "id", use.ID, "owner", k.Owner, "created", now.UnixMicro(), "used", "0",
			"call", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "name", k.Name, "prefix", k.Prefix, "last4", k.LastFour,
			"scopes", "11:orders:read", "meta", "4:team4:blue").Err(), nil)
	}
	bareRow := bare + "k:" + store.DigestOf("bare7").String()

	token := redisToken(redisFamily("ann", "cost", now))
	wantErr(t, s.CreateFamily(ctx, redisFamily("ann", "cost", now)), nil)
	wantErr(t, c.Set(ctx, bare+"family", "ann", 0).Err(), nil)

	session := redisSession("ann", "cost", now)
	wantErr(t, redisLogin(ctx, s, session, store.SessionRef{}), nil)
	sessionRow := prefix + "{" + session.Ref.Tag + "}session:" + session.Ref.Token.String()
	wantErr(t, c.Get(ctx, sessionRow).Err(), nil)

	n := 0 // of claims, each a new one
	claim := redis.NewScript(`local v = redis.call('GET', KEYS[1])
if v and tonumber(ARGV[2]) < tonumber(v) then return 'exists' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[3])
return 'ok'`)
	record := redis.NewScript(`local first = {}
for i = 1, #ARGV, 4 do
  local digest = redis.call('GET', KEYS[1] .. 'i:' .. ARGV[i])
  if digest then
    local row = KEYS[1] .. 'k:' .. digest
    local n = redis.call('HINCRBY', row, 'uses', ARGV[i + 1])
    if n == tonumber(ARGV[i + 1]) then first[#first + 1] = ARGV[i] end
    local used = redis.call('HGET', row, 'used')
    if tonumber(used) < tonumber(ARGV[i + 2]) then redis.call('HSET', row, 'used', ARGV[i + 2], 'addr', ARGV[i + 3]) end
  end
end
return first`)
	logCosts(t, []costRow{
		{
			"APIKeyByDigest", 100,
			func(ctx context.Context) error { _, err := s.APIKeyByDigest(ctx, k.Digest); return err },
			func(ctx context.Context) error { return c.HGetAll(ctx, bareRow).Err() },
		},
		{
			"TokenRevoked", 100,
			func(ctx context.Context) error { return wantRevoked(ctx, s, token, now, "") },
			func(ctx context.Context) error { return c.MGet(ctx, bare+"version", bare+"token", bare+"family").Err() },
		},
		{
			"SessionByRef", 100,
			func(ctx context.Context) error { _, err := s.SessionByRef(ctx, session.Ref, now); return err },
			func(ctx context.Context) error { return c.Get(ctx, sessionRow).Err() },
		},
		{
			"ClaimOnce", 100,
			func(ctx context.Context) error {
				n++
				return s.ClaimOnce(ctx, "cost", store.DigestOf(fmt.Sprint(n)), now.Add(time.Hour), now)
			},
			func(ctx context.Context) error {
				n++
				key := bare + store.DigestOf(fmt.Sprint(n)).String()
				return claim.Run(ctx, c, []string{key}, now.Add(time.Hour).UnixMicro(), now.UnixMicro(), (25 * time.Hour).Milliseconds()).Err()
			},
		},
		{
			fmt.Sprintf("RecordAPIKeyUses of %d", batch), 20,
			func(ctx context.Context) error { _, err := s.RecordAPIKeyUses(ctx, uses); return err },
			func(ctx context.Context) error { return record.Run(ctx, c, []string{bare}, args...).Err() },
		},
	})
}

// costRow is an operation, and the bare client doing the same.
type costRow struct {
	name       string
	calls      int // in a round
	ours, bare func(ctx context.Context) error
}

func logCosts(t *testing.T, rows []costRow) {
	t.Helper()
	const rounds = 31
	for _, op := range rows {
		run := func(f func(context.Context) error) time.Duration {
			start := time.Now()
			for range op.calls {
				if err := f(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			return time.Since(start)
		}
		var ratios []float64
		var our, their []time.Duration
		for round := range rounds + 1 {
			var a, b time.Duration
			if round%2 == 0 {
				a, b = run(op.ours), run(op.bare)
			} else {
				b, a = run(op.bare), run(op.ours)
			}
			if round > 0 { // the first one warms up
				ratios, our, their = append(ratios, float64(a)/float64(b)), append(our, a), append(their, b)
			}
		}
		t.Logf("%-28s %8v, bare %8v, ratio %.3f", op.name, median(our)/time.Duration(op.calls), median(their)/time.Duration(op.calls), median(ratios))
	}
}

func median[T float64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}
