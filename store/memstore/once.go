package memstore

import (
	"container/heap"
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
	byEnd  claimHeap
}

type claimKey struct {
	purpose string
	digest  store.Digest
}

type claim struct {
	key   claimKey
	until time.Time
	place int // in byEnd
}

const (
	// maxPurpose is of the contract, in bytes.
	maxPurpose = 64
	// sweepStep bounds what one call deletes.
	sweepStep = 64
)

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
		if now.Before(c.until) {
			return store.ErrExists
		}
		c.until = until
		heap.Fix(&s.byEnd, c.place)
		return nil
	}
	o.sweep(s)
	if o.n.Add(1) > o.max {
		o.n.Add(-1)
		return store.ErrFull
	}
	c := &claim{key: key, until: until}
	s.claims[key] = c
	heap.Push(&s.byEnd, c)
	return nil
}

// sweep deletes a few of s's claims that ended over a day ago, and reports
// whether there may be more.
func (o *once) sweep(s *onceShard) bool {
	gone := o.now().Add(-margin)
	for range sweepStep {
		if len(s.byEnd) == 0 || !s.byEnd[0].until.Before(gone) {
			return false
		}
		c := heap.Pop(&s.byEnd).(*claim)
		delete(s.claims, c.key)
		o.n.Add(-1)
	}
	return true
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

// claimHeap is a heap.Interface, the earliest end first.
type claimHeap []*claim

func (h claimHeap) Len() int           { return len(h) }
func (h claimHeap) Less(i, j int) bool { return h[i].until.Before(h[j].until) }
func (h claimHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].place, h[j].place = i, j
}

func (h *claimHeap) Push(x any) {
	c := x.(*claim)
	c.place = len(*h)
	*h = append(*h, c)
}

func (h *claimHeap) Pop() any {
	last := len(*h) - 1
	c := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return c
}
