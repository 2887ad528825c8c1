package mtls_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
	"github.com/gatehouse-go/authn/mtls"
)

const xfcc = "X-Forwarded-Client-Cert"

// behind is a service behind proxies at 10.0.0.0/8.
func behind(t testing.TB, field mtls.ProxyHeader) *service {
	t.Helper()
	proxies := authn.Must(clientip.New(clientip.Config{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: clientip.XForwardedFor,
	}))
	return newService(t, func(cfg *mtls.Config) {
		if field != "" {
			cfg.ProxyHeader, cfg.FromProxy = field, proxies.FromProxy
		}
	})
}

// proxied is a request that a proxy makes, with names and values of fields.
func proxied(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://orders.acme.internal/", nil)
	r.RemoteAddr = "10.0.0.1:4711"
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// malformed fails unless r is 400.
func (s *service) malformed(t *testing.T, what string, r *http.Request, reason string) {
	t.Helper()
	_, err := s.Verify(r)
	if e := authn.AsError(err); e == nil || e.Status != http.StatusBadRequest || e.Reason != reason || !e.Reported {
		t.Errorf("%s: %+v, want 400 %q", what, e, reason)
	}
	if c := s.Certificate(r); c != nil {
		t.Errorf("%s: a certificate", what)
	}
}

// M3: Client-Cert and Client-Cert-Chain of RFC 9440.
func TestClientCert(t *testing.T) {
	s := behind(t, mtls.ClientCert)
	middle := newAuthority(s.root)
	below := newAuthority(middle)
	cert, far := s.root.leaf(), below.leaf()
	good := rfc9440(cert.Certificate[0])
	leaf, first, second := rfc9440(far.Certificate[0]), rfc9440(far.Certificate[1]), rfc9440(far.Certificate[2])

	s.want(t, "one", proxied("Client-Cert", good), worker, "")
	s.want(t, "known", proxied("Client-Cert", good), worker, "")
	s.want(t, "an empty chain", proxied("Client-Cert", good, "Client-Cert-Chain", ""), worker, "")
	s.want(t, "spaces for a chain", proxied("Client-Cert", good, "Client-Cert-Chain", " ", "Client-Cert-Chain", "\t"), worker, "")
	s.want(t, "without the chain", proxied("Client-Cert", leaf), "", "unknown authority")
	s.want(t, "a chain", proxied("Client-Cert", leaf, "Client-Cert-Chain", first+", "+second), worker, "")
	again := newAuthority(below).leaf()
	rest := []string{rfc9440(again.Certificate[1]), rfc9440(again.Certificate[2]), rfc9440(again.Certificate[3])}
	s.want(t, "in three lines", proxied("Client-Cert", rfc9440(again.Certificate[0]),
		"Client-Cert-Chain", rest[0], "Client-Cert-Chain", rest[1]+",\t"+rest[2]), worker, "")
	s.want(t, "ten in the chain", proxied("Client-Cert", good, "Client-Cert-Chain", strings.Repeat(first+",", 9)+second), worker, "")
	s.want(t, "expired", proxied("Client-Cert", rfc9440(s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) }).Certificate[0])), "", "expired")
	s.want(t, "another root", proxied("Client-Cert", rfc9440(newAuthority(nil).leaf().Certificate[0])), "", "unknown authority")

	s.absent(t, "none", proxied())
	s.absent(t, "empty", proxied("Client-Cert", ""))
	s.absent(t, "an empty sequence", proxied("Client-Cert", "::"))
	s.absent(t, "the other field", proxied(xfcc, `Cert="`+escaped(cert.Certificate[0])+`"`))

	raw := base64.StdEncoding.EncodeToString(cert.Certificate[0])
	padded := newAuthority(nil) // for a length that needs padding
	for _, c := range []struct {
		name   string
		fields []string
	}{
		{"bare base64", []string{"Client-Cert", raw}},
		{"one colon", []string{"Client-Cert", ":" + raw}},
		{"a colon", []string{"Client-Cert", ":"}},
		{"three colons", []string{"Client-Cert", ":::"}},
		{"a parameter", []string{"Client-Cert", good + ";a=1"}},
		{"a list", []string{"Client-Cert", good + ", " + good}},
		{"a quoted string", []string{"Client-Cert", `"` + raw + `"`}},
		{"URL's base64", []string{"Client-Cert", ":" + base64.URLEncoding.EncodeToString([]byte{0xfb, 0xff, 0xfe}) + ":"}},
		{"a space", []string{"Client-Cert", ":" + raw[:8] + " " + raw[8:] + ":"}},
		{"a line break", []string{"Client-Cert", ":" + raw[:8] + "\n" + raw[8:] + ":"}},
		{"no padding", []string{"Client-Cert", ":" + base64.RawStdEncoding.EncodeToString([]byte("a")) + ":"}},
		{"bits behind the end", []string{"Client-Cert", ":YR==:"}},
		{"PEM", []string{"Client-Cert", escaped(cert.Certificate[0])}},
		{"a bad chain", []string{"Client-Cert", good, "Client-Cert-Chain", "x"}},
		{"an empty line behind", []string{"Client-Cert", leaf, "Client-Cert-Chain", first, "Client-Cert-Chain", ""}},
		{"an empty item", []string{"Client-Cert", leaf, "Client-Cert-Chain", first + ",," + second}},
		{"a comma at the end", []string{"Client-Cert", leaf, "Client-Cert-Chain", first + ","}},
		{"an empty sequence in it", []string{"Client-Cert", leaf, "Client-Cert-Chain", "::"}},
		{"an inner list", []string{"Client-Cert", leaf, "Client-Cert-Chain", "(" + first + ")"}},
		{"a long chain", []string{"Client-Cert", good, "Client-Cert-Chain", strings.Repeat(rfc9440(padded.cert.Raw)+",", 10) + first}},
		{"a chain alone", []string{"Client-Cert-Chain", first}},
	} {
		s.malformed(t, c.name, proxied(c.fields...), "malformed Client-Cert")
	}
	s.malformed(t, "two", proxied("Client-Cert", good, "Client-Cert", good), "more than one Client-Cert")
	s.malformed(t, "no certificate", proxied("Client-Cert", rfc9440([]byte("certificate"))), "unreadable certificate")
	s.malformed(t, "two in one", proxied("Client-Cert", rfc9440(append(append([]byte{}, cert.Certificate[0]...), 0))), "unreadable certificate")
	s.malformed(t, "no certificate in the chain", proxied("Client-Cert", rfc9440(middle.leaf().Certificate[0]), "Client-Cert-Chain", rfc9440([]byte("x"))), "unreadable certificate")
	s.malformed(t, "64 KiB", proxied("Client-Cert", ":"+strings.Repeat("A", 64<<10-2)+":"), "malformed Client-Cert")
	s.malformed(t, "over 64 KiB", proxied("Client-Cert", ":"+strings.Repeat("A", 64<<10-1)+":"), "long Client-Cert")
	s.malformed(t, "64 KiB together", proxied("Client-Cert", good, "Client-Cert-Chain", ":"+strings.Repeat("A", 64<<10-len(good))+":"), "long Client-Cert")
}

