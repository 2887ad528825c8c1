// Package apikey is for machines: integrations, CI, partners, personal access
// tokens. Start with [New]; [Keys] is an [authn.Verifier].
//
//	keys, err := apikey.New(st, apikey.Config{Prefix: "acme_live", Scopes: []string{"orders:read"}})
//	key, err := keys.Create(ctx, "ada", apikey.Spec{Name: "ci", Scopes: []string{"orders:read"}})
//	fmt.Println(key.Secret.Reveal()) // shown once
//	mux.Handle("GET /orders", authn.Require(keys, authn.Scopes("orders:read"))(orders))
//
// # Keys
//
// A key is prefix_secret_checksum: the service's own prefix, 43 base62
// characters of 256 random bits, and 6 of the CRC-32 of what stands before
// them. Secret scanners find such keys (see [Keys.Pattern]), and a mistyped one
// costs no lookup. The store has its SHA-256 only: the key is shown once.
// This is version 1 of the format; a later one will differ in length, and keys
// of this one stay good.
//
// A client sends its key as X-API-Key, or in Authorization by the scheme Bearer
// or ApiKey, never in the URL, which ends up in logs. Behind a Keys a browser page needs no CSRF
// defence, since no browser sends these fields by itself.
//
// # Ends
//
// A key is good until it is revoked, until its ExpiresAt, or until
// Config.MaxAge after its creation, whichever comes first. Dead keys stay
// listed. Rotating gives a successor and lets the old key work on for a grace
// period, so that no deployment has to be simultaneous.
package apikey

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cache"
	"github.com/gatehouse-go/authn/internal/keytext"
	"github.com/gatehouse-go/authn/store"
)

// ErrScope says that a scope is not one of Config.Scopes, or none that the
// creator may give: 403 invalid_scope.
var ErrScope error = &authn.Error{
	Status: http.StatusForbidden, Code: "invalid_scope",
	Err: errors.New("authn/apikey: a scope is not in Config.Scopes, or the creator may not grant it"),
}

// Config of New. Only Prefix is required.
type Config struct {
	// Prefix begins every key, before an underscore: "acme_live". It is 1 to
	// 32 characters of [a-z0-9_], begins with a letter and does not end with
	// an underscore. Prefixes that scanners know as another company's are
	// refused. Services behind one FirstOf need prefixes of which none begins
	// with another and an underscore.
	Prefix string
	// Scopes are all that new keys may get. nil: none. Taking one away here
	// does not take it from existing keys: revoke them.
	Scopes []string
	// MaxAge ends every key so long after its creation; lowering it hits
	// existing keys. Defaults to 90 days.
	MaxAge time.Duration
	// SkipMaxAge lets keys without an ExpiresAt live for ever, leaked ones
	// included.
	SkipMaxAge bool
	// MaxPerOwner is how many live keys an owner may have when one is created.
	// Rotating is not capped: limit its rate as that of all management.
	// Defaults to 100.
	MaxPerOwner int
	// Legacy lets in the keys of older systems, see [Keys.Adopt].
	Legacy []Legacy
	// CacheTTL keeps lookups in this process, at most so long and at most
	// 10 000 known and 10 000 unknown keys. A revocation by this Keys is
	// effective at once, one by another instance or in a transaction of the
	// host's within CacheTTL; so is the end that a rotation sets. At most 5 min. Defaults to no cache.
	CacheTTL time.Duration
	// FlushInterval is how often last use, address and count are written, all
	// keys in one call of the store: by Run, or else by the first request
	// after it, which waits for that up to 250 ms. Defaults to 10 s.
	FlushInterval time.Duration
	// WarnBefore are the times before a key's end at which an EventExpiring
	// is sent. Defaults to 14, 3 and 1 days.
	WarnBefore []time.Duration
	// Managers are kinds that may use [Keys.Handler] beside KindUser, and
	// without the fresh factor that a KindUser needs. With KindKey in it, any
	// key manages its owner's keys, and those that it made outlive it: let the
	// route want a scope for that.
	Managers []authn.Kind
	// Grantable says which scopes id may give to a key, within Scopes. nil:
	// those that id has itself. It is asked whenever ctx carries an Identity.
	// Its errors are as of authn.Verifier.
	Grantable func(ctx context.Context, id *authn.Identity) ([]string, error)
	// OnEvent gets creations, rotations, revocations, first uses, refusals,
	// outages and warnings.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultMaxAge      = 90 * 24 * time.Hour
	defaultMaxPerOwner = 100
	defaultFlush       = 10 * time.Second
	maxCacheTTL        = 5 * time.Minute
	cacheEntries       = 10_000
)

// Keys makes API keys and verifies them. It is safe for concurrent use.
type Keys struct {
	st      store.APIKeys
	cfg     Config
	limits  store.APIKeyLimits
	formats []format // our own first
	expires string   // the field that OnAccept sets

	generation     atomic.Uint64 // of the caches: a write here voids them
	known, unknown *cache.Cache[store.Digest, cached]

	uses useTracker
}

