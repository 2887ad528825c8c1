package jwtauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/store"
)

// RingConfig of OpenKeyRing. The zero RingConfig is good. All instances need
// the same one.
type RingConfig struct {
	// Algorithm of new keys: not HS256 and its like, whose keys nobody can
	// publish. Defaults to ES256.
	Algorithm Algorithm
	// Publish is how long verifiers may keep the answer of JWKS (its max-age).
	// So long, and a minute more, a new key is published before it signs. From
	// 1 min to 24 h. Defaults to 1 h.
	Publish time.Duration
	// RotateEvery is how old Run lets the newest key get. At least twice
	// Publish, and a 50th of MaxTokenAge, since keys are kept so long. 0: only
	// by Rotate.
	RotateEvery time.Duration
	// MaxTokenAge is how long a key verifies after it has signed last: no token
	// may live longer. Defaults to 24 h.
	MaxTokenAge time.Duration
	// OnEvent gets keys that are made, rotated and retired, outages and
	// damaged records.
	OnEvent authn.EventFunc
	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

const (
	defaultPublish     = time.Hour
	minPublish         = time.Minute
	maxPublish         = 24 * time.Hour
	defaultMaxTokenAge = 24 * time.Hour
	// maxRingKeys bounds what Run lets accumulate: verifiers read a set of a
	// hundred keys or fewer.
	maxRingKeys = 50
	// sealPurpose is of the keychain's subkeys. The kid is the aad, so that no
	// private key can be put in another's place.
	sealPurpose = "signing-keys"
)

// OpenKeyRing is shared by all instances of a service through st. Each has the
// same kc, which seals the private keys. Nothing is read until first use, which
// makes the first key if there is none: of many instances, one does.
//
// What state a key is in follows from the times in its record, so that all
// instances agree, if their clocks do to a few seconds:
//
//   - staged: published, and yet to sign, for RingConfig.Publish and a minute
//   - signing: one key at a time
//   - retiring: a later one signs; it is published until the last token that it
//     signed has expired
//   - gone
//
// An instance that is asked reads the records again after 10 s at the latest,
// and at once for a kid that it does not know, at most once a second. While the
// store is down it goes on for 5 min with what it has read; then every use is
// an outage.
//
// A private key that kc does not open can verify, but not sign. So when a key
// of the keychain is rotated, drop the old one only when Rotate has replaced
// the keys that it sealed.
func OpenKeyRing(st store.SigningKeys, kc *authn.Keychain, cfg RingConfig) (*KeyRing, error) {
	switch {
	case isNil(st):
		return nil, errors.New("authn/jwtauth: OpenKeyRing needs a store; without one, use NewKeyRing")
	case kc.KeyID() == "":
		return nil, errors.New("authn/jwtauth: OpenKeyRing needs a keychain, to seal private keys: authn.ParseKeychain reads one from the environment")
	}
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("authn/jwtauth: %w", err)
	}
	return &KeyRing{shared: &sharedRing{st: st, kc: kc, cfg: cfg, next: 1}}, nil
}