// M3: X-Forwarded-Client-Cert, of which Cert and Chain count.
func TestXForwardedClientCert(t *testing.T) {
	s := behind(t, mtls.XForwardedClientCert)
	middle := newAuthority(s.root)
	cert, far := s.root.leaf(), middle.leaf()
	sum := sha256.Sum256(cert.Certificate[0])
	hash := hex.EncodeToString(sum[:])
	one, both := escaped(cert.Certificate[0]), escaped(far.Certificate...)
	alone := escaped(far.Certificate[0])
	plain := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=", "%20", " ").Replace(one)

	for name, value := range map[string]string{
		"nginx": `Cert="` + one + `"`, "not quoted": `Cert=` + one, "another case": `cert="` + one + `"`, "escaped where needed": `Cert="` + plain + `"`,
		"Envoy":        `By=spiffe://acme.internal/proxy;Hash=` + hash + `;Cert="` + one + `";Subject="CN=\"a\\,b;c=d";URI=` + worker + `;DNS=a;DNS=b`,
		"upper case":   `Hash=` + strings.ToUpper(hash) + `;Cert="` + one + `"`,
		"a chain":      `Chain="` + both + `"`,
		"both":         `Cert="` + alone + `";Chain="` + both + `"`,
		"no By":        `By=;Cert="` + one + `"`,
		"eleven":       `Chain="` + strings.Repeat(one, 11) + `"`,
		"no Chain":     `Cert="` + one + `";Chain=""`,
		"no last line": `Cert="` + strings.TrimSuffix(one, "%0A") + `"`,
	} {
		if err := s.SetRoots(pool(s.root)); err != nil { // nothing is known
			t.Fatal(err)
		}
		s.want(t, name, proxied(xfcc, value), worker, "")
		s.want(t, name+", known", proxied(xfcc, value), worker, "")
	}
	s.want(t, "no intermediate", proxied(xfcc, `Cert="`+escaped(newAuthority(middle).leaf().Certificate[0])+`"`), "", "unknown authority")
	s.absent(t, "none", proxied())
	s.absent(t, "empty", proxied(xfcc, ""))
	s.absent(t, "nginx without one", proxied(xfcc, `Cert=""`))
	s.absent(t, "not quoted, without one", proxied(xfcc, `Cert=`))
	s.absent(t, "the other field", proxied("Client-Cert", rfc9440(cert.Certificate[0])))

	begin := "-----BEGIN%20CERTIFICATE-----%0A"
	for name, value := range map[string]string{
		"a hash":                   `Hash=` + hash,
		"a hash and names":         `By=spiffe://acme.internal/proxy;Hash=` + hash + `;Subject="CN=admin";URI=` + worker,
		"a hash and an empty Cert": `Hash=` + hash + `;Cert=""`,
		"another's hash":           `Hash=` + strings.Repeat("0", 64) + `;Cert="` + one + `"`,
		"an empty hash":            `Hash=;Cert="` + one + `"`,
		"a name that brings one":   `Hash=` + hash + `;URI=x;Cert="` + alone + `"`,
		"a name that brings two":   `Cert="` + one + `";DNS=x;Cert="` + alone + `"`,
		"two hashes":               `Hash=` + hash + `;Hash=` + hash + `;Cert="` + one + `"`,
		"two chains":               `Chain="` + one + `";Chain="` + one + `"`,
		"two elements":             `Cert="` + one + `",Cert="` + one + `"`,
		"another element":          `Cert="` + one + `",By=x`,
		"an empty element":         `Cert="` + one + `",`,
		"before an element":        `,Cert="` + one + `"`,
		"another's chain":          `Cert="` + one + `";Chain="` + both + `"`,
		"two in Cert":              `Cert="` + both + `"`,
		"no value":                 `Cert`,
		"no name":                  `="` + one + `"`,
		"a space":                  `Cert="` + one + `"; Hash=` + hash,
		"a semicolon at the end":   `Cert="` + one + `";`,
		"an open quote":            `Cert="` + one,
		"an escaped quote":         `Cert="` + one + `\"`,
		"behind the quote":         `Cert="` + one + `"x`,
		"a quote within":           `Cert=x"` + one + `"`,
		"bad escapes":              `Cert="%GG"`,
		"DER":                      `Cert="` + base64.StdEncoding.EncodeToString(cert.Certificate[0]) + `"`,
		"a key":                    `Cert="` + strings.ReplaceAll(one, "CERTIFICATE", "PRIVATE%20KEY") + `"`,
		"text before":              `Cert="x%0A` + one + `"`,
		"text behind":              `Cert="` + one + `x"`,
		"a block that is broken":   `Cert="` + begin + `!!!%0A` + one + `"`,
		"PEM headers":              `Cert="` + strings.Replace(one, begin, begin+"A:%20b%0A%0A", 1) + `"`,
		"one line":                 `Cert="` + strings.ReplaceAll(one, "%0A", "%20") + `"`,
		"CRLF":                     `Cert="` + strings.ReplaceAll(one, "%0A", "%0D%0A") + `"`,
		"a quote that stays open":  `Cert="` + one + `";Subject="CN=a`,
		"twelve in Chain":          `Chain="` + strings.Repeat(one, 12) + `"`,
	} {
		s.malformed(t, name, proxied(xfcc, value), "malformed "+xfcc)
	}
	s.malformed(t, "two lines", proxied(xfcc, `Cert="`+one+`"`, xfcc, `Cert="`+one+`"`), "more than one "+xfcc)
	s.malformed(t, "64 KiB", proxied(xfcc, `Cert="`+strings.Repeat("A", 64<<10)+`"`), "long "+xfcc)
}

