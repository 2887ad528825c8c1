package memstore

import (
	"hash/maphash"
	"sync"
)

const shards = 64

// index finds values by a unique key, in shards of their own locks.
type index[K comparable, V any] struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu sync.RWMutex
		m  map[K]V
	}
}

func (x *index[K, V]) init() {
	x.seed = maphash.MakeSeed()
	for i := range x.shards {
		x.shards[i].m = make(map[K]V)
	}
}

func (x *index[K, V]) get(k K) (v V, ok bool) {
	s := &x.shards[maphash.Comparable(x.seed, k)%shards]
	s.mu.RLock()
	v, ok = s.m[k]
	s.mu.RUnlock()
	return v, ok
}

// add is false when k is there already.
func (x *index[K, V]) add(k K, v V) bool {
	s := &x.shards[maphash.Comparable(x.seed, k)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.m[k]; ok {
		return false
	}
	s.m[k] = v
	return true
}

func (x *index[K, V]) remove(k K) {
	s := &x.shards[maphash.Comparable(x.seed, k)%shards]
	s.mu.Lock()
	delete(s.m, k)
	s.mu.Unlock()
}