func (cfg RingConfig) withDefaults() RingConfig {
	if cfg.Algorithm == "" {
		cfg.Algorithm = ES256
	}
	if cfg.Publish == 0 {
		cfg.Publish = defaultPublish
	}
	if cfg.MaxTokenAge == 0 {
		cfg.MaxTokenAge = defaultMaxTokenAge
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return cfg
}

// check says what is wrong with cfg, naming the field.
func (cfg RingConfig) check() error {
	switch {
	case !cfg.Algorithm.known():
		return fmt.Errorf("RingConfig.Algorithm %q is unknown: ES256 is a good one", cfg.Algorithm)
	case cfg.Algorithm.symmetric():
		return fmt.Errorf("RingConfig.Algorithm is %s, whose keys cannot be published: use ES256, or HMACKey with NewKeyRing", cfg.Algorithm)
	case cfg.Publish < minPublish || cfg.Publish > maxPublish:
		return fmt.Errorf("RingConfig.Publish is %s to %s, not %s", minPublish, maxPublish, cfg.Publish)
	case cfg.MaxTokenAge < 0:
		return errors.New("RingConfig.MaxTokenAge is negative")
	case cfg.RotateEvery != 0 && cfg.RotateEvery < 2*cfg.Publish:
		return fmt.Errorf("RingConfig.RotateEvery is at least twice Publish, %s, or 0 for Rotate alone, not %s", 2*cfg.Publish, cfg.RotateEvery)
	case cfg.RotateEvery != 0 && cfg.RotateEvery < cfg.MaxTokenAge/maxRingKeys:
		return fmt.Errorf("RingConfig.RotateEvery %s makes over %d keys within MaxTokenAge, %s: verifiers refuse such sets", cfg.RotateEvery, maxRingKeys, cfg.MaxTokenAge)
	}
	return nil
}

// sharedRing is a ring in a store: what was read of it, and the reading of more.
type sharedRing struct {
	st  store.SigningKeys
	kc  *authn.Keychain
	cfg RingConfig

	set atomic.Pointer[keySet] // as read last; nil: nothing yet

	mu       sync.Mutex
	reading  *reading  // in progress
	err      error     // of the last one; nil after a success
	failedAt time.Time // if err is not nil
	soughtAt time.Time // when an unknown kid made us read
	next     uint64    // the generation of the next set that differs
}

// now is the caller's time of store calls, which keep microseconds.
func (s *sharedRing) now() time.Time { return s.cfg.Now().Truncate(time.Microsecond) }

// list reads the records, and makes the first key if there is none.
func (s *sharedRing) list(ctx context.Context) (recs []store.SigningKey, events []authn.Event, err error) {
	now := s.now()
	recs, err = s.st.ListSigningKeys(ctx, now)
	if err != nil || len(recs) > 0 {
		return recs, nil, err
	}
	first, err := s.add(ctx, now, now, "", time.Time{})
	switch {
	case err == nil:
		events = append(events, authn.Event{Kind: authn.EventCreated, CredentialID: first, Reason: "signing key"})
	case !errors.Is(err, store.ErrConflict): // else another instance was first
		return nil, nil, err
	}
	recs, err = s.st.ListSigningKeys(ctx, now)
	if err == nil && len(recs) == 0 {
		err = errors.New("authn/jwtauth: the store does not list the signing key that it has")
	}
	return recs, events, err
}

// newKey makes a key's record. The store sets its ends.
func (s *sharedRing) newKey(created, signFrom time.Time) (store.SigningKey, error) {
	key, err := GenerateKey(s.cfg.Algorithm)
	if err != nil {
		return store.SigningKey{}, err
	}
	der, err := key.private()
	if err != nil {
		return store.SigningKey{}, err
	}
	defer clear(der)
	sealed, err := s.kc.Seal(sealPurpose, der, []byte(key.ID()))
	if err != nil {
		return store.SigningKey{}, err
	}
	public, _ := key.publicJWK() // every asymmetric key has one
	return store.SigningKey{
		ID: key.ID(), Algorithm: string(key.Algorithm()), Public: public, Sealed: sealed,
		CreatedAt: created, SignFrom: signFrom,
	}, nil
}

// build makes a set of records. It takes over what last has opened already,
// and so tells of what does not open only once.
func (s *sharedRing) build(recs []store.SigningKey, last *keySet) (set *keySet, changed bool, events []authn.Event) {
	if changed = last == nil; changed {
		last = &keySet{}
	}
	changed = changed || len(last.keys) != len(recs)
	set = &keySet{keys: make([]ringKey, len(recs))}
	for i, rec := range recs {
		k := &set.keys[i]
		k.SigningKey = rec
		if j := last.index(rec.ID); j >= 0 && sameRecord(&last.keys[j], k) {
			k.key = last.keys[j].key
			continue
		}
		changed = true
		key, err := s.open(&rec)
		if err != nil {
			events = append(events, authn.Event{Kind: authn.EventWarning, CredentialID: rec.ID, Reason: "signing key does not open", Err: err})
		}
		k.key = key
	}
	return set, changed, events
}

func sameRecord(a, b *ringKey) bool {
	return a.Algorithm == b.Algorithm && bytes.Equal(a.Public, b.Public) && bytes.Equal(a.Sealed, b.Sealed)
}

// open is the key of rec. With an error it can only verify, or is zero.
func (s *sharedRing) open(rec *store.SigningKey) (Key, error) {
	alg := Algorithm(rec.Algorithm)
	if !alg.known() || alg.symmetric() {
		return Key{}, fmt.Errorf("authn/jwtauth: a signing key for %q", rec.Algorithm)
	}
	der, _, err := s.kc.Open(sealPurpose, rec.Sealed, []byte(rec.ID))
	if err == nil {
		defer clear(der)
		var key Key
		if key, err = keyFromPKCS8(rec.ID, alg, der); err == nil {
			return key, nil
		}
	}
	public, parseErr := ParseJWK(rec.Public)
	if parseErr != nil || public.ID() != rec.ID || public.Algorithm() != alg || public.canSign() {
		return Key{}, errors.Join(err, errors.New("authn/jwtauth: nor is its public key one"))
	}
	return public, err
}

// send completes an event about a signing key with what ctx knows.
func (s *sharedRing) send(ctx context.Context, e authn.Event) {
	audit.Log{Method: method, OnEvent: s.cfg.OnEvent, Now: s.cfg.Now}.Send(ctx, e)
}