// M3: the field of who is no trusted proxy is nothing, and a proxy's own
// certificate is nobody's.
func TestForgedFields(t *testing.T) {
	for field, write := range map[mtls.ProxyHeader]func(der []byte) string{
		mtls.ClientCert:           rfc9440,
		mtls.XForwardedClientCert: func(der []byte) string { return `Cert="` + escaped(der) + `"` },
	} {
		s := behind(t, field)
		mine := s.root.leaf(func(c *x509.Certificate) { c.URIs = uris("spiffe://acme.internal/mine") })
		victims := s.root.leaf(func(c *x509.Certificate) { c.URIs = uris("spiffe://acme.internal/admin") })
		r := proxied(string(field), write(victims.Certificate[0]))
		s.want(t, "proxied", r, "spiffe://acme.internal/admin", "")
		for _, peer := range []string{"192.0.2.66:4711", "11.0.0.1:1", "@", ""} {
			r.RemoteAddr = peer
			s.absent(t, "forged by "+peer, r)
		}
		direct := over(mine)
		direct.RemoteAddr, direct.Header = "192.0.2.66:4711", r.Header
		s.want(t, "forged over a certificate", direct, "spiffe://acme.internal/mine", "")
		direct.Header = http.Header{string(field): {"\x00"}, "Client-Cert-Chain": {"\x00"}}
		s.want(t, "garbage", direct, "spiffe://acme.internal/mine", "")

		proxys := over(s.root.leaf(func(c *x509.Certificate) { c.URIs = uris("spiffe://acme.internal/proxy") }))
		proxys.RemoteAddr = "10.0.0.1:4711"
		s.absent(t, "the proxy's own certificate", proxys)
		proxys.Header.Set(string(field), write(victims.Certificate[0]))
		s.want(t, "the client's over the proxy's", proxys, "spiffe://acme.internal/admin", "")
	}
}

