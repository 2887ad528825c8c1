package mtls_test

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/mtls"
)

// base64 with its padding, as RFC 4648 §4 has it: what cannot be is left to the
// comparison with what it encodes.
var slowSequence = regexp.MustCompile(`^:((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?):$`)

// slowBytes is a plain reading of one byte sequence that is not empty.
func slowBytes(s string) ([]byte, bool) {
	m := slowSequence.FindStringSubmatch(s)
	if m == nil || m[1] == "" {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(m[1])
	return b, err == nil && base64.StdEncoding.EncodeToString(b) == m[1]
}

// slowClientCert is a plain reading of both fields.
func slowClientCert(line string, chain []string) (leaf []byte, more [][]byte, ok bool) {
	empty := strings.Trim(strings.Join(chain, ""), " \t") == ""
	if line == "" || line == "::" {
		return nil, nil, empty
	}
	if leaf, ok = slowBytes(line); !ok {
		return nil, nil, false
	}
	if empty {
		return leaf, nil, true
	}
	for _, item := range strings.Split(strings.Join(chain, ","), ",") {
		der, ok := slowBytes(strings.Trim(item, " \t"))
		if !ok {
			return nil, nil, false
		}
		more = append(more, der)
	}
	return leaf, more, true
}

// M3: whatever stands in the fields of RFC 9440, a plain reading finds the same
// certificates; nothing but a certificate of ours gets in, and from who is no
// proxy all of it is nothing.
func FuzzClientCert(f *testing.F) {
	s := behind(f, mtls.ClientCert)
	good := s.root.leaf()
	f.Add("GOOD", "", "") // by name: each process of the fuzzer has another one
	f.Add("GOOD", "ROOT", "ROOT")
	fill := strings.NewReplacer("GOOD", rfc9440(good.Certificate[0]), "ROOT", rfc9440(s.root.cert.Raw)).Replace
	f.Fuzz(func(t *testing.T, line, first, second string) {
		line, first, second = fill(line), fill(first), fill(second)
		s.events = authntest.Recorder{}
		for _, chain := range [][]string{nil, {first}, {first, second}} {
			leaf, more, ok := mtls.ReadClientCert(line, chain)
			slowLeaf, slowMore, slowOK := slowClientCert(line, chain)
			if ok = ok && len(more) <= 10; ok != (slowOK && len(slowMore) <= 10) || ok && !same(leaf, more, slowLeaf, slowMore) {
				t.Errorf("%q %q: %x %x %v, plainly %x %x %v", line, chain, leaf, more, ok, slowLeaf, slowMore, slowOK)
			}
			r := proxied()
			r.Header = http.Header{"Client-Cert": {line}}
			if chain != nil {
				r.Header["Client-Cert-Chain"] = chain
			}
			s.judge(t, r, good.Leaf, strings.Trim(line, " ") == rfc9440(good.Certificate[0]))
		}
	})
}

func same(leaf []byte, more [][]byte, leaf2 []byte, more2 [][]byte) bool {
	return bytes.Equal(leaf, leaf2) && bytes.Equal(bytes.Join(more, []byte("|")), bytes.Join(more2, []byte("|"))) && len(more) == len(more2)
}

// judge fails if anything but good is let in, or a stranger is looked at. good
// need not be let in.
func (s *service) judge(t *testing.T, r *http.Request, good *x509.Certificate, isGood bool) {
	t.Helper()
	id, err := s.Verify(r)
	switch e := authn.AsError(err); {
	case err == nil && (!isGood || id.CredentialID != hex.EncodeToString(sum(good.Raw)) || id.Subject != worker):
		t.Errorf("%q gets in as %s", r.Header, id.Subject)
	case err != nil && e.Status != 400 && e.Status != 401:
		t.Errorf("%q: %v", r.Header, err)
	}
	r.RemoteAddr = "192.0.2.66:4711"
	if _, err := s.Verify(r); err != authn.ErrNoCredential { //nolint:errorlint // to the letter
		t.Errorf("%q of a stranger: %v", r.Header, err)
	}
}

func sum(b []byte) []byte {
	d := sha256.Sum256(b)
	return d[:]
}

var (
	slowElement = regexp.MustCompile(`(?s)^(?:[A-Za-z]+=(?:"(?:[^"\\]|\\.)*"|[^";,][^";,]*|))(?:;[A-Za-z]+=(?:"(?:[^"\\]|\\.)*"|[^";,]*))*$`)
	slowPair    = regexp.MustCompile(`(?s)([A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)"|([^";,]*))(?:;|$)`)
	slowPEM     = regexp.MustCompile(`^(?:-----BEGIN CERTIFICATE-----\n(?:[A-Za-z0-9+/=]{1,64}\n)+-----END CERTIFICATE-----(?:\n+|$))*$`)
)

// slowXFCC is a plain reading of Envoy's field.
func slowXFCC(line string) (leaf []byte, more [][]byte, ok bool) {
	if line == "" {
		return nil, nil, true
	}
	if !slowElement.MatchString(line) {
		return nil, nil, false
	}
	values := map[string][]string{}
	for _, m := range slowPair.FindAllStringSubmatch(line, -1) {
		values[strings.ToLower(m[1])] = append(values[strings.ToLower(m[1])], m[2]+m[3])
	}
	for _, name := range []string{"cert", "chain", "hash"} {
		if len(values[name]) > 1 {
			return nil, nil, false
		}
	}
	one := func(name string) string { return strings.Join(values[name], "") }
	cert, ok1 := slowCertificates(one("cert"))
	chain, ok2 := slowCertificates(one("chain"))
	switch {
	case !ok1 || !ok2 || len(cert) > 1 || len(cert) == 1 && len(chain) > 0 && !bytes.Equal(cert[0], chain[0]):
		return nil, nil, false
	case len(cert) == 0 && len(chain) == 0:
		return nil, nil, len(values["cert"]) == 1 && values["hash"] == nil
	case len(chain) > 0:
		leaf, more = chain[0], chain[1:]
	default:
		leaf = cert[0]
	}
	return leaf, more, values["hash"] == nil || strings.ToLower(one("hash")) == hex.EncodeToString(sum(leaf))
}

func slowCertificates(escaped string) (ders [][]byte, ok bool) {
	text, err := url.PathUnescape(escaped)
	if err != nil || !slowPEM.MatchString(text) {
		return nil, false
	}
	var again strings.Builder
	for rest := []byte(text); ; {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		ders, rest = append(ders, block.Bytes), after
		again.Write(pem.EncodeToMemory(block))
	}
	squeeze := func(s string) string { return strings.Trim(regexp.MustCompile("\n+").ReplaceAllString(s, "\n"), "\n") }
	return ders, squeeze(text) == squeeze(again.String()) && len(ders) <= 11
}

// M3: whatever stands in X-Forwarded-Client-Cert, a plain reading finds the same;
// and as above.
func FuzzXForwardedClientCert(f *testing.F) {
	s := behind(f, mtls.XForwardedClientCert)
	good := s.root.leaf()
	one := escaped(good.Certificate[0])
	f.Add(`Cert="GOOD"`) // by name: each process of the fuzzer has another one
	f.Add(`By=x;Hash=HASH;Cert="GOOD";Subject="CN=\"a"`)
	f.Add(`Chain="GOODROOT"`)
	fill := strings.NewReplacer("GOOD", one, "ROOT", escaped(s.root.cert.Raw), "HASH", hex.EncodeToString(sum(good.Certificate[0]))).Replace
	f.Fuzz(func(t *testing.T, line string) {
		line = fill(line)
		s.events = authntest.Recorder{}
		leaf, more, ok := mtls.ReadXFCC(line)
		slowLeaf, slowMore, slowOK := slowXFCC(line)
		if ok != slowOK || ok && !same(leaf, more, slowLeaf, slowMore) {
			t.Errorf("%q: %x %x %v, plainly %x %x %v", line, leaf, more, ok, slowLeaf, slowMore, slowOK)
		}
		r := proxied()
		r.Header = http.Header{xfcc: {line}}
		leaf, _, _ = mtls.ReadXFCC(strings.Trim(line, " "))
		s.judge(t, r, good.Leaf, bytes.Equal(leaf, good.Certificate[0]))
	})
}

// M2: a Subject is an id of the domain, to the letter of its grammar.
func FuzzSPIFFEID(f *testing.F) {
	v := authn.Must(mtls.New(mtls.Config{Roots: pool(newAuthority(nil)), TrustDomain: domain}))
	grammar := regexp.MustCompile(`^spiffe://acme\.internal(?:/(?:[A-Za-z0-9_-][A-Za-z0-9._-]*|\.[A-Za-z0-9_-][A-Za-z0-9._-]*|\.\.[A-Za-z0-9._-]+))+$`)
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			return
		}
		subject, wrong := v.NameOf(&x509.Certificate{URIs: []*url.URL{u}})
		if id := u.String(); (wrong == "") != (grammar.MatchString(id) && len(id) <= 2048) || wrong == "" && subject != id || wrong != "" && subject != "" {
			t.Errorf("%q: %q, %q", text, subject, wrong)
		}
	})
}
