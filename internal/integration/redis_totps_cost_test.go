package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/redisstore"
)

// The scripts that a program of its own would write for the same, without a
// memory of their calls.
var (
	bareReserve = redis.NewScript(`local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local secret, row, recent, recent_at, wait = unpack(redis.call('HMGET', KEYS[1], 'secret', 'row', 'recent', 'recent_at', 'wait'))
if not secret then return 'not found' end
row, recent, recent_at, wait = tonumber(row or 0), tonumber(recent or 0), tonumber(recent_at or 0), tonumber(wait or 0)
if row >= tonumber(ARGV[4]) then return 0 end
if now < wait then return wait - now end
if now >= recent_at + ARGV[5] then recent, recent_at = 0, now end
row, recent = row + 1, recent + 1
if row > tonumber(ARGV[1]) then wait = now + math.min(ARGV[2] * 2 ^ (row - ARGV[1] - 1), tonumber(ARGV[3])) end
redis.call('HSET', KEYS[1], 'row', row, 'recent', recent, 'recent_at', string.format('%.0f', recent_at), 'wait', string.format('%.0f', wait))
return redis.call('HGETALL', KEYS[1])`)
	bareAccept = redis.NewScript(`local secret, step, recent = unpack(redis.call('HMGET', KEYS[1], 'secret', 'step', 'recent'))
if secret ~= ARGV[1] or tonumber(step) >= tonumber(ARGV[2]) then return 'conflict' end
redis.call('HSET', KEYS[1], 'step', ARGV[2], 'row', 0, 'recent', math.max((recent or 0) - 1, 0), 'wait', 0)
return 'ok'`)
)

// D9: what a code, a client and a token of a provider cost over a script of one's
// own. It is logged, not judged, as in TestRedisCost.
func TestRedisTOTPCost(t *testing.T) {
	c := redisClient(t, servers.OwnRedis(t))
	const prefix = "cost:"
	s := openRedis(t, c, redisstore.Config{KeyPrefix: prefix})
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	client := redisOAuthClient("batch", now)
	wantErr(t, s.CreateOAuthClient(ctx, client), nil)
	wantErr(t, redisEnrol(ctx, s, "ann", "ann", now), nil)
	wantErr(t, s.PutProviderToken(ctx, "ann", "google", make([]byte, 1000)), nil)
	row := prefix + "{" + store.TagOf("ann") + "}totp:ann"
	all, err := c.HGetAll(ctx, row).Result()
	wantErr(t, err, nil)
	wantErr(t, c.HSet(ctx, "bare", all).Err(), nil)
	p := redisGuesses
	p.Free, p.MaxRow = 1<<30, 1<<30
	step, bare := int64(100), int64(100)
	logCosts(t, []costRow{
		{
			"OAuthClient", 200,
			func(ctx context.Context) error { _, err := s.OAuthClient(ctx, "batch"); return err },
			func(ctx context.Context) error { return c.HGetAll(ctx, prefix+"{cost:oauthclients}client:batch").Err() },
		},
		{
			"ProviderToken", 200,
			func(ctx context.Context) error { _, err := s.ProviderToken(ctx, "ann", "google"); return err },
			func(ctx context.Context) error {
				return c.HGet(ctx, prefix+"{"+store.TagOf("ann")+"}provider-tokens:ann", "google").Err()
			},
		},
		{
			"ReserveTOTP", 200,
			func(ctx context.Context) error { _, _, err := s.ReserveTOTP(ctx, "ann", p); return err },
			func(ctx context.Context) error {
				return bareReserve.Run(ctx, c, []string{"bare"}, p.Free, 60_000_000, 3_600_000_000, p.MaxRow, 86_400_000_000).Err()
			},
		},
		{
			"AcceptTOTP", 200,
			func(ctx context.Context) error {
				step++
				return s.AcceptTOTP(ctx, "ann", redisSealed("ann"), step, nil)
			},
			func(ctx context.Context) error {
				bare++
				if answer, err := bareAccept.Run(ctx, c, []string{"bare"}, redisSealed("ann"), bare).Result(); err != nil || answer != "ok" {
					return fmt.Errorf("%v, %w", answer, err)
				}
				return nil
			},
		},
	})
}