var _ interface {
	authn.Verifier
	authn.Describer
} = (*Keys)(nil)

// New refuses a Config that is unsafe or contradicts itself.
func New(st store.APIKeys, cfg Config) (*Keys, error) {
	if st == nil {
		return nil, errors.New("authn/apikey: New needs a store, such as memstore.New")
	}
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("authn/apikey: %w", err)
	}
	cfg = cfg.withDefaults()
	k := &Keys{
		st: st, cfg: cfg, expires: expiresField(cfg.Prefix),
		limits: store.APIKeyLimits{MaxLive: cfg.MaxPerOwner, MaxAge: cfg.MaxAge},
	}
	k.formats = append(k.formats, newFormat(cfg.Prefix))
	for _, l := range cfg.Legacy {
		k.formats = append(k.formats, l.format())
	}
	if cfg.CacheTTL > 0 {
		k.known = cache.New[store.Digest, cached](cacheEntries)
		k.unknown = cache.New[store.Digest, cached](cacheEntries)
	}
	k.uses.init(cfg.FlushInterval, cfg.Now())
	return k, nil
}

// check says what is wrong with cfg, naming the field.
func (cfg Config) check() error {
	if err := checkPrefix(cfg.Prefix); err != nil {
		return err
	}
	for _, s := range cfg.Scopes {
		if !isScope(s) {
			return fmt.Errorf("Config.Scopes has %q: a scope is up to %d characters of printable ASCII without space, quote and backslash (RFC 6749 §3.3)", s, maxScope)
		}
	}
	switch {
	case cfg.MaxAge < 0:
		return errors.New("Config.MaxAge is negative: use SkipMaxAge for keys without an end")
	case cfg.SkipMaxAge && cfg.MaxAge > 0:
		return errors.New("Config.SkipMaxAge contradicts MaxAge")
	case cfg.MaxPerOwner < 0:
		return errors.New("Config.MaxPerOwner is negative")
	case cfg.CacheTTL < 0 || cfg.CacheTTL > maxCacheTTL:
		return fmt.Errorf("Config.CacheTTL is how late a revocation may be seen elsewhere: 0 to %s, not %s", maxCacheTTL, cfg.CacheTTL)
	case cfg.FlushInterval < 0:
		return errors.New("Config.FlushInterval is negative")
	case slices.ContainsFunc(cfg.WarnBefore, func(d time.Duration) bool { return d <= 0 }):
		return errors.New("Config.WarnBefore has a duration that is not over 0")
	case slices.ContainsFunc(cfg.Managers, func(kind authn.Kind) bool { return kind.String() == authn.Kind(0).String() }):
		return errors.New("Config.Managers has an invalid Kind")
	}
	ours := newFormat(cfg.Prefix)
	for _, l := range cfg.Legacy {
		if err := l.check(); err != nil {
			return err
		}
		if f := l.format(); f.length == ours.length && (strings.HasPrefix(f.prefix, ours.prefix) || strings.HasPrefix(ours.prefix, f.prefix)) {
			return fmt.Errorf("Config.Legacy %q looks like keys of our own format", l.Prefix)
		}
	}
	return nil
}

func (cfg Config) withDefaults() Config {
	cfg.Scopes = slices.Clone(cfg.Scopes)
	cfg.Legacy = slices.Clone(cfg.Legacy)
	cfg.Managers = slices.Clone(cfg.Managers)
	if cfg.MaxAge == 0 && !cfg.SkipMaxAge {
		cfg.MaxAge = defaultMaxAge
	}
	if cfg.MaxPerOwner == 0 {
		cfg.MaxPerOwner = defaultMaxPerOwner
	}
	if cfg.FlushInterval == 0 {
		cfg.FlushInterval = defaultFlush
	}
	if cfg.WarnBefore == nil {
		const day = 24 * time.Hour
		cfg.WarnBefore = []time.Duration{14 * day, 3 * day, day}
	}
	cfg.WarnBefore = slices.Sorted(slices.Values(cfg.WarnBefore)) // the shortest first
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// now is the caller's time of store calls, which keep microseconds.
func (k *Keys) now() time.Time { return k.cfg.Now().Truncate(time.Microsecond) }

// Middleware is authn.Require of these keys alone.
func (k *Keys) Middleware(next http.Handler) http.Handler { return authn.Require(k)(next) }

// Describe is of [authn.Describer].
func (k *Keys) Describe() authn.Description {
	return authn.Description{
		Challenges:  []authn.Challenge{{Scheme: "ApiKey"}},
		Credentials: []string{"X-Api-Key", "Authorization"},
	}
}

// Pattern is a regular expression (RE2) that finds these keys, for secret
// scanners.
func (k *Keys) Pattern() string {
	return fmt.Sprintf(`\b%s_[0-9A-Za-z]{%d}_[0-9A-Za-z]{%d}\b`, k.cfg.Prefix, keytext.SecretLen, keytext.SumLen)
}

// expiresField is "Acme-Live-Key-Expires" for the prefix "acme_live".
func expiresField(prefix string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(prefix, "_", "-") + "-Key-Expires")
}
