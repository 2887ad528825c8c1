package limits

import (
	"hash/maphash"
	"math/bits"
	"sync"
	"sync/atomic"
)

const (
	// maxShards is a power of two below the bits of a mask.
	maxShards = 32
	// perShard is how many counters make one more shard worth its while, and
	// leave something to choose from when one has to go.
	perShard = 64
	// sample is how many are looked at when one has to go, and manyMore how many
	// at most until there is one that may.
	sample, manyMore = 8, 64
	// maxPolicies bounds the shared counters; policies are named in code.
	maxPolicies = 1024
	// half is what is spent of a counter of an account that never goes.
	half = 0.5
)

// key names a counter: 128 bits of seeded hash, for which nobody outside can
// find two names.
type key [2]uint64

// hasher makes keys. It hashes the two names apart, so that what is the same
// when they are joined is not the same here.
type hasher struct{ policy, one, two maphash.Seed }

func newHasher() hasher { return hasher{maphash.MakeSeed(), maphash.MakeSeed(), maphash.MakeSeed()} }

func (h *hasher) ofPolicy(name string) uint64 { return maphash.String(h.policy, name) }

// take is the key of k in a policy of that hash. Half of it is the policy's:
// should two of a policy ever have the same, they are only refused early.
func (h *hasher) take(policy uint64, k string) key {
	return key{maphash.String(h.one, k), policy}
}

// attempts is the key of k in a policy of that hash. All of it depends on k,
// since who succeeds clears what it names.
func (h *hasher) attempts(policy uint64, k string) key {
	return key{maphash.String(h.one, k) ^ policy, maphash.String(h.two, k) + policy}
}

// kind of a counter: each has its own room.
type kind uint8

const (
	ofClient kind = iota
	ofAccount
	kinds
)

func kindOf(account bool) kind {
	if account {
		return ofAccount
	}
	return ofClient
}

// entry is what a pool keeps.
type entry interface {
	comparable
	// spent is how much of it: nothing at 0, and all of it, so that it refuses,
	// from 1.
	spent(now int64) float64
	// size is how much room it takes.
	size() int64
}

// pool is a bounded map in shards. A call that counts by several entries locks
// their shards in order, each once, and the shared one last.
type pool[E entry] struct {
	names  hasher
	max    int64
	n      [kinds]atomic.Int64
	last   uint64 // index of the last shard, all ones
	shards [maxShards + 1]shard[E]
}

// shared is the index of the shard with the counters that keys without room
// share.
const shared = maxShards

type shard[E entry] struct {
	mu sync.Mutex
	of [kinds]map[key]E
	_  [40]byte // a cache line each
}

func (p *pool[E]) init(max int) {
	p.max = int64(max)
	p.names = newHasher()
	n := 1
	for n < maxShards && n*perShard < max {
		n *= 2
	}
	p.last = uint64(n - 1)
	for i := range p.shards {
		for k := range p.shards[i].of {
			p.shards[i].of[k] = make(map[key]E)
		}
	}
}

// shardOf is the index of k's shard, and its bit in a mask.
func (p *pool[E]) shardOf(k key) (s *shard[E], bit uint64) {
	i := k[0] & p.last
	return &p.shards[i], 1 << i
}

func (p *pool[E]) lock(mask uint64) {
	for ; mask != 0; mask &= mask - 1 {
		p.shards[bits.TrailingZeros64(mask)].mu.Lock()
	}
}

func (p *pool[E]) unlock(mask uint64) {
	for ; mask != 0; mask &= mask - 1 {
		p.shards[bits.TrailingZeros64(mask)].mu.Unlock()
	}
}

// room reports whether one more of kind may be put into s, which is locked, and
// counts it. It may delete another one, for which keep is not true.
func (p *pool[E]) room(s *shard[E], kind kind, now int64, keep func(E) bool) bool {
	if p.n[kind].Add(1) <= p.max {
		return true
	}
	limit := 1.0
	if kind == ofAccount {
		limit = half
	}
	var victim key
	least, looked := limit, 0
	for k, e := range s.of[kind] { // from a random place
		if looked++; least == 0 || looked > sample && least < limit || looked > manyMore {
			break
		}
		if spent := e.spent(now); spent < least && !keep(e) {
			victim, least = k, spent
		}
	}
	if least == limit {
		p.n[kind].Add(-1)
		return false
	}
	p.n[kind].Add(-s.of[kind][victim].size())
	delete(s.of[kind], victim)
	return true
}

// sharedBy is the place of the counter that the keys without room share of the
// policy of that hash.
func (p *pool[E]) sharedBy(kind kind, policy uint64) (all map[key]E, k key) {
	all, k = p.shards[shared].of[kind], key{policy}
	if _, ok := all[k]; !ok && len(all) >= maxPolicies {
		k = key{}
	}
	return all, k
}

func (p *pool[E]) sweep(clock func() int64) {
	for i := range p.shards {
		s := &p.shards[i]
		s.mu.Lock()
		now := clock()
		for kind := range kinds {
			for k, e := range s.of[kind] {
				if e.spent(now) > 0 {
					continue
				}
				if i != shared {
					p.n[kind].Add(-e.size())
				}
				delete(s.of[kind], k)
			}
		}
		s.mu.Unlock()
	}
}
