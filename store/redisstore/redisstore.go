// Package redisstore keeps the records of package store in Redis: a single
// server, a primary with replicas behind Sentinel, or Redis Cluster, by go-redis.
//
//	client := redis.NewUniversalClient(&redis.UniversalOptions{
//		Addrs:                 []string{"redis:6379"},
//		ContextTimeoutEnabled: true, // or a deadline of a request ends nothing
//	})
//	s, err := redisstore.New(client, redisstore.Config{})
//	…
//	err = s.Open(ctx) // refuses a Redis that evicts
//
// It is tested on Redis 7.0 and uses no command that 6.2 lacks. Each method is
// one command or one Lua script, so one round trip; scripts travel as their
// hash, and whole when the server has forgotten them. They compute names of
// keys from others, which proxies that want each key declared do not take.
//
// # What lies where
//
// Each key begins with Config.KeyPrefix. What must change together lies in one
// slot, so that Redis Cluster can do it:
//
//	<prefix>{<prefix>apikeys}…            API keys, all of them: one slot
//	<prefix>{<prefix>signingkeys}         signing keys: one hash
//	<prefix>{once:<purpose>:<digest>}     claims, a key each: over all slots
//	<prefix>{<tag>}…                      tokens, refresh families, sessions, TOTPs and
//	                                      providers' tokens of the subjects with this
//	                                      [store.TagOf]
//	<prefix>{<prefix>passwords}…          passwords: one slot
//	<prefix>{<prefix>onetime}…            one-time tokens: one slot
//	<prefix>{<prefix>oauthclients}…       OAuth clients: one slot
//	<prefix>{<digest of a Key>}limit:…    limits, and attempts:…, of this Key: over
//	                                      all slots
//
// API keys are found by digest and capped by owner, so they cannot be spread:
// one shard of a cluster bears all their load, and its memory is their limit:
// some ten thousands of reads a second, about 1 kB a key (a claim is 270 bytes).
// Package apikey's cache takes the reads off it; for more, take SQL.
//
// While a cluster moves that slot to another node, APIKeyByDigest goes on, and
// all other methods of API keys are outages until it has arrived: a script
// would see only a part of the keys. Move it when nobody needs to revoke. While
// another slot moves, the tokens of its subjects (one of 16384) cannot be
// verified, nor refreshed, for the same reason. Sessions of theirs are read, but
// not begun, changed or ended; TOTPs are read, and no code is taken; providers' tokens
// are read and replaced, and not put or deleted. Signing keys are one key, which is
// here or there.
//
// Passwords and one-time tokens are for one shard, too, about 400 bytes each. While
// their slot moves they are found by name and by digest; all else is an outage. It
// is so with OAuth clients, too, which are found by ID and take about 1.3 kB, and a
// JWKS more. A TOTP takes about 1.2 kB, a provider's token 300 bytes and itself.
//
// A limit takes about 200 bytes, and 8 for each take that a window holds, until a
// minute after nothing of it is spent; attempts as much for each Sub, until a day
// after the last lock. What is counted in a row by DisableAfter is forgotten after
// 30 days without an attempt, and what is disabled never is. Of a Key there are 64
// Subs; further ones share a counter, which a success gives back to and does not
// clear. One script takes from all limits of a call; in a cluster one for each Key,
// in the order of the call. Then what a later one refuses is given back, and for
// that moment others may be refused; that is tried until 250 ms after the end of
// the call's context, and for a minute at most. While a slot moves, calls that
// take from two limits of a Key and successes of attempts may be outages. If a
// Redis's clock goes back, as by a failover, windows and locks last until it has
// caught up.
//
// The ID of a family is unique among the subjects of one tag, which is all that
// a slot can know. It is random, and found by its tag, so that does not matter.
//
// A session is read by one GET. It takes about 1 kB and its data, all of which
// each change writes again. RevokeSessionsOf is one script, which takes some 10 ms
// for a thousand sessions; other calls wait for it.
//
// API keys and OAuth clients have no TTL and are never deleted; passwords, TOTPs and
// providers' tokens have none, either. What DeleteTOTP leaves goes 13 months later.
// Nor is a subject's version deleted, which there is from its first RevokeTokensOf
// on, nor when RevokeSessionsOf was called last. A signing key that ended over a day ago is
// deleted when the next one is added. The TTL of a claim, a one-time token, a
// revoked token, a family and a session is a day longer than these are good (over
// 200 years count as 200), so that it does not matter which of two clocks is right.
// A family takes about 1.2 kB. Nothing is found by KEYS or SCAN.
//
// # What may be lost
//
// Redis acknowledges a write before its replicas have it. A failover within
// that moment forgets it: a claim can be made again, a revoked key lives again.
// Config.Wait makes what denies something wait for replicas, but for limits, attempts
// and guesses at a TOTP: the last of these may be forgotten. That leaves two holes,
// which Redis cannot close. A failover may choose a replica that is not among those
// that have it, unless Wait is the number of all replicas. And a client that is cut
// off together with the old primary goes on reading from it what was revoked at the
// new one, until the partition ends; min-replicas-to-write stops that primary's
// writes, so that no claim is made twice, but not its reads.
//
// A restart forgets what is not on disk: the defaults of Redis lose the last
// minutes. Set appendonly yes, and appendfsync always if no denial may be lost.
//
// When memory is full, Redis with maxmemory-policy noeviction refuses new
// records, which is [store.ErrFull]. To it a use of a refresh token or of a TOTP's
// code, a token that is revoked by its ID, what is counted, and all that a session
// has written are such. All other revoking still works: keys, families, sessions, all
// tokens of a subject, signing keys, one-time tokens, TOTPs, OAuth clients, providers'
// tokens. So does changing a password, claiming a one-time token, using a recovery
// code, changing an OAuth client or its secret, replacing a provider's token, unlocking
// and logging out. Other policies delete records: Open and Check refuse them, but for
// Config.InsecureAllowEviction. Set it on replicas, too: theirs counts once a failover
// has promoted them, and Check does not see it before.
//
// Redis must not be shared with anybody who may not read or change credentials.
// By ACL the store needs the keys of its prefix and the commands of @read,
// @write, @scripting and @connection, INFO, TIME and WAIT; in a cluster the client
// also asks COMMAND and CLUSTER.
package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// Config of New. The zero Config is good for a single Redis.
type Config struct {
	// KeyPrefix begins the names of all keys. Two services or tenants that
	// share a Redis need two. Braces are refused, since they choose the slot.
	// Defaults to "authn:".
	KeyPrefix string
	// Wait is how many replicas must have a denial (a claim, a revocation, a
	// rotation, the use of a refresh token or of a code, a login, a logout, another
	// password, a change of an OAuth client) before it is answered. If fewer have it
	// within a second, the call is an outage; the denial may hold nevertheless. Open
	// and Check refuse a primary that has fewer. 0: a failover may lose it.
	Wait int
	// InsecureAllowEviction accepts a maxmemory-policy other than noeviction.
	// When memory is full, Redis then deletes claims, so that what is good once
	// is good again, limits, locks, revocations of tokens, and the indexes by which the sessions
	// of a subject are revoked; with allkeys-… also versions of subjects, by
	// which all their tokens are, when their sessions were, and the index by which
	// the keys of an owner are.
	InsecureAllowEviction bool
	// ClockOffset is added to the server's clock, for tests. nil adds nothing.
	ClockOffset func() time.Duration
}

