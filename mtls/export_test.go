package mtls

import "crypto/x509"

// Known is how many leaves v keeps.
func (v *Verifier) Known() int { return v.trust.Load().known.Len() }

// MaxKnown bounds that.
const MaxKnown = maxKnown

// ReadClientCert and ReadXFCC are the readers of fields.
func ReadClientCert(line string, chain []string) (leaf []byte, more [][]byte, ok bool) {
	s, ok := clientCert(line, chain)
	return s.der, s.more, ok
}

func ReadXFCC(line string) (leaf []byte, more [][]byte, ok bool) {
	s, ok := xfcc(line)
	return s.der, s.more, ok
}

// NameOf is whom a verified leaf names, or what is wrong with it.
func (v *Verifier) NameOf(leaf *x509.Certificate) (subject, wrong string) { return v.cfg.name(leaf) }