// M3: a forged field takes neither a public route nor another credential away.
func TestForgedFieldsAreNoCredential(t *testing.T) {
	s := behind(t, mtls.ClientCert)
	r := proxied("Client-Cert", "x", "Cookie", "session=1")
	r.RemoteAddr = "192.0.2.66:4711"
	w := httptest.NewRecorder()
	authn.Optional(s)(http.NotFoundHandler()).ServeHTTP(w, r)
	if w.Code != http.StatusNotFound || w.Header().Get("Vary") != "Client-Cert, Client-Cert-Chain" || w.Header().Get("Cache-Control") != "private" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	if id, err := authn.Check(authn.FirstOf(cookie{}, s), r); err != nil || id.Subject != "ada" {
		t.Errorf("beside a cookie: %v, %v", id, err)
	}
}

// M3: a key too large for TLS is refused before anything is checked with it.
func TestLargeKeysAreRefused(t *testing.T) {
	s := behind(t, mtls.ClientCert)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: noon.Add(-1), NotAfter: noon.Add(1), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	modulus := new(big.Int).SetBit(big.NewInt(1), 8192, 1)
	large := authn.Must(x509.CreateCertificate(rand.Reader, template, s.root.cert, &rsa.PublicKey{N: modulus, E: 65537}, s.root.key))
	leaf := rfc9440(s.root.leaf().Certificate[0])
	modulus = new(big.Int).SetBit(big.NewInt(1), 8191, 1)
	most := authn.Must(x509.CreateCertificate(rand.Reader, template, s.root.cert, &rsa.PublicKey{N: modulus, E: 65537}, s.root.key))
	s.want(t, "8192 bits", proxied("Client-Cert", rfc9440(most)), "", "an authority's certificate")
	s.want(t, "leaf", proxied("Client-Cert", rfc9440(large)), "", "large key")
	s.want(t, "chain", proxied("Client-Cert", leaf, "Client-Cert-Chain", rfc9440(large)), "", "large key")
}

// cookie is a verifier of a cookie.
type cookie struct{}

func (cookie) Describe() authn.Description { return authn.Description{Vary: []string{"Cookie"}} }

func (cookie) Verify(r *http.Request) (*authn.Identity, error) {
	if r.Header.Get("Cookie") == "" {
		return nil, authn.ErrNoCredential
	}
	return authn.User("ada", "cookie"), nil
}
