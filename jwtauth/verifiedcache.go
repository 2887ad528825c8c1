package jwtauth

import (
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/cache"
	"github.com/gatehouse-go/authn/store"
)

// maxKept bounds the tokens that are kept, in bytes.
const (
	verifiedEntries = 10_000
	maxKept         = 4 << 10
)

// verifiedCache is tokens whose signature and claims were found good, by the
// SHA-256 of their exact bytes. Refusals are not kept: anybody can make those.
// One with an HMAC is kept when it comes again: keeping it takes a third of the
// time that verifying it does, for nothing if it never does.
type verifiedCache struct {
	tokens *cache.Cache[store.Digest, *Token] // nil: off
	used   atomic.Bool                        // one with an asymmetric signature was kept
	seen   atomic.Pointer[sightings]          // of tokens with an HMAC; nil: none yet
}

func (c *verifiedCache) init(off bool) {
	if !off {
		c.tokens = cache.New[store.Digest, *Token](verifiedEntries)
	}
}

// find is the token that raw was, if its key is still the one that the source
// answers. digest is raw's, or zero if it was not needed.
func (c *verifiedCache) find(ctx context.Context, raw string, now time.Time) (t *Token, digest store.Digest, e *authn.Error) {
	if len(raw) > maxKept || !c.used.Load() && !c.noted(raw) {
		return nil, digest, nil
	}
	digest = digestOf(raw)
	t, ok := c.tokens.Get(digest, now)
	if !ok {
		return nil, digest, nil
	}
	key, err := t.trust.Keys.VerificationKey(ctx, t.kid)
	switch {
	case err != nil && !errors.Is(err, ErrUnknownKey):
		return nil, digest, audit.Outage("keys", err)
	case err != nil || !key.same(t.key):
		return nil, digest, nil
	}
	return t, digest, nil
}

// same reports whether k and other are one key, also when it was parsed twice.
func (k Key) same(other Key) bool {
	if k.k == other.k {
		return true
	}
	if k.k == nil || other.k == nil || k.k.id != other.k.id || k.k.alg != other.k.alg {
		return false
	}
	if k.k.macs != nil {
		const text = "any text: its HMACs are the same if the secrets are"
		return k.k.macs.verify(text, other.k.macs.sign([]byte(text)))
	}
	public, ok := k.k.public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && public.Equal(other.k.public)
}

// keep remembers t, whose bytes are raw, while it lives. A host's transaction
// is no reason not to: nothing of it came from the store.
func (c *verifiedCache) keep(raw string, digest store.Digest, t *Token, now time.Time) {
	switch {
	case c.tokens == nil || len(raw) > maxKept:
		return
	case !t.key.Algorithm().symmetric():
		c.used.Store(true)
	case !c.note(raw):
		return
	}
	if digest == (store.Digest{}) {
		digest = digestOf(raw)
	}
	t.shared = true
	c.tokens.Put(digest, t, t.claims.expiresAt().Add(maxLeeway), now)
}

// note reports whether raw was noted before; from now on it is.
func (c *verifiedCache) note(raw string) (before bool) {
	if c.seen.Load() == nil {
		c.seen.CompareAndSwap(nil, newSightings())
	}
	return c.seen.Load().add(raw)
}

func (c *verifiedCache) noted(raw string) bool {
	seen := c.seen.Load()
	return seen != nil && seen.has(raw)
}

// digestOf is SHA-256 without garbage.
func digestOf(raw string) store.Digest {
	buf := scratches.Get().(*scratch)
	defer buf.free()
	buf.raw = append(buf.raw[:0], raw...)
	return sha256.Sum256(buf.raw)
}
