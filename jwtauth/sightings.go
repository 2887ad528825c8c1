package jwtauth

import (
	"hash/maphash"
	"sync/atomic"
)

// sightings is which tokens with an HMAC were good before, at most 16 384 of them,
// in 64 KiB. It may forget one, which is then verified once more, and by chance take
// one for another, which is then looked up, or kept, for nothing.
type sightings struct {
	seed    maphash.Seed
	buckets *[2048]bucket
}

// bucket is hashes; 0 is free.
type bucket [8]atomic.Uint32

func newSightings() *sightings { return &sightings{maphash.MakeSeed(), new([2048]bucket)} }

// has reports whether raw was here.
func (s *sightings) has(raw string) bool {
	b, hash := s.find(raw)
	for i := range b {
		if b[i].Load() == hash {
			return true
		}
	}
	return false
}

// add reports whether raw was here before; from now on it was. In a full bucket
// another token is forgotten.
func (s *sightings) add(raw string) (before bool) {
	b, hash := s.find(raw)
	for i := range b {
		switch b[i].Load() {
		case hash:
			return true
		case 0:
			b[i].Store(hash)
			return false
		}
	}
	b[hash%uint32(len(b))].Store(hash)
	return false
}

// find looks at the end of raw, which is of the HMAC: no two tokens that are good
// have the same.
func (s *sightings) find(raw string) (b *bucket, hash uint32) {
	sum := maphash.String(s.seed, raw[max(0, len(raw)-32):])
	return &s.buckets[sum>>32%uint64(len(s.buckets))], uint32(sum)
}
