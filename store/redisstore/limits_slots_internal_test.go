package redisstore

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// D5: what a slot that hangs is to be given back is waited for until 250 ms after
// the end of the call's context, and for a minute at most.
func TestGivingBackEnds(t *testing.T) {
	for limit, want := range map[time.Duration]time.Duration{
		200 * time.Millisecond: 450 * time.Millisecond,
		time.Hour:              time.Minute,
		0:                      time.Minute, // no deadline
	} {
		synctest.Test(t, func(t *testing.T) {
			ctx := t.Context()
			if limit > 0 {
				limited, cancel := context.WithTimeout(ctx, limit)
				defer cancel()
				ctx = limited
			}
			take := func(_ context.Context, i int, _ bool) (passes bool, err error) { return i == 0, nil }
			began := time.Now()
			err := inTurn(ctx, [][]int{{0}, {1}}, take, func(ctx context.Context, _ int) error {
				<-ctx.Done()
				return ctx.Err()
			})
			if took := time.Since(began); err != nil || took != want {
				t.Errorf("a deadline of %v: %v after %v, want nil after %v", limit, err, took, want)
			}
		})
	}
}
