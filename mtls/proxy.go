package mtls

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/gatehouse-go/authn"
)

// ProxyHeader is the field that the proxy overwrites. No other is believed.
type ProxyHeader string

const (
	// ClientCert is of RFC 9440, with Client-Cert-Chain beside it.
	ClientCert ProxyHeader = "Client-Cert"
	// XForwardedClientCert is Envoy's, with one element that has Cert or Chain: a
	// hash or a name alone would be nothing to verify.
	XForwardedClientCert ProxyHeader = "X-Forwarded-Client-Cert"
)

const clientCertChain = "Client-Cert-Chain"

const (
	maxField = 64 << 10 // bytes of both fields
	maxChain = 10       // certificates beside the leaf
)

// fields are those that are read.
func (h ProxyHeader) fields() []string {
	switch h {
	case "":
		return nil
	case ClientCert:
		return []string{string(ClientCert), clientCertChain}
	default:
		return []string{string(h)}
	}
}

// shown is what r came over: the proxy's word if it comes from there, and then
// nothing else, since the connection is the proxy's own.
func (v *Verifier) shown(r *http.Request) (shown, *authn.Error) {
	if v.cfg.ProxyHeader == "" || !v.cfg.FromProxy(r) {
		if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
			return shown{}, nil
		}
		certs := r.TLS.PeerCertificates
		return shown{der: certs[0].Raw, chain: certs[1:]}, nil
	}
	size := 0
	for _, field := range v.cfg.ProxyHeader.fields() {
		for _, line := range r.Header[field] {
			size += len(line)
		}
	}
	if size > maxField {
		return shown{}, authn.Malformed("long "+string(v.cfg.ProxyHeader), nil)
	}
	lines := r.Header[string(v.cfg.ProxyHeader)]
	if len(lines) > 1 { // of two writers, perhaps
		return shown{}, authn.Malformed("more than one "+string(v.cfg.ProxyHeader), nil)
	}
	line := ""
	if len(lines) == 1 {
		line = strings.Trim(lines[0], " ")
	}
	var s shown
	var ok bool
	if v.cfg.ProxyHeader == ClientCert {
		s, ok = clientCert(line, r.Header[clientCertChain])
	} else {
		s, ok = xfcc(line)
	}
	if !ok || len(s.more) > maxChain {
		return shown{}, authn.Malformed("malformed "+string(v.cfg.ProxyHeader), nil)
	}
	return s, nil
}

// clientCert reads the fields of RFC 9440 §2.2 and §2.3. An empty one, and an
// empty sequence, are a proxy's way to say that there was no certificate.
func clientCert(line string, chain []string) (s shown, ok bool) {
	noChain := strings.Trim(strings.Join(chain, ""), " \t") == "" // an empty list, too
	if line == "" || line == "::" {
		return s, noChain
	}
	if s.der, ok = byteSequence(line); !ok || noChain {
		return s, ok
	}
	for _, line := range chain {
		for item := range strings.SplitSeq(line, ",") {
			der, ok := byteSequence(strings.Trim(item, " \t"))
			if !ok || len(s.more) > maxChain {
				return s, false
			}
			s.more = append(s.more, der)
		}
	}
	return s, true
}

// byteSequence is of RFC 8941 §3.3.5, with padding, without parameters, and not
// empty.
func byteSequence(s string) ([]byte, bool) {
	if len(s) < 3 || s[0] != ':' || s[len(s)-1] != ':' || strings.ContainsAny(s, "\r\n") { // which package base64 skips
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s[1 : len(s)-1])
	return b, err == nil
}
