package clientip_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/clientip"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{}

func (discard) Header() http.Header         { return nil }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// I2: what a request costs cannot creep: its context and its copy, whatever is
// in the field; and reading a long one makes no garbage.
func TestAllocations(t *testing.T) {
	xff, rfc, one := behind(t, clientip.XForwardedFor), behind(t, clientip.Forwarded), behind(t, "X-Real-IP")
	commas := strings.Repeat(",", 64<<10)
	for _, c := range []struct {
		name string
		w    *world
		r    *http.Request
	}{
		{"no proxy", xff, request(stranger)},
		{"list", xff, proxied("X-Forwarded-For", victim+", "+client+", 10.2.2.2")},
		{"list with ports", xff, proxied("X-Forwarded-For", `"[2001:db8::7]:443", 10.2.2.2:80`)},
		{"RFC 7239", rfc, proxied("Forwarded", `for="[2001:db8::7]:443";proto=https, for=10.2.2.2;by=_x`)},
		{"one address", one, proxied("X-Real-IP", client)},
		{"commas", xff, proxied("X-Forwarded-For", commas+client)},
		{"commas, RFC 7239", rfc, proxied("Forwarded", commas+"for="+client)},
		{"quotes", rfc, proxied("Forwarded", strings.Repeat(`"`, 64<<10)+",for="+client)},
	} {
		scheme := func() { c.w.Scheme(c.r) }
		if got := testing.AllocsPerRun(100, scheme); got != 0 {
			t.Errorf("%s: Scheme makes %v allocations", c.name, got)
		}
		h := c.w.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		if got := testing.AllocsPerRun(100, func() { h.ServeHTTP(discard{}, c.r) }); got > 3 {
			t.Errorf("%s: Middleware makes %v allocations, want at most 3", c.name, got)
		}
	}
}

func BenchmarkMiddleware(b *testing.B) {
	for name, r := range map[string]*http.Request{
		"NoProxy": request(stranger), "TwoProxies": proxied("X-Forwarded-For", client+", 10.2.2.2"),
	} {
		h := behind(b, clientip.XForwardedFor).Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{}, r)
			}
		})
	}
}
