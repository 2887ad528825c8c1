package mtls_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/mtls"
)

const domain = "acme.internal"

// noon is when the tests take place.
var noon = time.Date(2030, 6, 1, 12, 0, 0, 0, time.UTC)

// authority signs certificates, itself signed by parent.
type authority struct {
	cert   *x509.Certificate
	key    crypto.Signer
	parent *authority
}

var serials atomic.Int64

func newAuthority(parent *authority, change ...func(c *x509.Certificate)) *authority {
	a := &authority{key: authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), parent: parent}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(24 * time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c.Subject = pkix.Name{CommonName: "authority " + c.SerialNumber.String()}
	for _, f := range change {
		f(c)
	}
	a.cert = sign(c, a, a.key.Public())
	return a
}

// sign is c, by a's parent, or by a itself.
func sign(c *x509.Certificate, a *authority, public crypto.PublicKey) *x509.Certificate {
	by := a
	parent := c
	if a.parent != nil {
		by, parent = a.parent, a.parent.cert
	}
	return authn.Must(x509.ParseCertificate(authn.Must(x509.CreateCertificate(rand.Reader, c, parent, public, by.key))))
}

// leaf is a good client of the SPIFFE id /worker and the name worker.acme.internal,
// with what change makes of it.
func (a *authority) leaf(change ...func(c *x509.Certificate)) tls.Certificate {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serials.Add(1)), NotBefore: noon.Add(-time.Hour), NotAfter: noon.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		DNSNames: []string{"worker.acme.internal"}, URIs: uris("spiffe://acme.internal/worker"),
	}
	for _, f := range change {
		f(c)
	}
	cert := sign(c, &authority{parent: a}, key.Public())
	out := tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
	for ; a.parent != nil; a = a.parent { // intermediates
		out.Certificate = append(out.Certificate, a.cert.Raw)
	}
	return out
}

func uris(texts ...string) (all []*url.URL) {
	for _, text := range texts {
		all = append(all, authn.Must(url.Parse(text)))
	}
	return all
}

func pool(as ...*authority) *x509.CertPool {
	p := x509.NewCertPool()
	for _, a := range as {
		p.AddCert(a.cert)
	}
	return p
}

// service is a verifier whose clock the tests set.
type service struct {
	*mtls.Verifier
	root   *authority
	events authntest.Recorder
	offset atomic.Int64
	denied atomic.Pointer[x509.Certificate]
}

func (s *service) now() time.Time { return noon.Add(time.Duration(s.offset.Load())) }

// newService is of SPIFFE ids, with what change makes of its Config.
func newService(t testing.TB, change ...func(cfg *mtls.Config)) *service {
	t.Helper()
	s := &service{root: newAuthority(nil)}
	cfg := mtls.Config{
		Roots: pool(s.root), TrustDomain: domain, OnEvent: s.events.OnEvent, Now: s.now,
		Denied: func(c *x509.Certificate) bool { d := s.denied.Load(); return d != nil && d.Equal(c) },
	}
	for _, f := range change {
		f(&cfg)
	}
	v, err := mtls.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Verifier = v
	return s
}

// over is a request on a connection with these certificates.
func over(cert tls.Certificate) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "https://orders.acme.internal/", nil)
	r.TLS = &tls.ConnectionState{}
	for _, der := range cert.Certificate {
		r.TLS.PeerCertificates = append(r.TLS.PeerCertificates, authn.Must(x509.ParseCertificate(der)))
	}
	return r
}

// want fails unless r is let in as subject, or else refused for this reason; and
// unless Certificate says the same of the chain.
func (s *service) want(t testing.TB, what string, r *http.Request, subject, reason string) {
	t.Helper()
	before := len(s.events.Events())
	id, err := s.Verify(r)
	events := s.events.Events()[before:]
	if subject != "" {
		if err != nil || id.Subject != subject || len(events) != 0 {
			t.Errorf("%s: %+v, %v, events %v; want %s", what, id, err, events, subject)
		}
		return
	}
	e := authn.AsError(err)
	switch {
	case e == nil:
		t.Errorf("%s: %s is let in, want %q", what, id.Subject, reason)
	case e.Reason != reason || e.Status != http.StatusUnauthorized || e.Code != "invalid_token" || !e.Reported:
		t.Errorf("%s: %+v, want %q", what, e, reason)
	case len(events) != 1 || events[0].Kind != authn.EventRefused || events[0].Reason != reason || events[0].Method != "mtls" || events[0].CredentialID == "":
		t.Errorf("%s: events %+v", what, events)
	}
}

// absent fails unless r has no credential.
func (s *service) absent(t testing.TB, what string, r *http.Request) {
	t.Helper()
	before := len(s.events.Events())
	if id, err := s.Verify(r); err != authn.ErrNoCredential { //nolint:errorlint // to the letter: nothing was there
		t.Errorf("%s: %v, %v; want ErrNoCredential", what, id, err)
	}
	if c := s.Certificate(r); c != nil {
		t.Errorf("%s: a certificate of %s", what, c.Subject)
	}
	if events := s.events.Events()[before:]; len(events) != 0 {
		t.Errorf("%s: events %v", what, events)
	}
}

func fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	return hex.EncodeToString(sum[:])
}

// rfc9440 is DER as a field has it.
func rfc9440(der []byte) string { return ":" + base64.StdEncoding.EncodeToString(der) + ":" }

// escaped is PEM, as Envoy and nginx escape it.
func escaped(ders ...[]byte) string {
	var b strings.Builder
	for _, der := range ders {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	}
	return strings.NewReplacer("\n", "%0A", " ", "%20", "+", "%2B", "/", "%2F", "=", "%3D").Replace(b.String())
}
