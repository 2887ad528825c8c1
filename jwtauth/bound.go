package jwtauth

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"net/http"

	"github.com/gatehouse-go/authn"
)

// thumbprintLen is of a SHA-256 in base64url.
const thumbprintLen = 43

// Thumbprint is the x5t#S256 of a certificate (RFC 8705 §3.1), for
// [Grant].Confirm.
func Thumbprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Bound is a rule that wants a token which is bound to its caller's
// certificate (RFC 8705 §3). One that is bound is always checked, with or
// without the rule.
func Bound() authn.Rule {
	return authn.RuleFunc(func(_ *http.Request, id *authn.Identity) error {
		if t := tokenOf(id); t == nil || t.claims.confirm == "" {
			return authn.Forbidden("token is not bound", nil)
		}
		return nil
	})
}

// peerCertificate is the client's, of a handshake that this process made.
func peerCertificate(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return nil
	}
	return r.TLS.PeerCertificates[0]
}

// confirmed reports whether cert is the one that confirm names.
func confirmed(confirm string, cert *x509.Certificate) bool {
	return cert != nil && subtle.ConstantTimeCompare([]byte(confirm), []byte(Thumbprint(cert))) == 1
}
