package redisstore

import (
	"context"
	"encoding/base64"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

// giveBackFor is how long a call may take after the end of its context to give
// back what it has taken.
const giveBackFor = 250 * time.Millisecond

// slotsOf are the indexes of n counters by the slot that they lie in: all of one
// Key lie in one. What is no cluster has one slot.
func (s *Store) slotsOf(n int, key func(i int) string) (slots [][]int) {
	_, cluster := s.client.(*redis.ClusterClient)
	for i := range n {
		slot := slices.IndexFunc(slots, func(slot []int) bool { return !cluster || key(slot[0]) == key(i) })
		if slot < 0 {
			slot, slots = len(slots), append(slots, make([]int, 0, n))
		}
		slots[slot] = append(slots[slot], i)
	}
	return slots
}

// inTurn takes from one slot after the other. When one does not pass it gives
// back what was taken, and only looks at the rest. What cannot be given back is
// no reason to answer otherwise: others are refused early.
func inTurn(ctx context.Context, slots [][]int, take func(ctx context.Context, i int, look bool) (passes bool, err error), giveBack func(ctx context.Context, i int) error) error {
	for i := range slots {
		passes, err := take(ctx, i, false)
		if passes && err == nil {
			continue
		}
		if i > 0 {
			giveBackFirst(ctx, i, giveBack)
		}
		if err != nil {
			return err
		}
		for j := i + 1; j < len(slots); j++ {
			_, _ = take(ctx, j, true) // it is refused, whatever they say
		}
		return nil
	}
	return nil
}

// giveBackFirst gives back what was taken from the first n slots.
func giveBackFirst(ctx context.Context, n int, giveBack func(ctx context.Context, i int) error) {
	back, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(giveBackFor, cancel) })()
	for i := range n {
		_ = giveBack(back, i)
	}
}

// counterKey names a counter; the kind is limit or attempts. Both names are
// digests, so that it does not matter what is in them, and how much. It makes one
// allocation: it is for each request.
func (s *Store) counterKey(kind, policy, key string) string {
	var stack [128]byte
	b := append(append(stack[:0], s.cfg.KeyPrefix...), '{')
	b = append(appendDigest(b, key), '}')
	b = append(append(b, kind...), ':')
	return string(appendDigest(b, policy))
}

// callKey is the memory of a call, in the slot of key.
func (s *Store) callKey(key string) string {
	return s.ofTag(string(appendDigest(nil, key))) + "call:" + newCall()
}

// appendDigest appends 22 characters, for 128 bits: enough that nobody finds two
// names that are one.
func appendDigest(b []byte, name string) []byte {
	d := store.DigestOf(name)
	return base64.RawURLEncoding.AppendEncode(b, d[:16])
}

// microsUp is d in microseconds, rounded up, so that nothing ends early; what is
// longer than maxKeep is as good as that.
func microsUp(d time.Duration) int64 {
	return int64((min(d, maxKeep) + time.Microsecond - 1) / time.Microsecond)
}

func ofMicros(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// interval is what one of a LimitTake takes of GCRA's time. Of Limit 0 none
// passes.
func interval(l *store.LimitTake) int64 {
	limit := max(l.Limit, 1)
	return microsUp((l.Period + time.Duration(limit) - 1) / time.Duration(limit))
}
