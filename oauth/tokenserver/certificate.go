package tokenserver

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
)

// CertSubject is a certificate's subject as Client.CertSubject has it: its
// distinguished name as RFC 4514 writes it, the most specific part first as
// a rule, such as "CN=worker,O=Acme". Attributes that are rare stand there by their number. It is ""
// where there is no subject, and of one that cannot be read.
func CertSubject(cert *x509.Certificate) string {
	// Not cert.Subject, which has lost the order.
	var name pkix.RDNSequence
	if rest, err := asn1.Unmarshal(cert.RawSubject, &name); err != nil || len(rest) > 0 {
		return ""
	}
	return name.String()
}
