package mtls_test

import (
	"crypto/x509"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

// M1, M2, M3: what would trust everybody or nobody, or contradicts itself, is an
// error that names the field.
func TestConfigRefusals(t *testing.T) {
	roots := pool(newAuthority(nil))
	identify := func(*x509.Certificate) (*authn.Identity, error) { return nil, nil }
	from := func(*http.Request) bool { return true }
	for _, c := range []struct {
		name string
		cfg  mtls.Config
		want string // "": none
	}{
		{"by DNS name", mtls.Config{Roots: roots}, ""},
		{"by SPIFFE id", mtls.Config{Roots: roots, TrustDomain: "acme.internal"}, ""},
		{"by common name", mtls.Config{Roots: roots, InsecureCommonName: true}, ""},
		{"by the host", mtls.Config{Roots: roots, TrustDomain: "acme.internal", Identify: identify}, ""},
		{"a trust domain of 255", mtls.Config{Roots: roots, TrustDomain: strings.Repeat("a", 255)}, ""},
		{"a trust domain of 256", mtls.Config{Roots: roots, TrustDomain: strings.Repeat("a", 256)}, "Config.TrustDomain"},
		{"behind a proxy", mtls.Config{Roots: roots, ProxyHeader: mtls.ClientCert, FromProxy: from}, ""},
		{"zero", mtls.Config{}, "Config.Roots is nil or has no certificate"},
		{"empty roots", mtls.Config{Roots: x509.NewCertPool()}, "Config.Roots is nil or has no certificate"},
		{"a URI", mtls.Config{Roots: roots, TrustDomain: "spiffe://acme.internal"}, "Config.TrustDomain"},
		{"upper case", mtls.Config{Roots: roots, TrustDomain: "Acme"}, "Config.TrustDomain"},
		{"a common name as an id", mtls.Config{Roots: roots, TrustDomain: "acme", InsecureCommonName: true}, "Config.InsecureCommonName"},
		{"two opinions", mtls.Config{Roots: roots, Identify: identify, InsecureCommonName: true}, "Config.InsecureCommonName"},
		{"another field", mtls.Config{Roots: roots, ProxyHeader: "X-SSL-Cert", FromProxy: from}, "Config.ProxyHeader"},
		{"not as it is written", mtls.Config{Roots: roots, ProxyHeader: "client-cert", FromProxy: from}, "Config.ProxyHeader"},
		{"whose field", mtls.Config{Roots: roots, ProxyHeader: mtls.ClientCert}, "Config.FromProxy"},
		{"which field", mtls.Config{Roots: roots, FromProxy: from}, "Config.ProxyHeader"},
	} {
		v, err := mtls.New(c.cfg)
		switch {
		case c.want == "" && (err != nil || v == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || v != nil || !strings.HasPrefix(err.Error(), "authn/mtls: Config.") || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// M4: roots that would let nobody in do not take the place of good ones, and a
// pool may be filled further without effect.
func TestSetRootsRefusals(t *testing.T) {
	s := newService(t)
	for _, roots := range []*x509.CertPool{nil, x509.NewCertPool()} {
		if err := s.SetRoots(roots); err == nil || !strings.HasPrefix(err.Error(), "authn/mtls: ") {
			t.Errorf("%v", err)
		}
	}
	other := newAuthority(nil)
	mine := pool(s.root)
	if err := s.SetRoots(mine); err != nil {
		t.Fatal(err)
	}
	mine.AddCert(other.cert)
	s.want(t, "ours", over(s.root.leaf()), worker, "")
	s.want(t, "added later", over(other.leaf()), "", "unknown authority")
}

// C4, C10: a 401 asks for a certificate; what depends on one is private, and
// names the fields that were looked at.
func TestDescribe(t *testing.T) {
	for field, vary := range map[mtls.ProxyHeader][]string{
		"": nil, mtls.ClientCert: {"Client-Cert", "Client-Cert-Chain"}, mtls.XForwardedClientCert: {"X-Forwarded-Client-Cert"},
	} {
		s := behind(t, field)
		d := s.Describe()
		if !d.Private || !reflect.DeepEqual(d.Vary, vary) || d.Credentials != nil || len(d.Challenges) != 1 || d.Challenges[0].Scheme != "ClientCertificate" {
			t.Errorf("%q: %+v", field, d)
		}
	}
}
