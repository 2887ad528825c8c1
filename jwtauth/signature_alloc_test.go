//go:build !race

// With the race detector a sync.Pool forgets at random.

package jwtauth

import (
	"strings"
	"testing"
)

// J28: verifying an HMAC allocates nothing, good or forged, and signing only
// its result.
func TestHMACAllocations(t *testing.T) {
	for _, alg := range []Algorithm{HS256, HS384, HS512} {
		k := generate(t, alg)
		in, long := []byte(input), strings.Repeat(input, 100)
		good, err := k.sign(in)
		if err != nil {
			t.Fatal(err)
		}
		bad := append([]byte{1}, good...)
		tests := []struct {
			name string
			most float64
			f    func()
		}{
			{"verify", 0, func() { _ = k.verify(input, good) }},
			{"forged", 0, func() { _ = k.verify(input, bad[:len(good)]) }},
			{"long", 0, func() { _ = k.verify(long, good) }},
			{"sign", 1, func() { _, _ = k.sign(in) }},
		}
		for _, tt := range tests {
			if got := testing.AllocsPerRun(1000, tt.f); got > tt.most {
				t.Errorf("%s %s: %v allocations, want at most %v", alg, tt.name, got, tt.most)
			}
		}
	}
}
