package mtls_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

// M6: a known chain is not verified again: a request costs its Identity, and what
// came in a header field is decoded, not parsed.
func TestAllocations(t *testing.T) {
	s, proxy, envoy := newService(t), behind(t, mtls.ClientCert), behind(t, mtls.XForwardedClientCert)
	r := over(s.root.leaf())
	for _, c := range []struct {
		name string
		most float64
		f    func()
	}{
		{"Verify", 1, func() { must(s.Verify(r)) }},
		{"Certificate", 0, func() { s.Certificate(r) }},
		{"Verify, Client-Cert", 3, verifies(proxy, proxied("Client-Cert", rfc9440(proxy.root.leaf().Certificate[0])))},
		{"Verify, X-Forwarded-Client-Cert", 25, verifies(envoy, proxied(xfcc, `Cert="`+escaped(envoy.root.leaf().Certificate[0])+`"`))},
	} {
		if got := testing.AllocsPerRun(100, c.f); got > c.most {
			t.Errorf("%s makes %v allocations, want at most %v", c.name, got, c.most)
		}
	}
}

func verifies(s *service, r *http.Request) func() { return func() { must(s.Verify(r)) } }

func must(id *authn.Identity, err error) {
	if err != nil {
		panic(err)
	}
}

// M6: the cache has an end, and keeps neither refusals nor what is large.
func TestCacheIsBounded(t *testing.T) {
	s := newService(t)
	other := newAuthority(nil)
	large := make([]byte, 17<<10)
	for i := range large {
		large[i] = 'a'
	}
	for what, c := range map[string]struct {
		cert tls.Certificate
		ok   bool
	}{
		"another root": {other.leaf(), false}, "expired": {s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) }), false},
		"large": {s.root.leaf(func(c *x509.Certificate) { c.DNSNames = []string{string(large)} }), true},
	} {
		if _, err := s.Verify(over(c.cert)); (err == nil) != c.ok || s.Known() != 0 {
			t.Errorf("%s: %v, %d known", what, err, s.Known())
		}
	}
	leaf := s.root.leaf()
	r := over(leaf)
	for range mtls.MaxKnown * 5 / 4 {
		// Other bytes with the same content: a signature is another each time.
		der := authn.Must(x509.CreateCertificate(rand.Reader, leaf.Leaf, s.root.cert, leaf.Leaf.PublicKey, s.root.key))
		r.TLS.PeerCertificates[0] = authn.Must(x509.ParseCertificate(der))
		must(s.Verify(r))
	}
	if n := s.Known(); n > mtls.MaxKnown || n < mtls.MaxKnown/2 {
		t.Errorf("%d are known, want at most %d", n, mtls.MaxKnown)
	}
}

func BenchmarkVerify(b *testing.B) {
	s, proxy, envoy := newService(b), behind(b, mtls.ClientCert), behind(b, mtls.XForwardedClientCert)
	for name, f := range map[string]func(){
		"TLS":                     verifies(s, over(s.root.leaf())),
		"Client-Cert":             verifies(proxy, proxied("Client-Cert", rfc9440(proxy.root.leaf().Certificate[0]))),
		"X-Forwarded-Client-Cert": verifies(envoy, proxied(xfcc, `Cert="`+escaped(envoy.root.leaf().Certificate[0])+`"`)),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				f()
			}
		})
	}
	roots := pool(s.root)
	leaf := s.root.leaf().Leaf
	b.Run("x509.Verify", func(b *testing.B) {
		for b.Loop() {
			_, _ = leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		}
	})
}
