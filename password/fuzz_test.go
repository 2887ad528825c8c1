package password_test

import (
	"context"
	"errors"
	"testing"

	"github.com/gatehouse-go/authn/password"
)

// P2: whatever stands in the table, Verify does not panic, refuses what is not
// exactly a hash, and needs neither more memory than there is nor minutes.
func FuzzEncoded(f *testing.F) {
	const mib = 8
	h := newHasher(f, password.HasherConfig{Schemes: all(), MemoryMiB: mib})
	for _, row := range foreign {
		f.Add(row.encoded)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		kib, threads, err := password.Need(h, encoded)
		switch {
		case err != nil && !errors.Is(err, password.ErrStored):
			t.Fatalf("%q: %v", encoded, err)
		case err != nil:
			if v, err := h.Verify(context.Background(), encoded, "a"); err == nil {
				t.Fatalf("%q: %+v", encoded, v)
			}
			return
		case kib < 0 || kib > mib<<10 || threads < 1 || threads > 64:
			t.Fatalf("%q needs %d KiB and %d threads", encoded, kib, threads)
		}
		for _, c := range encoded {
			if c <= ' ' || c > '~' {
				t.Fatalf("%q is a hash", encoded)
			}
		}
	})
}
