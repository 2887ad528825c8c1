package mtls_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

// M2: the Subject is the one SPIFFE id, of the trust domain, as its standard has
// them.
func TestSPIFFEIDs(t *testing.T) {
	s := newService(t)
	long := "spiffe://acme.internal/" + strings.Repeat("a", 2048-len("spiffe://acme.internal/"))
	for _, c := range []struct {
		name   string
		uris   []*url.URL
		reason string // "": it is the Subject
	}{
		{"one", uris(worker), ""},
		{"a longer path", uris("spiffe://acme.internal/ns/Prod/sa/worker-1_a.b"), ""},
		{"2048 bytes", uris(long), ""},
		{"none", nil, "no SPIFFE id"},
		{"two", uris(worker, "spiffe://acme.internal/admin"), "several URIs"},
		{"the same twice", uris(worker, worker), "several URIs"},
		{"and another URI", uris(worker, "https://acme.internal/worker"), "several URIs"},
		{"another URI", uris("https://acme.internal/worker"), "no SPIFFE id"},
		{"another trust domain", uris("spiffe://evil.example/worker"), "another trust domain"},
		{"a trust domain below", uris("spiffe://x.acme.internal/worker"), "another trust domain"},
		{"a longer trust domain", uris("spiffe://acme.internal.evil/worker"), "another trust domain"},
		{"upper case", uris("spiffe://ACME.internal/worker"), "no SPIFFE id"},
		{"a port", uris("spiffe://acme.internal:443/worker"), "no SPIFFE id"},
		{"a user", uris("spiffe://acme.internal@evil.example/worker"), "no SPIFFE id"},
		{"no trust domain", uris("spiffe:///worker"), "no SPIFFE id"},
		{"no path", uris("spiffe://acme.internal"), "no SPIFFE id"},
		{"an empty path", uris("spiffe://acme.internal/"), "no SPIFFE id"},
		{"a slash at the end", uris(worker + "/"), "no SPIFFE id"},
		{"an empty segment", uris("spiffe://acme.internal//worker"), "no SPIFFE id"},
		{"dots", uris("spiffe://acme.internal/admin/../worker"), "no SPIFFE id"},
		{"a dot", uris("spiffe://acme.internal/./worker"), "no SPIFFE id"},
		{"escaped", uris("spiffe://acme.internal/%77orker"), "no SPIFFE id"},
		{"a query", uris(worker + "?admin"), "no SPIFFE id"},
		{"an empty query", uris(worker + "?"), "no SPIFFE id"},
		{"a fragment", uris(worker + "#admin"), "no SPIFFE id"},
		{"opaque", uris("spiffe:acme.internal/worker"), "no SPIFFE id"},
		{"2049 bytes", uris(long + "a"), "no SPIFFE id"},
	} {
		cert := s.root.leaf(func(leaf *x509.Certificate) { leaf.URIs, leaf.DNSNames = c.uris, []string{"admin.acme.internal"} })
		subject := ""
		if c.reason == "" {
			subject = c.uris[0].String()
		}
		s.want(t, c.name, over(cert), subject, c.reason)
		s.want(t, c.name+", known", over(cert), subject, c.reason)
		if s.Certificate(over(cert)) == nil { // bound tokens have names of their own
			t.Errorf("%s: no Certificate", c.name)
		}
	}
}

