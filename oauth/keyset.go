package oauth

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"
)

const (
	// keysFor is how long keys serve before they are asked for again, and
	// staleKeysFor how long if that fails.
	keysFor      = time.Hour
	staleKeysFor = 24 * time.Hour
	// unknownEvery is how often unknown kids may cause a request. That one time
	// for all of them is what is kept of kids that somebody made up.
	unknownEvery = 30 * time.Second
)

// errUnknownKey says that no key, or more than one, fits a token.
var errUnknownKey = errors.New("authn/oauth: unknown key")

// keySet is the keys at a jwks_uri.
type keySet struct {
	url    string
	client *http.Client
	now    func() time.Time

	mu       sync.Mutex
	keys     []jwk
	fresh    time.Time     // from then on they are asked for again
	until    time.Time     // from then on they do not serve, come what may
	askAgain time.Time     // no request before for an unknown kid
	retryAt  time.Time     // no request before, after a failure
	failures int           // in a row
	failure  error         // of the last request
	flight   chan struct{} // closed when the request that is under way has ended
}

// key is the only one that fits, other than not. The error is errUnknownKey, or an
// outage: a key that the provider has begun to use just now is not to be called bad
// because its keys cannot be had.
func (s *keySet) key(ctx context.Context, alg, kid string, not crypto.PublicKey) (crypto.PublicKey, error) {
	for {
		s.mu.Lock()
		now := s.now()
		key, ok := s.find(alg, kid, not, now)
		fresh := now.Before(s.fresh)
		switch {
		case ok && (fresh || s.flight != nil || now.Before(s.retryAt)):
			s.mu.Unlock()
			return key, nil
		case s.flight != nil:
			flight := s.flight
			s.mu.Unlock()
			select {
			case <-flight:
			case <-ctx.Done():
				return nil, outage("keys", context.Cause(ctx))
			}
		case now.Before(s.retryAt):
			defer s.mu.Unlock()
			return nil, outage("keys", s.failure)
		case fresh && now.Before(s.askAgain):
			s.mu.Unlock()
			return nil, errUnknownKey
		default:
			s.flight = make(chan struct{})
			s.mu.Unlock()
			s.refresh(ctx, func() bool { _, ok := s.find(alg, kid, not, s.now()); return ok })
		}
	}
}

// find is the only key that fits; mu is held. Of several with one kid, and of
// several where the token names none, nobody can say which one is meant.
func (s *keySet) find(alg, kid string, not crypto.PublicKey, now time.Time) (found crypto.PublicKey, ok bool) {
	if !now.Before(s.until) {
		return nil, false
	}
	for _, k := range s.keys {
		if kid != "" && k.kid != kid || !k.fits(alg) {
			continue
		}
		if found != nil {
			return nil, false
		}
		found = k.key
	}
	if e, same := found.(interface{ Equal(crypto.PublicKey) bool }); same && not != nil && e.Equal(not) {
		return nil, false
	}
	return found, found != nil
}

// issuerOf is what the set says of a key that it has: whose tokens it signs.
func (s *keySet) issuerOf(key crypto.PublicKey) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if e, ok := k.key.(interface{ Equal(crypto.PublicKey) bool }); ok && e.Equal(key) {
			return k.issuer
		}
	}
	return ""
}

// refresh makes the one request; known reports whether what it was for is there
// now. It goes on when the client has gone: others wait.
func (s *keySet) refresh(ctx context.Context, known func() bool) {
	var keys []jwk
	err := errors.New("interrupted") // by a panic of the host's Transport
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := s.now()
		if err == nil {
			forUnknown := now.Before(s.fresh)
			s.keys, s.fresh, s.until = keys, now.Add(keysFor), now.Add(staleKeysFor)
			s.failures, s.failure, s.retryAt = 0, nil, time.Time{}
			if forUnknown || !known() {
				s.askAgain = now.Add(unknownEvery)
			}
		} else {
			s.failure = fmt.Errorf("authn/oauth: keys of %s: %w", s.url, err)
			s.retryAt = now.Add(backoff(s.failures))
			if now.Before(s.fresh) {
				s.retryAt = now.Add(unknownEvery)
			}
			s.failures++
		}
		close(s.flight)
		s.flight = nil
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err = getJSON(ctx, s.client, s.url, &set); err == nil {
		keys, err = parseKeys(set.Keys)
	}
}
