package password_test

import (
	"testing"

	"golang.org/x/crypto/argon2"

	"github.com/gatehouse-go/authn/password"
)

// P15: beside what x/crypto allocates to hash, verifying allocates next to
// nothing. What it costs in time is measured by make bench.
func TestVerifyingCostsWhatCryptoCosts(t *testing.T) {
	p := password.Params{MemoryKiB: 1024, Time: 1, Threads: 1}
	h := hasherOf(password.HasherConfig{Argon2: p, InsecureParams: true})
	hash, err := h.Hash(t.Context(), adasPassword)
	if err != nil {
		t.Fatal(err)
	}
	perCall := func(f func()) int64 {
		return testing.Benchmark(func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		}).AllocedBytesPerOp()
	}
	raw := perCall(func() { argon2.IDKey([]byte(adasPassword), make([]byte, 16), p.Time, p.MemoryKiB, p.Threads, 32) })
	ours := perCall(func() {
		if v, err := h.Verify(t.Context(), hash, adasPassword); err != nil || !v.OK {
			t.Fatal(v, err)
		}
	})
	if over := ours - raw; over > raw/50 {
		t.Errorf("Verify allocates %d bytes, and argon2.IDKey %d: over 2 %% more", ours, raw)
	}
}