const defaultKeyPrefix = "authn:"

// Store implements [store.Store]. Its clock is the primary's. It is safe for
// concurrent use.
type Store struct {
	client redis.UniversalClient
	cfg    Config
	// apiKeys begins the names of all keys of that concern.
	apiKeys string
	// declared are the keys that scripts of API keys are called with. They name
	// the slot and never exist. They are two because of a slot that is moving:
	// its old node sends calls with absent keys to the new one, and that runs
	// scripts on the part of the rows that it has, unless several keys are
	// declared; then it refuses them with TRYAGAIN.
	declared []string
	// signingKeys is the one key of that concern.
	signingKeys string
	// passwords, oneTime and oauthClients are what scripts of these concerns are
	// called with, as declared.
	passwords, oneTime, oauthClients []string
}

var (
	_ store.Store         = (*Store)(nil)
	_ store.Tokens        = (*Store)(nil)
	_ store.SigningKeys   = (*Store)(nil)
	_ store.Sessions      = (*Store)(nil)
	_ store.PasswordTable = (*Store)(nil)
	_ store.OneTime       = (*Store)(nil)
	_ store.Limits        = (*Store)(nil)
)

// New is a store in Redis. It connects to nothing; Open does.
//
// The client is a *redis.Client or a *redis.ClusterClient, as
// redis.NewUniversalClient makes them. New refuses one that reads from replicas
// (ReadOnly, RouteByLatency, RouteRandomly) or from a client-side cache, since a
// revoked key would live on there, and those of which it cannot tell: a
// *redis.Ring also forgets when a shard is down. It refuses one without
// ContextTimeoutEnabled, too: its calls go on after the deadline of their
// context, for ReadTimeout and each retry. Open and Check refuse a server that
// is a replica, whatever the client says. The client is the caller's to close.
func New(c redis.UniversalClient, cfg Config) (*Store, error) {
	if cfg.KeyPrefix == "" {
		cfg.KeyPrefix = defaultKeyPrefix
	}
	if strings.ContainsAny(cfg.KeyPrefix, "{}") {
		return nil, fmt.Errorf("authn/redisstore: Config.KeyPrefix %q has braces, which choose the slot", cfg.KeyPrefix)
	}
	if cfg.Wait < 0 {
		return nil, errors.New("authn/redisstore: Config.Wait is negative")
	}
	var readTimeout time.Duration
	var deadlines bool
	switch c := c.(type) {
	case *redis.Client:
		if c == nil {
			return nil, errNoClient
		}
		o := c.Options()
		if o.ClientSideCache != nil || o.ClientSideCacheConfig != nil {
			return nil, errors.New("authn/redisstore: the client has a client-side cache, in which a revoked key lives on; take one without")
		}
		readTimeout, deadlines = o.ReadTimeout, o.ContextTimeoutEnabled
	case *redis.ClusterClient:
		if c == nil {
			return nil, errNoClient
		}
		o := c.Options()
		if o.ReadOnly || o.RouteByLatency || o.RouteRandomly {
			return nil, errors.New("authn/redisstore: the client reads from replicas, where a revoked key lives on; take one without ReadOnly, RouteByLatency and RouteRandomly")
		}
		readTimeout, deadlines = o.ReadTimeout, o.ContextTimeoutEnabled
	case nil:
		return nil, errNoClient
	default:
		return nil, fmt.Errorf("authn/redisstore: of a %T nobody can tell where it reads; take a *redis.Client or a *redis.ClusterClient", c)
	}
	if !deadlines {
		return nil, errors.New("authn/redisstore: the client ignores the deadline of a context: set ContextTimeoutEnabled in redis.Options")
	}
	if cfg.Wait > 0 && readTimeout > 0 && readTimeout <= waitFor {
		return nil, fmt.Errorf("authn/redisstore: Config.Wait waits %v for replicas: the client's ReadTimeout must be longer, not %v", waitFor, readTimeout)
	}
	s := &Store{client: c, cfg: cfg}
	// Two services that share a cluster get slots of their own.
	s.declared = s.declaredOf(cfg.KeyPrefix + "apikeys")
	s.passwords = s.declaredOf(cfg.KeyPrefix + "passwords")
	s.oneTime = s.declaredOf(cfg.KeyPrefix + "onetime")
	s.oauthClients = s.declaredOf(cfg.KeyPrefix + "oauthclients")
	s.apiKeys, s.signingKeys = s.declared[0], s.ofTag(cfg.KeyPrefix+"signingkeys")
	return s, nil
}

var errNoClient = errors.New("authn/redisstore: New needs a client")

// Run has nothing to delete: Redis does that by TTL. It answers nil when ctx
// ends.
func (s *Store) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
