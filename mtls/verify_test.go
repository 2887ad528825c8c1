package mtls_test

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

const worker = "spiffe://acme.internal/worker"

// M1: the chain is verified against our roots, for clients, at the time of the
// request, whatever the handshake has said.
func TestChains(t *testing.T) {
	s := newService(t)
	other := newAuthority(nil)
	middle := newAuthority(s.root)
	below := newAuthority(middle)
	last := newAuthority(s.root, func(c *x509.Certificate) { c.MaxPathLenZero = true })
	oldMiddle := newAuthority(s.root, func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Minute) })
	servers := newAuthority(s.root, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
	good := s.root.leaf()
	noAuthority := &authority{cert: good.Leaf, key: good.PrivateKey.(crypto.Signer), parent: s.root}
	alone := func(cert tls.Certificate) tls.Certificate {
		cert.Certificate = cert.Certificate[:1]
		return cert
	}
	usage := func(usages ...x509.ExtKeyUsage) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = usages }
	}
	for _, c := range []struct {
		name   string
		cert   tls.Certificate
		reason string // "": let in
	}{
		{"good", good, ""},
		{"by an intermediate", middle.leaf(), ""},
		{"by two", below.leaf(), ""},
		{"of any use", s.root.leaf(usage()), ""},
		{"of both uses", s.root.leaf(usage(x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth)), ""},
		{"at its first moment", s.root.leaf(func(c *x509.Certificate) { c.NotBefore = noon }), ""},
		{"at its last moment", s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon }), ""},
		{"expired", s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-time.Second) }), "expired"},
		{"not yet valid", s.root.leaf(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), "not yet valid"},
		{"a server's", s.root.leaf(usage(x509.ExtKeyUsageServerAuth)), "not for clients"},
		{"a signer of code's", s.root.leaf(usage(x509.ExtKeyUsageCodeSigning)), "not for clients"},
		{"by an authority for servers", servers.leaf(), "not for clients"},
		{"of another root", other.leaf(), "unknown authority"},
		{"without its intermediate", alone(middle.leaf()), "unknown authority"},
		{"by an expired intermediate", oldMiddle.leaf(), "chain expired"},
		{"by an authority below the last", newAuthority(last).leaf(), "invalid chain"},
		{"by a leaf", noAuthority.leaf(), "unknown authority"},
		{"self-signed", tls.Certificate{Certificate: [][]byte{selfSigned().Raw}}, "unknown authority"},
		{"the root's own", tls.Certificate{Certificate: [][]byte{s.root.cert.Raw}}, "an authority's certificate"},
		{"an intermediate's own", tls.Certificate{Certificate: [][]byte{middle.cert.Raw}}, "an authority's certificate"},
		{"an authority's without the usage", s.root.leaf(func(c *x509.Certificate) { c.BasicConstraintsValid, c.IsCA = true, true }), "an authority's certificate"},
		{"with an authority's key usage", s.root.leaf(func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCRLSign }), "an authority's certificate"},
	} {
		for range 2 { // refusals are not remembered as anything else
			r := over(c.cert)
			r.TLS.VerifiedChains = [][]*x509.Certificate{r.TLS.PeerCertificates} // by others
			subject := worker
			if c.reason != "" {
				subject = ""
			}
			s.want(t, c.name, r, subject, c.reason)
			if got := s.Certificate(r); (got != nil) != (c.reason == "") || got != nil && !got.Equal(r.TLS.PeerCertificates[0]) {
				t.Errorf("%s: Certificate is %v", c.name, got)
			}
		}
	}
}

func selfSigned() *x509.Certificate {
	a := newAuthority(nil, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = false, x509.KeyUsageDigitalSignature
		c.URIs = uris(worker)
	})
	return a.cert
}

// M1: unless the host says otherwise, the clock is the system's.
func TestClockIsTheSystems(t *testing.T) {
	root := newAuthority(nil, func(c *x509.Certificate) { c.NotBefore, c.NotAfter = noon.AddDate(-30, 0, 0), noon.AddDate(300, 0, 0) })
	v := authn.Must(mtls.New(mtls.Config{Roots: pool(root), TrustDomain: domain}))
	for years, want := range map[int]string{300: "", -30: "expired"} {
		r := over(root.leaf(func(c *x509.Certificate) { c.NotBefore, c.NotAfter = root.cert.NotBefore, noon.AddDate(years, 0, 1) }))
		if _, err := v.Verify(r); (err == nil) != (want == "") || err != nil && authn.AsError(err).Reason != want {
			t.Errorf("until %v: %v, want %q", r.TLS.PeerCertificates[0].NotAfter, err, want)
		}
	}
}

// M1: without TLS or a certificate there is no credential, and others are asked.
func TestNoCertificateIsNoCredential(t *testing.T) {
	s := newService(t)
	s.absent(t, "no TLS", httptest.NewRequest(http.MethodGet, "/", nil))
	s.absent(t, "no certificate", over(tls.Certificate{}))
	for _, field := range []string{"Client-Cert", "X-Forwarded-Client-Cert"} { // nobody named a proxy
		r := over(tls.Certificate{})
		r.Header.Set(field, rfc9440(s.root.leaf().Certificate[0]))
		s.absent(t, field, r)
	}
}

