package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
)

// RemoteConfig of NewRemoteKeys. The zero RemoteConfig is good.
type RemoteConfig struct {
	// Transport makes the requests: for a proxy, a private CA, or a client
	// certificate. Which address it dials is not checked, nor does it follow
	// redirects. nil is http.DefaultTransport.
	Transport http.RoundTripper
	// MaxStale is how long keys serve beyond their lifetime while the source
	// is down (stale-if-error of RFC 5861 §4). Until it is over, a key that the
	// source has withdrawn meanwhile still verifies. Defaults to 24 h.
	MaxStale time.Duration
	// OnEvent gets the first of several failures in a row, the recovery, and a
	// warning of keys that cannot be used, once for each such set. It is called
	// before those who wait for the keys go on, in the fetch's context.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const defaultMaxStale = 24 * time.Hour

// RemoteKeys are the keys of a JWK Set (RFC 7517 §5) at a URL: a [KeySource].
// It is safe for concurrent use.
//
// The set is fetched by the first lookup and kept for its Cache-Control:
// max-age (less Age), which is taken as at least 1 minute and at most 24 hours,
// or for 10 minutes if the source names none. Nothing else of the answer's
// fields is obeyed. It is fetched again ahead of that time, in the background
// of a lookup, which need not wait; only a lookup that finds a set beyond its
// lifetime waits. A key that a new set lacks verifies no longer.
//
// A kid that the set lacks has it fetched again too, but not within 30 seconds
// after that happened last: meanwhile it is unknown, or an outage if the source
// fails. So tokens with made-up kids cost the source little, and good tokens
// nothing, and a new key is found within 30 seconds of its first use at the
// latest: publish keys before they sign.
//
// A fetch takes at most 10 seconds, follows no redirect, and wants status 200
// and at most 1 MiB of JSON with at most 100 keys. Of these, the ones that
// cannot be used are skipped: unknown types, keys that are too weak or not for
// signatures, symmetric ones, and all that share a kid. A private key burns
// its kid. Where no key is left, the fetch has failed, and the keys from before
// stay.
type RemoteKeys struct {
	url, host string
	client    http.Client
	cfg       RemoteConfig

	ctx    context.Context // of every fetch: it is no request's
	cancel context.CancelFunc

	set atomic.Pointer[remoteSet] // never nil

	mu       sync.Mutex
	flight   *flight   // nil while no fetch runs
	failure  error     // of the last fetch
	failures int       // in a row
	retryAt  time.Time // no fetch before, where nothing serves
	askAgain time.Time // no fetch before for an unknown kid
	skipped  string    // what the last warning said
	closed   bool
}

var _ KeySource = (*RemoteKeys)(nil)

// remoteSet is what a lookup reads, without a lock. It is replaced as a whole.
// The zero remoteSet has no keys and is none that serves.
type remoteSet struct {
	keys  map[string]Key // by kid
	due   time.Time      // from then on a lookup starts a refresh
	fresh time.Time      // from then on a lookup waits for it
	until time.Time      // from then on these keys do not serve, come what may
}

// key is the one with this kid, or the only one if kid is "".
func (s *remoteSet) key(kid string) (Key, bool) {
	if kid == "" {
		if len(s.keys) == 1 {
			for _, key := range s.keys {
				return key, true
			}
		}
		return Key{}, false
	}
	key, ok := s.keys[kid]
	return key, ok
}

var errClosed = errors.New("authn/jwtauth: RemoteKeys are closed")

// NewRemoteKeys makes no request. url is the jwks_uri of an OpenID provider, or
// what [KeyRing.JWKS] serves elsewhere; its scheme is https, or http if its
// host is localhost or a loopback address. Close it when it is no longer needed.
func NewRemoteKeys(url string, cfg RemoteConfig) (*RemoteKeys, error) {
	host, err := checkSetURL(url)
	if err != nil {
		return nil, fmt.Errorf("authn/jwtauth: NewRemoteKeys: %w", err)
	}
	if cfg.MaxStale < 0 {
		return nil, errors.New("authn/jwtauth: RemoteConfig.MaxStale is negative")
	}
	if cfg.MaxStale == 0 {
		cfg.MaxStale = defaultMaxStale
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	k := &RemoteKeys{url: url, host: host, cfg: cfg, client: http.Client{
		Transport: cfg.Transport,
		// The answer is then the redirect itself, whose status is no 200.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	k.ctx, k.cancel = context.WithCancel(context.Background())
	k.set.Store(&remoteSet{})
	return k, nil
}

// VerificationKey is of [KeySource]. It waits for a fetch, no longer than ctx
// lasts, if there are no keys yet, if they are beyond their lifetime, or if kid
// is unknown. While old keys serve because the source is down, they do at once.
func (k *RemoteKeys) VerificationKey(ctx context.Context, kid string) (Key, error) {
	set, now := k.set.Load(), k.cfg.Now()
	if key, ok := set.key(kid); ok && now.Before(set.fresh) {
		if !now.Before(set.due) {
			k.refresh(now)
		}
		return key, nil
	}
	f, key, err := k.ask(kid, now)
	if f == nil {
		return key, err
	}
	select {
	case <-f.done:
	case <-ctx.Done():
		return Key{}, fmt.Errorf("authn/jwtauth: waiting for the keys of %s: %w", k.host, context.Cause(ctx))
	}
	key, ok := f.set.key(kid)
	switch {
	case ok && (f.err == nil || k.cfg.Now().Before(f.set.fresh)):
		return key, nil
	case f.err != nil:
		return Key{}, f.err
	}
	return Key{}, ErrUnknownKey
}

// Close ends a fetch that is under way and waits until it has gone, or ctx is
// done. From then on every lookup is an outage. It may be called again.
func (k *RemoteKeys) Close(ctx context.Context) error {
	k.mu.Lock()
	k.closed = true
	k.set.Store(&remoteSet{})
	f := k.flight
	k.mu.Unlock()
	k.cancel()
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("authn/jwtauth: closing RemoteKeys: %w", context.Cause(ctx))
	}
}
