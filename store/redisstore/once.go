package redisstore

import (
	"context"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// margin is how long a claim outlives its end, for callers whose clocks differ.
const margin = 24 * time.Hour

// ClaimOnce is of [store.Once]. Each claim is a key of its own. Replayed by the
// client it answers nil again to the call that made the claim.
func (s *Store) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	key := s.cfg.KeyPrefix + "{once:" + purpose + ":" + d.String() + "}"
	keep := max(until.Sub(now), 0) + margin
	answer, err := s.deny(ctx, claimOnceScript, key, micros(until), micros(now), newCall(), keep.Milliseconds())
	if err != nil {
		return failed("claim once", err)
	}
	return refusal(answer)
}
