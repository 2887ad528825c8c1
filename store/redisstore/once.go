package redisstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const (
	// margin is how long a claim outlives its end, for callers whose clocks differ.
	margin = 24 * time.Hour
	// maxKeep is less than a Duration can be: the end of time, as some write
	// "never", must not become a TTL that has passed or that Redis refuses.
	maxKeep = 200 * 365 * 24 * time.Hour
)

// ClaimOnce is of [store.Once]. Each claim is a key of its own. Replayed by the
// client it answers nil again to the call that made the claim.
func (s *Store) ClaimOnce(ctx context.Context, purpose string, d store.Digest, until, now time.Time) error {
	if purpose == "" {
		return errors.New("authn/redisstore: claim once: the purpose is empty")
	}
	if err := checkText("the purpose", purpose, maxPurpose); err != nil {
		return fmt.Errorf("authn/redisstore: claim once: %w", err)
	}
	key := s.cfg.KeyPrefix + "{once:" + purpose + ":" + d.String() + "}"
	keep := min(max(until.Sub(now), 0), maxKeep) + margin
	answer, err := s.deny(ctx, claimOnceScript, []string{key}, micros(until), micros(now), newCall(), keep.Milliseconds())
	if err != nil {
		return failed("claim once", err)
	}
	return refusal(answer)
}
