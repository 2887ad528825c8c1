package jwtauth

import (
	"context"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
	"github.com/gatehouse-go/authn/internal/cache"
	"github.com/gatehouse-go/authn/store"
)

// revoked is the refusal of a token that was revoked, or of which that cannot
// be known.
func (v *Verifier) revoked(ctx context.Context, t *Token, now time.Time) *authn.Error {
	if v.rev == nil {
		return nil
	}
	ref := t.ref()
	if v.since != nil && ref.IssuedAt.Before(v.since.Since().Truncate(time.Second)) {
		return about(authn.Refused("older than the store's memory", nil), t)
	}
	if v.alive.holds(ctx, ref, now) {
		return nil
	}
	reason, err := v.rev.TokenRevoked(ctx, ref, now)
	switch {
	case err != nil:
		return about(audit.Outage("store", err), t)
	case reason != "":
		return about(authn.Refused(reason, nil), t)
	}
	v.alive.keep(ctx, ref, now)
	return nil
}

// aliveCache is tokens that were not revoked a moment ago.
type aliveCache struct {
	ttl  time.Duration
	refs *cache.Cache[aliveKey, struct{}] // nil: off
}

// aliveKey is all that TokenRevoked looks at: a provider may give one jti twice.
type aliveKey struct {
	token           store.Digest
	subject, family string
	version, issued int64
}

func aliveKeyOf(ref store.TokenRef) aliveKey {
	return aliveKey{ref.Digest(), ref.Subject, ref.Family, ref.Version, ref.IssuedAt.Unix()}
}

const aliveEntries = 100_000

func (a *aliveCache) init(ttl time.Duration) {
	if ttl > 0 {
		a.ttl, a.refs = ttl, cache.New[aliveKey, struct{}](aliveEntries)
	}
}

// off reports whether nothing may be cached: tokens without an id would be
// taken for each other, and a transaction may be rolled back.
func (a *aliveCache) off(ctx context.Context, ref store.TokenRef) bool {
	return a.refs == nil || ref.ID == "" || store.InTx(ctx)
}

func (a *aliveCache) holds(ctx context.Context, ref store.TokenRef, now time.Time) bool {
	if a.off(ctx, ref) {
		return false
	}
	_, ok := a.refs.Get(aliveKeyOf(ref), now)
	return ok
}

func (a *aliveCache) keep(ctx context.Context, ref store.TokenRef, now time.Time) {
	if !a.off(ctx, ref) {
		a.refs.Put(aliveKeyOf(ref), struct{}{}, now.Add(a.ttl), now)
	}
}
