package mtls_test

import (
	"crypto/tls"
	"net/http"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/mtls"
	"github.com/gatehouse-go/authn/store/memstore"
)

// M5, J27: a token that is bound to a certificate is good over that one, by TLS or
// by a proxy's word, and over no other, not by a forged word, and not once the
// certificate is refused.
func TestBoundTokens(t *testing.T) {
	s := behind(t, mtls.ClientCert)
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	const self = "https://auth.acme.internal"
	issuer := authn.Must(jwtauth.NewIssuer(ring, memstore.New(memstore.Config{}), authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: self, Audience: []string{self}, ClientCert: s.Certificate, Now: s.now}))

	mine, another := s.root.leaf(), s.root.leaf()
	id := authn.Must(s.Verify(over(mine)))
	tokens, err := issuer.Issue(t.Context(), jwtauth.Grant{Identity: id, Confirm: jwtauth.Thumbprint(s.Certificate(over(mine)))})
	if err != nil {
		t.Fatal(err)
	}
	with := func(r *http.Request, fields ...string) *http.Request {
		r.Header.Set("Authorization", "Bearer "+tokens.Access.Reveal())
		for i := 0; i+1 < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		return r
	}
	stranger := proxied("Client-Cert", rfc9440(mine.Certificate[0]))
	stranger.RemoteAddr = "192.0.2.66:4711"
	proxys := over(mine)
	proxys.RemoteAddr = "10.0.0.1:4711"
	check := func(what string, r *http.Request, good bool) {
		t.Helper()
		id, err := issuer.Verifier().Verify(r)
		if good && (err != nil || id.Subject != worker) || !good && authn.AsError(err).Reason != "bound to another certificate" {
			t.Errorf("%s: %v, %v", what, id, err)
		}
	}
	check("its own", with(over(mine)), true)
	check("its own, by a proxy", with(proxied("Client-Cert", rfc9440(mine.Certificate[0]))), true)
	check("another's", with(over(another)), false)
	check("another's, by a proxy", with(proxied("Client-Cert", rfc9440(another.Certificate[0]))), false)
	check("none", with(over(tls.Certificate{})), false)
	check("none, by a proxy", with(proxied()), false)
	check("forged", with(stranger), false)
	check("its own in the field, over another's", with(over(another), "Client-Cert", rfc9440(mine.Certificate[0])), false)
	check("the proxy's own", with(proxys), false)
	check("twice", with(proxied("Client-Cert", rfc9440(mine.Certificate[0])+", "+rfc9440(mine.Certificate[0]))), false)
	s.denied.Store(mine.Leaf)
	check("denied", with(over(mine)), false)
}