// M2: without a trust domain it is the one DNS name, and the common name only
// where the host says so and there is no other.
func TestNames(t *testing.T) {
	byDNS := newService(t, func(cfg *mtls.Config) { cfg.TrustDomain = "" })
	byCN := newService(t, func(cfg *mtls.Config) { cfg.TrustDomain, cfg.InsecureCommonName = "", true })
	const none = "no DNS name"
	host := "no name of a host"
	label63, name253 := strings.Repeat("a", 63), strings.Repeat("a.", 126)+"a"
	for _, c := range []struct {
		name            string
		change          func(c *x509.Certificate)
		subject         string // by DNS name
		reason          string
		common, reason2 string // with InsecureCommonName
	}{
		{"one", func(c *x509.Certificate) { c.DNSNames = []string{"orders.acme.internal"} }, "orders.acme.internal", "", "orders.acme.internal", ""},
		{"upper case", func(c *x509.Certificate) { c.DNSNames = []string{"Orders.ACME.internal"} }, "orders.acme.internal", "", "orders.acme.internal", ""},
		{"one label", func(c *x509.Certificate) { c.DNSNames = []string{"orders"} }, "orders", "", "orders", ""},
		{"two", func(c *x509.Certificate) { c.DNSNames = []string{"a.internal", "b.internal"} }, "", "several DNS names", "", "several DNS names"},
		{"a wildcard", func(c *x509.Certificate) { c.DNSNames = []string{"*.acme.internal"} }, "", host, "", host},
		{"an empty label", func(c *x509.Certificate) { c.DNSNames = []string{"a..internal"} }, "", host, "", host},
		{"a URI", func(c *x509.Certificate) { c.DNSNames = []string{"spiffe://acme.internal/a"} }, "", host, "", host},
		{"a label of 63", func(c *x509.Certificate) { c.DNSNames = []string{label63} }, label63, "", label63, ""},
		{"a name of 253", func(c *x509.Certificate) { c.DNSNames = []string{name253} }, name253, "", name253, ""},
		{"a common name of 255", func(c *x509.Certificate) { c.DNSNames, c.URIs, c.Subject.CommonName = nil, nil, name253+"aa" }, "", none, name253 + "aa", ""},
		{"a common name of 256", func(c *x509.Certificate) { c.DNSNames, c.URIs, c.Subject.CommonName = nil, nil, name253+"aaa" }, "", none, "", "no common name"},
		{"a long label", func(c *x509.Certificate) { c.DNSNames = []string{strings.Repeat("a", 64)} }, "", host, "", host},
		{"a long name", func(c *x509.Certificate) { c.DNSNames = []string{name253 + "a"} }, "", host, "", host},
		{"no name", func(c *x509.Certificate) { c.DNSNames, c.URIs = nil, nil }, "", none, "", "no common name"},
		{"a common name", func(c *x509.Certificate) { c.DNSNames, c.URIs, c.Subject.CommonName = nil, nil, "orders" }, "", none, "orders", ""},
		{"beside a DNS name", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = []string{"a.internal"}, "orders" }, "a.internal", "", "a.internal", ""},
		{"beside a URI", func(c *x509.Certificate) { c.DNSNames, c.Subject.CommonName = nil, "orders" }, "", none, "", none},
		{"beside an address", func(c *x509.Certificate) {
			c.DNSNames, c.URIs, c.IPAddresses, c.Subject.CommonName = nil, nil, []net.IP{{10, 0, 0, 1}}, "orders"
		}, "", none, "", none},
		{"two common names", func(c *x509.Certificate) {
			c.DNSNames, c.URIs = nil, nil
			c.Subject.ExtraNames = []pkix.AttributeTypeAndValue{{Type: []int{2, 5, 4, 3}, Value: "admin"}, {Type: []int{2, 5, 4, 3}, Value: "orders"}}
		}, "", none, "", "no common name"},
		{"a line", func(c *x509.Certificate) { c.DNSNames, c.URIs, c.Subject.CommonName = nil, nil, "orders\nadmin" }, "", none, "", "no common name"},
	} {
		direct := byDNS.root.leaf(c.change)
		byDNS.want(t, c.name, over(direct), c.subject, c.reason)
		byCN.want(t, c.name+", common name", over(byCN.root.leaf(c.change)), c.common, c.reason2)
	}
}

