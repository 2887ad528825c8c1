package memstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// once is store.Once. A claim leaves a day after its end by the store's own
// clock, and never for want of room.
type once struct {
	max    int64
	now    func() time.Time
	n      atomic.Int64
	seed   maphash.Seed
	shards [shards]onceShard
}

type onceShard struct {
	mu     sync.Mutex
	claims map[claimKey]*claim
	byEnd  byEnd[*claim]
}

type claimKey struct {
	purpose string
	digest  store.Digest
}

type claim struct {
	key claimKey
	ending
}

// maxPurpose is of the contract, in bytes.
const maxPurpose = 64

func (o *once) init(max int, now func() time.Time) {
	o.max, o.now, o.seed = int64(max), now, maphash.MakeSeed()
	for i := range o.shards {
		o.shards[i].claims = make(map[claimKey]*claim)
	}
}

// ClaimOnce is of store.Once.
func (o *once) ClaimOnce(_ context.Context, purpose string, d store.Digest, until, now time.Time) error {
	if purpose == "" || len(purpose) > maxPurpose {
		return fmt.Errorf("authn/memstore: claim once: the purpose has %d bytes, not 1 to %d", len(purpose), maxPurpose)
	}
	key := claimKey{purpose, d}
	err := o.claim(key, until, now)
	if errors.Is(err, store.ErrFull) { // what may go may lie in other shards
		o.sweepAll()
		err = o.claim(key, until, now)
	}
	return err
}

func (o *once) claim(key claimKey, until, now time.Time) error {
	s := &o.shards[maphash.Comparable(o.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if c, ok := s.claims[key]; ok {
		if now.Before(c.end) {
			return store.ErrExists
		}
		s.byEnd.move(c, until)
		return nil
	}
	o.sweep(s)
	if err := take(&o.n, o.max); err != nil {
		return err
	}
	c := &claim{key: key, ending: ending{end: until}}
	s.claims[key] = c
	s.byEnd.insert(c)
	return nil
}

// sweep deletes a few of s's claims that ended over a day ago, and reports
// whether there may be more.
func (o *once) sweep(s *onceShard) bool {
	return s.byEnd.sweep(o.now().Add(-margin), func(c *claim) {
		delete(s.claims, c.key)
		o.n.Add(-1)
	})
}

func (o *once) sweepAll() {
	for i := range o.shards {
		s := &o.shards[i]
		for more := true; more; {
			s.mu.Lock()
			more = o.sweep(s)
			s.mu.Unlock()
		}
	}
}
