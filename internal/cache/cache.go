// Package cache is a bounded map whose entries expire: for answers that can be
// asked again. What must not be forgotten does not belong here.
package cache

import (
	"hash/maphash"
	"sync"
	"time"
)

const shards = 16

// Cache keeps at most Max values, each until its time. It is safe for
// concurrent use and has no goroutine: what has expired leaves when it is met
// or when room is needed.
type Cache[K comparable, V any] struct {
	seed   maphash.Seed
	max    int // of each shard
	shards [shards]shard[K, V]
}

type shard[K comparable, V any] struct {
	mu sync.Mutex
	m  map[K]entry[V]
	_  [40]byte // a cache line each
}

type entry[V any] struct {
	value V
	until time.Time
}

// New makes a cache of at most max values, rounded up to a multiple of 16.
func New[K comparable, V any](max int) *Cache[K, V] {
	return &Cache[K, V]{seed: maphash.MakeSeed(), max: (max + shards - 1) / shards}
}

func (c *Cache[K, V]) shard(k K) *shard[K, V] {
	return &c.shards[maphash.Comparable(c.seed, k)%shards]
}

// Get answers what Put left there, while now is before its time.
func (c *Cache[K, V]) Get(k K, now time.Time) (v V, ok bool) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.m[k]
	if !ok {
		return v, false
	}
	if !now.Before(e.until) {
		delete(s.m, k)
		return v, false
	}
	return e.value, true
}

// Put keeps v until then. When the shard is full, it makes room by dropping
// what has expired among a few entries, or else one of them.
func (c *Cache[K, V]) Put(k K, v V, until, now time.Time) {
	s := c.shard(k)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		s.m = make(map[K]entry[V])
	}
	if _, ok := s.m[k]; !ok && len(s.m) >= c.max {
		s.makeRoom(now)
	}
	s.m[k] = entry[V]{v, until}
}

// makeRoom looks at eight entries, in the random order of Go's maps: no work
// that grows with the map.
func (s *shard[K, V]) makeRoom(now time.Time) {
	var victim K
	looked := 0
	for k, e := range s.m {
		victim = k
		if looked++; looked == 8 || !now.Before(e.until) {
			break
		}
	}
	delete(s.m, victim)
}

// Len is the number of entries, expired ones included.
func (c *Cache[K, V]) Len() int {
	n := 0
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}