// M1: what the cache knows is looked at again: times, the denylist, the roots.
func TestKnownChainsAreLookedAtAgain(t *testing.T) {
	s := newService(t)
	middle := newAuthority(s.root, func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = noon.Add(-10*time.Minute), noon.Add(10*time.Minute)
	})
	r, behind := over(s.root.leaf()), over(middle.leaf())
	all := func(what, direct, indirect string) {
		t.Helper()
		for r, reason := range map[*http.Request]string{r: direct, behind: indirect} {
			subject := worker
			if reason != "" {
				subject = ""
			}
			s.want(t, what, r, subject, reason)
			if got := s.Certificate(r) != nil; got != (reason == "") {
				t.Errorf("%s: a certificate: %v", what, got)
			}
		}
	}
	all("first", "", "")
	all("known", "", "")
	s.denied.Store(r.TLS.PeerCertificates[0])
	all("denied", "denied", "")
	s.denied.Store(middle.cert)
	all("the intermediate denied", "", "denied")
	s.denied.Store(s.root.cert)
	all("the root denied", "denied", "denied")
	s.denied.Store(nil)
	all("denied no more", "", "")
	s.offset.Store(int64(-2 * time.Hour))
	all("too early", "not yet valid", "not yet valid")
	s.offset.Store(0)
	all("noon", "", "")
	s.offset.Store(int64(-20 * time.Minute))
	all("the intermediate is not yet valid", "", "chain expired")
	s.offset.Store(int64(11 * time.Minute))
	all("the intermediate has expired", "", "chain expired")
	s.offset.Store(int64(time.Hour))
	all("the last moment", "", "chain expired")
	s.offset.Store(int64(time.Hour + 1))
	all("expired", "expired", "expired")
	s.offset.Store(0)
	all("back", "", "")
	if err := s.SetRoots(pool(newAuthority(nil))); err != nil {
		t.Fatal(err)
	}
	all("other roots", "unknown authority", "unknown authority")
	if err := s.SetRoots(pool(middle)); err != nil {
		t.Fatal(err)
	}
	all("the intermediate as a root", "unknown authority", "")
}

// M1: a denylist goes by issuer and serial: who shares one of them is let in.
func TestDeniedByIssuerAndSerial(t *testing.T) {
	type entry struct{ issuer, serial string }
	denied := map[entry]bool{}
	other := newAuthority(nil)
	s := newService(t, func(cfg *mtls.Config) {
		cfg.Denied = func(c *x509.Certificate) bool { return denied[entry{string(c.RawIssuer), c.SerialNumber.String()}] }
	})
	if err := s.SetRoots(pool(s.root, other)); err != nil {
		t.Fatal(err)
	}
	serial := func(n int64) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.SerialNumber = big.NewInt(n) }
	}
	bad := over(s.root.leaf(serial(700)))
	denied[entry{string(bad.TLS.PeerCertificates[0].RawIssuer), "700"}] = true
	s.want(t, "denied", bad, "", "denied")
	s.want(t, "another serial", over(s.root.leaf(serial(701))), worker, "")
	s.want(t, "another issuer", over(other.leaf(serial(700))), worker, "")
	events := s.events.Events(authn.EventRefused)
	if e := events[len(events)-1]; e.Subject != worker || e.SubjectKind != authn.KindClient {
		t.Errorf("the event does not say who was denied: %+v", e)
	}
}

// M1: of two chains to a root, one that is denied or expired leaves the other,
// also when the other came later.
func TestCrossSigned(t *testing.T) {
	second := newAuthority(nil)
	s := newService(t)
	if err := s.SetRoots(pool(s.root, second)); err != nil {
		t.Fatal(err)
	}
	middle := newAuthority(s.root, func(c *x509.Certificate) { c.NotAfter = noon.Add(10 * time.Minute) })
	crossed := &authority{key: middle.key, parent: second}
	template := *middle.cert
	template.SerialNumber, template.NotAfter = big.NewInt(serials.Add(1)), noon.Add(time.Hour)
	crossed.cert = sign(&template, crossed, middle.key.Public())
	cert := middle.leaf()
	one, another, both := cert, cert, cert
	one.Certificate = [][]byte{cert.Certificate[0], middle.cert.Raw}
	another.Certificate = [][]byte{cert.Certificate[0], crossed.cert.Raw}
	both.Certificate = [][]byte{cert.Certificate[0], middle.cert.Raw, crossed.cert.Raw}
	s.want(t, "one", over(one), worker, "")
	s.denied.Store(middle.cert)
	s.want(t, "denied", over(one), "", "denied")
	s.want(t, "another", over(another), worker, "")
	s.want(t, "both", over(both), worker, "")
	s.denied.Store(crossed.cert)
	s.want(t, "both, the other denied", over(both), worker, "")
	s.offset.Store(int64(11 * time.Minute)) // the one has expired
	s.want(t, "neither", over(both), "", "denied")
}

