//go:build !race

// The race detector makes sync.Pool forget, and time runs differently.

package session_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/session"
	"github.com/gatehouse-go/authn/store/memstore"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// costs is a Manager without spies, and a request that is signed in.
func costs(tb testing.TB, kc *authn.Keychain) (*session.Manager, *http.Request) {
	tb.Helper()
	w := newWorld(tb, nil)
	m, err := session.New(memstore.New(memstore.Config{}), session.Config{Keychain: kc, Now: w.clock.Now})
	if err != nil {
		tb.Fatal(err)
	}
	w.Manager = m
	return m, w.in("ada").request(http.MethodGet)
}

// S17: what a request costs cannot creep. S17 allows 6 for Verify.
func TestVerifyAllocations(t *testing.T) {
	plain, r := costs(t, nil)
	signed, rs := costs(t, authn.GenerateKeychain())
	none := rs.Clone(context.Background())
	none.Header.Del("Cookie")
	h := plain.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := discard{http.Header{}}
	for _, c := range []struct {
		name string
		most float64 // what it is
		f    func()
	}{
		{"Verify", verifyAllocs, func() { _, _ = plain.Verify(r) }},
		{"Verify, signed", signedAllocs, func() { _, _ = signed.Verify(rs) }},
		{"Verify, no cookie", 0, func() { _, _ = signed.Verify(none) }},
		{"Verify, forged", 3, func() { _, _ = signed.Verify(r) }},
		{"the middleware", verifyAllocs + 1, func() { clear(w.h); h.ServeHTTP(w, r) }},
	} {
		c.f()
		if got := testing.AllocsPerRun(500, c.f); got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

const (
	verifyAllocs = 1
	signedAllocs = 4
)

// S17: a read, and a read and a write.
func BenchmarkVerify(b *testing.B) {
	for name, kc := range map[string]*authn.Keychain{"plain": nil, "signed": authn.GenerateKeychain()} {
		b.Run(name, func(b *testing.B) {
			m, r := costs(b, kc)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
