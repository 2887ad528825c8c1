package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// KeyRing signs with one key and verifies with all: a [KeySource]. One is made
// by [NewKeyRing] of keys that the host has, or by [OpenKeyRing] of keys that
// the instances of a service share and change. It is safe for concurrent use.
type KeyRing struct {
	fixed     *keySet     // of NewKeyRing
	shared    *sharedRing // of OpenKeyRing
	published atomic.Pointer[jwks]
}

var _ KeySource = (*KeyRing)(nil)

var (
	errNoRing    = errors.New("authn/jwtauth: empty KeyRing: make one by NewKeyRing or OpenKeyRing")
	errFixedRing = errors.New("authn/jwtauth: the keys of NewKeyRing are fixed: deploy it with others, or use OpenKeyRing")
)

// NewKeyRing has these keys, and the first one signs. Keys that only verify may
// follow: the predecessors, whose tokens live on. HMAC keys and public keys may
// stand side by side while one migrates.
//
// An instance refuses what it has no key for: give a new key to all of them, in
// second place, before it becomes the first.
func NewKeyRing(keys ...Key) (*KeyRing, error) {
	if len(keys) == 0 {
		return nil, errors.New("authn/jwtauth: NewKeyRing needs a key: GenerateKey is for development, ParsePEM and HMACKey read what the environment has")
	}
	set := &keySet{generation: 1}
	for i, key := range keys {
		switch {
		case key.isZero():
			return nil, fmt.Errorf("authn/jwtauth: key %d of NewKeyRing is the zero Key", i+1)
		case i == 0 && !key.canSign():
			return nil, fmt.Errorf("authn/jwtauth: key %q stands first in NewKeyRing and cannot sign: it is public only", key.ID())
		case set.index(key.ID()) >= 0:
			return nil, fmt.Errorf("authn/jwtauth: two keys of NewKeyRing have the kid %q", key.ID())
		}
		set.keys = append(set.keys, ringKey{SigningKey: store.SigningKey{ID: key.ID()}, key: key})
	}
	return &KeyRing{fixed: set}, nil
}

// maxTokenAge is how long a token of this ring may live.
func (r *KeyRing) maxTokenAge() time.Duration {
	if r.shared == nil {
		return defaultMaxLifetime
	}
	return min(r.shared.cfg.MaxTokenAge, defaultMaxLifetime)
}

// VerificationKey is of [KeySource].
func (r *KeyRing) VerificationKey(ctx context.Context, kid string) (Key, error) {
	set, now, err := r.current(ctx)
	if err != nil {
		return Key{}, err
	}
	key, ok := set.find(kid, now)
	if !ok && r.shared != nil && kid != "" {
		if set, err = r.shared.seek(ctx); err != nil {
			return Key{}, err
		}
		key, ok = set.find(kid, r.shared.cfg.Now())
	}
	if !ok {
		return Key{}, ErrUnknownKey
	}
	return key, nil
}

// signingKey is the one that signs now. Every error is an outage.
func (r *KeyRing) signingKey(ctx context.Context) (Key, error) {
	set, now, err := r.current(ctx)
	if err != nil {
		return Key{}, err
	}
	if !set.signs(now) {
		return Key{}, keysOutage(set.sealedError(now))
	}
	return set.keys[set.signer(now)].key, nil
}

// current is what the ring knows, and the time to look at it.
func (r *KeyRing) current(ctx context.Context) (*keySet, time.Time, error) {
	switch {
	case r.shared != nil:
		set, err := r.shared.current(ctx)
		return set, r.shared.cfg.Now(), err
	case r.fixed != nil:
		return r.fixed, time.Time{}, nil
	default:
		return nil, time.Time{}, keysOutage(errNoRing)
	}
}

// keysOutage is 503, whatever a store answered.
func keysOutage(err error) error {
	return audit.Outage("signing keys", err)
}

// keySet is the keys of a ring, newest first. It does not change.
type keySet struct {
	keys       []ringKey
	generation uint64
	readAt     time.Time // zero of a fixed ring
}

// ringKey is one key and its record, whose times follow from each other; those
// of a fixed ring's are zero.
type ringKey struct {
	store.SigningKey
	key Key // zero: damaged
}

// gone reports whether k has expired.
func (k *ringKey) gone(now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

func (s *keySet) index(kid string) int {
	for i := range s.keys {
		if s.keys[i].ID == kid {
			return i
		}
	}
	return -1
}

// find is the key named kid; "" names the only one. Keys that are yet to sign
// verify, too: another instance's clock may be ahead.
func (s *keySet) find(kid string, now time.Time) (Key, bool) {
	found := -1
	for i := range s.keys {
		k := &s.keys[i]
		if k.gone(now) || kid != "" && k.ID != kid {
			continue
		}
		if found >= 0 {
			return Key{}, false // only where kid is "": several
		}
		found = i
	}
	if found < 0 || s.keys[found].key.isZero() {
		return Key{}, false
	}
	return s.keys[found].key, true
}

// signer is the place of the key that signs: the newest whose time has come and
// is not over. Those before it are staged, those after it retiring. Where it is
// no key's time, the oldest staged one signs: its predecessor was retired, or it
// is the first and the clock of who made it is ahead. -1: there is none.
func (s *keySet) signer(now time.Time) int {
	staged := -1
	for i := range s.keys {
		switch k := &s.keys[i]; {
		case k.gone(now):
		case now.Before(k.SignFrom):
			staged = i
		case k.SignUntil.IsZero() || now.Before(k.SignUntil):
			return i
		}
	}
	return staged
}

// signs reports whether the key that signs can.
func (s *keySet) signs(now time.Time) bool {
	i := s.signer(now)
	return i >= 0 && s.keys[i].key.canSign()
}

// sealedError says why it cannot.
func (s *keySet) sealedError(now time.Time) error {
	i := s.signer(now)
	if i < 0 {
		return errors.New("authn/jwtauth: no key that signs")
	}
	return fmt.Errorf("authn/jwtauth: the private key %q does not open: its key is not in the keychain, or the record is damaged: mend that, or make another by Rotate", s.keys[i].ID)
}

// generationAt names the keys that s has at now: it counts those that have
// expired since s was read, for which sharedRing leaves numbers.
func (s *keySet) generationAt(now time.Time) uint64 {
	if s == nil {
		return 0
	}
	generation := s.generation
	for i := range s.keys {
		if s.keys[i].gone(now) {
			generation++
		}
	}
	return generation
}