// M2, C10, C11: what an Identity has, and the answers around it.
func TestIdentity(t *testing.T) {
	s := newService(t)
	cert := s.root.leaf()
	id, err := s.Verify(over(cert))
	if err != nil {
		t.Fatal(err)
	}
	if id.Kind != authn.KindClient || id.Method != "mtls" || id.CredentialID != fingerprint(cert) || !id.VerifiedAt.Equal(noon) ||
		!id.ExpiresAt.Equal(noon.Add(time.Hour)) || id.Scopes != nil || id.Roles != nil || id.Pending != nil {
		t.Errorf("%+v", id)
	}
	if c, ok := id.Credential.(*x509.Certificate); !ok || !c.Equal(cert.Leaf) {
		t.Errorf("Credential is %T", id.Credential)
	}
	h := s.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for what, c := range map[string]struct {
		r      *http.Request
		status int
		cache  string
	}{
		"good": {over(cert), 200, "private"}, "none": {over(tls.Certificate{}), 401, "no-store"},
		"bad": {over(newAuthority(nil).leaf()), 401, "no-store"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, c.r)
		if w.Code != c.status || w.Header().Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %v", what, w.Code, w.Header())
		}
		if c.status == 401 && w.Header().Get("WWW-Authenticate") != `ClientCertificate realm="api"` &&
			!strings.HasPrefix(w.Header().Get("WWW-Authenticate"), `ClientCertificate realm="api", error="invalid_token"`) {
			t.Errorf("%s: %v", what, w.Header())
		}
	}
}

// M1: browsers send certificates unasked, so that another site's request that may
// change something is 403; what is no browser is not concerned.
func TestOtherSitesRequests(t *testing.T) {
	s := newService(t)
	cert := s.root.leaf()
	for _, c := range []struct {
		method, site string
		status       int
	}{
		{"GET", "cross-site", 200}, {"POST", "cross-site", 403}, {"POST", "same-site", 403}, {"POST", "same-origin", 200}, {"POST", "", 200},
	} {
		r := over(cert)
		r.Method = c.method
		if c.site != "" {
			r.Header.Set("Sec-Fetch-Site", c.site)
		}
		status := 200
		if _, err := s.Verify(r); err != nil {
			status = authn.AsError(err).Status
			events := s.events.Events()
			if e := events[len(events)-1]; e.Reason != "cross-origin" || e.Subject != worker || e.CredentialID != fingerprint(cert) {
				t.Errorf("%s %s: event %+v", c.method, c.site, e)
			}
		}
		if status != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.site, status, c.status)
		}
	}
}

// M1: a gateway passes on what a browser sent to it: the host says whose
// requests count.
func TestOtherSitesRequestsByAGateway(t *testing.T) {
	gateway := http.NewCrossOriginProtection()
	gateway.AddInsecureBypassPattern("/")
	app := http.NewCrossOriginProtection()
	if err := app.AddTrustedOrigin("https://app.acme.example"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		origin string
		cross  *http.CrossOriginProtection
		status int
	}{
		{"none", "https://app.acme.example", nil, 403},
		{"trusted", "https://app.acme.example", app, 200},
		{"another", "https://evil.example", app, 403},
		{"bypassed", "https://evil.example", gateway, 200},
	} {
		s := newService(t, func(cfg *mtls.Config) { cfg.CrossOrigin = c.cross })
		r := over(s.root.leaf())
		r.Method = http.MethodPost
		r.Header.Set("Origin", c.origin)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		status := 200
		if _, err := s.Verify(r); err != nil {
			status = authn.AsError(err).Status
		}
		if status != c.status {
			t.Errorf("%s: %d, want %d", c.name, status, c.status)
		}
	}
}

// M1, M6: a chain that is refused or denied is not searched for again with each
// request: whatever a client sent in its handshake, a request is cheap. Certificates
// are parsed for each search, so that one pointer means one search.
func TestRefusedChainsAreRemembered(t *testing.T) {
	searches := map[*x509.Certificate]bool{}
	s := newService(t, func(cfg *mtls.Config) {
		cfg.Denied = func(c *x509.Certificate) bool { searches[c] = true; return true }
	})
	denied, stranger := over(s.root.leaf()), over(newAuthority(nil).leaf())
	try := func(what string, want int) {
		t.Helper()
		clear(searches)
		for range 3 {
			s.want(t, what, denied, "", "denied")
			_, err := s.Verify(stranger)
			var unknown x509.UnknownAuthorityError
			if !errors.As(err, &unknown) {
				t.Fatal(err)
			}
			searches[unknown.Cert] = true
		}
		if len(searches) != want {
			t.Errorf("%s: %d searches, want %d", what, len(searches), want)
		}
	}
	try("first", 2)
	s.offset.Store(int64(time.Minute))
	try("a minute later", 2)
	if err := s.SetRoots(pool(s.root)); err != nil {
		t.Fatal(err)
	}
	try("other roots", 2)

	long := s.root.leaf()
	for range 10 {
		long.Certificate = append(long.Certificate, s.root.cert.Raw)
	}
	s.want(t, "ten beside the leaf", over(long), "", "denied")
	long.Certificate = append(long.Certificate, s.root.cert.Raw)
	s.want(t, "eleven beside the leaf", over(long), "", "long chain")
}
