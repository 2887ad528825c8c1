package jwtauth

import (
	"context"
	"time"
)

// What the issuer, the verifier and JWKS use of a ring.

func RingSigningKey(ctx context.Context, r *KeyRing) (Key, error) { return r.signingKey(ctx) }

func RingGeneration(r *KeyRing) uint64 {
	switch {
	case r.shared != nil:
		now := r.shared.cfg.Now()
		set, _, _ := r.shared.ready(now)
		return set.generationAt(now)
	default:
		return r.fixed.generationAt(time.Time{})
	}
}

func KeySign(k Key, input string) ([]byte, error) { return k.sign([]byte(input)) }

func KeyVerify(k Key, input string, signature []byte) error { return k.verify(input, signature) }

// KnownTokens is how many tokens v would not verify again.
func KnownTokens(v *Verifier) int { return v.good.tokens.Len() }
