//go:build !race

// The race detector makes sync.Pool forget, and time runs differently.

package totp_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"testing"

	reference "github.com/pquerna/otp/totp"

	"github.com/gatehouse-go/authn/totp"
)

// costs is a Manager over a store that costs nothing, and a code that is always
// right.
func costs(tb testing.TB) (m *totp.Manager, p phone, code string) {
	tb.Helper()
	m, p, _ = newFixed(tb)
	return m, p, p.code(began)
}

// T10: what a code costs cannot creep.
func TestVerifyAllocations(t *testing.T) {
	m, _, code := costs(t)
	if _, err := m.Verify(t.Context(), "ada", code); err != nil {
		t.Fatal(err)
	}
	if got := testing.AllocsPerRun(500, func() { _, _ = m.Verify(context.Background(), "ada", code) }); got > verifyAllocs {
		t.Errorf("%v allocations, want at most %d", got, verifyAllocs)
	}
}

const verifyAllocs = 13

// T10: a code is counted and claimed by one call of the store each.
func TestVerifyCallsTheStoreTwice(t *testing.T) {
	w := newWorld(t, nil)
	p, codes := w.enrol("ada")
	for _, c := range []struct{ code, want string }{
		{p.code(w.now()), "reserve accept"}, {codes[0], "reserve take"}, {p.wrong(w.now()), "reserve"}, {"x", ""},
	} {
		w.st.made()
		_, _ = w.Verify(t.Context(), "ada", c.code)
		if got := w.st.made(); got != c.want {
			t.Errorf("%s: calls %q, want %q", c.code, got, c.want)
		}
	}
}

// T10: a code costs at most 1.4 times what three HMACs cost.
func BenchmarkVerify(b *testing.B) {
	m, p, code := costs(b)
	secret := []byte("12345678901234567890")
	b.Run("three HMACs", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for i := range 3 {
				var buf [8]byte
				binary.BigEndian.PutUint64(buf[:], uint64(began.Unix()/30-1+int64(i)))
				mac := hmac.New(sha1.New, secret)
				mac.Write(buf[:])
				_ = mac.Sum(nil)
			}
		}
	})
	b.Run("Verify", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := m.Verify(context.Background(), "ada", code); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("pquerna", func(b *testing.B) {
		last := p.code(began.Add(-step)) // the last that it looks at
		b.ReportAllocs()
		for b.Loop() {
			if ok, err := reference.ValidateCustom(last, p.key.Secret(), began, reference.ValidateOpts{Period: 30, Skew: 1, Digits: 6}); !ok {
				b.Fatal(err)
			}
		}
	})
}