// M2: the host maps certificates to whom it likes; its refusals stand, and the
// rest of the Identity is ours.
func TestIdentifyMaps(t *testing.T) {
	boom := errors.New("no such service")
	soon := time.Now().Add(time.Minute)
	mine := &authn.Identity{
		Subject: "acme/worker", Kind: authn.KindClient, Scopes: []string{"orders:read"}, Roles: []string{"worker"},
		Method: "theirs", CredentialID: "theirs",
	}
	for _, c := range []struct {
		name   string
		id     *authn.Identity
		err    error
		reason string
		status int
	}{
		{"mapped", mine, nil, "", 200},
		{"a person", authn.User("ada", ""), nil, "", 200},
		{"for a while", &authn.Identity{Subject: "x", Kind: authn.KindClient, ExpiresAt: soon}, nil, "", 200},
		{"for too long", &authn.Identity{Subject: "x", Kind: authn.KindClient, ExpiresAt: soon.AddDate(200, 0, 0)}, nil, "", 200},
		{"an error", nil, boom, "unknown subject", 401},
		{"absent", nil, authn.ErrNoCredential, "unknown subject", 401},
		{"a refusal", nil, authn.Refused("retired", nil), "retired", 401},
		{"its refusal of one that is absent", nil, authn.Refused("retired", authn.ErrNoCredential), "retired", 401},
		{"forbidden", mine, authn.Forbidden("not here", nil), "not here", 403},
		{"an outage", nil, &authn.Error{Status: 503, Code: "unavailable", Reason: "directory"}, "directory", 503},
		{"nothing", nil, nil, "unknown subject", 401},
		{"nobody", &authn.Identity{Kind: authn.KindClient}, nil, "unknown subject", 401},
		{"a key", &authn.Identity{Subject: "x", Kind: authn.KindKey}, nil, "unknown subject", 401},
		{"no kind", &authn.Identity{Subject: "x"}, nil, "unknown subject", 401},
	} {
		s := newService(t, func(cfg *mtls.Config) {
			cfg.TrustDomain = ""
			cfg.Identify = func(leaf *x509.Certificate) (*authn.Identity, error) {
				if len(leaf.URIs) != 1 {
					t.Errorf("Identify sees %v", leaf.URIs)
				}
				return c.id, c.err
			}
		})
		cert := s.root.leaf()
		for range 2 {
			id, err := s.Verify(over(cert))
			if c.status == 200 {
				if err != nil || id.Subject != c.id.Subject || id.Method != "mtls" || id.CredentialID != fingerprint(cert) || id == c.id ||
					id.ExpiresAt.After(cert.Leaf.NotAfter) || c.name == "for a while" && !id.ExpiresAt.Equal(soon) {
					t.Errorf("%s: %+v, %v", c.name, id, err)
				}
				continue
			}
			if e := authn.AsError(err); e == nil || e.Status != c.status || e.Reason != c.reason || e.Code == "" || e.About == nil || !e.Reported {
				t.Errorf("%s: %+v", c.name, e)
			}
			if _, err := authn.FirstOf(s, s).Verify(over(cert)); authn.AsError(err).Status != c.status {
				t.Errorf("%s: the next verifier is asked: %v", c.name, err)
			}
		}
	}
	if mine.Method != "theirs" {
		t.Error("the host's Identity was changed")
	}
}

// M2: with a trust domain Identify sees ids of that domain only.
func TestIdentifyBehindATrustDomain(t *testing.T) {
	s := newService(t, func(cfg *mtls.Config) {
		cfg.Identify = func(leaf *x509.Certificate) (*authn.Identity, error) {
			return &authn.Identity{Subject: strings.TrimPrefix(leaf.URIs[0].Path, "/"), Kind: authn.KindClient}, nil
		}
	})
	s.want(t, "ours", over(s.root.leaf()), "worker", "")
	s.want(t, "two", over(s.root.leaf(func(c *x509.Certificate) { c.URIs = uris(worker, worker) })), "", "several URIs")
	s.want(t, "theirs", over(s.root.leaf(func(c *x509.Certificate) { c.URIs = uris("spiffe://evil.example/worker") })), "", "another trust domain")
}
