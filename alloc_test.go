package authn_test

import (
	"net/http"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// C13, C14: what a request costs cannot creep.
func TestAllocations(t *testing.T) {
	id := full()
	id.Pending = nil
	h := authn.Require(authntest.Verifier(id, nil), authn.Scopes("orders:read"))(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w, r := discard{http.Header{}}, request()
	tests := []struct {
		name string
		most float64
		f    func()
	}{
		{"Require", 1, func() { clear(w.h); h.ServeHTTP(w, r) }},
		{"HasScope", 0, func() { id.HasScope("orders:read") }},
		{"HasRole", 0, func() { id.HasRole("editor") }},
		{"FactorAt", 0, func() { id.FactorAt("pwd") }},
	}
	for _, tt := range tests {
		if got := testing.AllocsPerRun(1000, tt.f); got > tt.most {
			t.Errorf("%s: %v allocations, want at most %v", tt.name, got, tt.most)
		}
	}
}

// C14: Require over the bare handler.
func BenchmarkRequire(b *testing.B) {
	bare := http.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	id := full()
	id.Pending = nil
	for name, h := range map[string]http.Handler{
		"bare":    bare,
		"Require": authn.Require(authntest.Verifier(id, nil))(bare),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := discard{http.Header{}}, request()
			for b.Loop() {
				clear(w.h)
				h.ServeHTTP(w, r)
			}
		})
	}
}
