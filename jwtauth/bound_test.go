package jwtauth_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
)

func certificate(serial int64) *x509.Certificate {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
	der := authn.Must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return authn.Must(x509.ParseCertificate(der))
}

// over is r on a connection with these certificates.
func over(r *http.Request, certs ...*x509.Certificate) *http.Request {
	r.TLS = &tls.ConnectionState{PeerCertificates: certs}
	return r
}

// J27: a bound token is good over its certificate only, and Bound wants one. It
// is looked at on every request, also when the cache knows the token.
func TestBoundTokens(t *testing.T) {
	mine, another := certificate(1), certificate(2)
	sum := sha256.Sum256(mine.Raw)
	thumbprint := encode(string(sum[:]))
	if got := jwtauth.Thumbprint(mine); got != thumbprint || len(got) != 43 {
		t.Fatalf("Thumbprint is %q, want %q", got, thumbprint)
	}
	const bound = "bound to another certificate"
	for _, alg := range [...]jwtauth.Algorithm{jwtauth.HS256, jwtauth.ES256} {
		s := newService(t, nil)
		token := goodDraft(alg).claim(`"cnf":{"x5t#S256":"` + thumbprint + `"}`).token()
		free := goodDraft(alg).token()
		for _, c := range []struct {
			name   string
			r      *http.Request
			reason string
		}{
			{"its own", over(bearer(token), mine), ""},
			{"its own, with a chain", over(bearer(token), mine, another), ""},
			{"another's", over(bearer(token), another), bound},
			{"its own in the chain of another's", over(bearer(token), another, mine), bound},
			{"none", over(bearer(token)), bound},
			{"no TLS", bearer(token), bound},
			{"its own again", over(bearer(token), mine), ""},
			{"not bound", over(bearer(free), mine), ""},
			{"not bound, no TLS", bearer(free), ""},
		} {
			before := s.rev.asked.Load()
			_, err := s.Verify(c.r)
			if e := authn.AsError(err); e == nil && c.reason != "" || e != nil && (e.Reason != c.reason || e.Status != 401) {
				t.Errorf("%s: %v", c.name, err)
			}
			if c.reason != "" && s.rev.asked.Load() != before {
				t.Errorf("%s: the store was asked", c.name)
			}
		}
		m := authn.Require(s, jwtauth.Bound())
		if w := answer(m, over(bearer(token), mine)); w.Code != 200 {
			t.Errorf("%s", wire(w))
		}
		if w := answer(m, over(bearer(free), mine)); w.Code != 403 {
			t.Errorf("%s", wire(w))
		}
	}
	if err := jwtauth.Bound().Allow(bearer(""), authn.User("ada", "password")); authn.AsError(err).Status != 403 {
		t.Errorf("Bound without a token: %v", err)
	}
}

// J27: behind a proxy the host says which certificate it was.
func TestClientCertIsTheHosts(t *testing.T) {
	mine, another := certificate(1), certificate(2)
	s := newService(t, func(cfg *jwtauth.VerifierConfig) {
		cfg.ClientCert = func(r *http.Request) *x509.Certificate {
			if r.Header.Get("Client-Cert") == "" {
				return nil
			}
			return mine
		}
	})
	token := goodDraft(jwtauth.HS256).claim(`"cnf":{"x5t#S256":"` + jwtauth.Thumbprint(mine) + `"}`).token()
	r := over(bearer(token), another)
	if _, err := s.Verify(r); authn.AsError(err).Status != 401 {
		t.Errorf("got %v", err)
	}
	r.Header.Set("Client-Cert", "x")
	if _, err := s.Verify(r); err != nil {
		t.Error(err)
	}
}

// J27: a confirmation that is not x5t#S256 alone would not be checked, so it is
// refused, over every certificate.
func TestUnknownConfirmations(t *testing.T) {
	mine := certificate(1)
	thumbprint := jwtauth.Thumbprint(mine)
	s := newService(t, nil)
	for _, cnf := range []string{
		`{}`, `null`, `""`, `[]`, `1`, `"` + thumbprint + `"`, `{"jkt":"x"}`, `{"jwk":{}}`, `{"kid":"x"}`,
		`{"x5t#S256":"` + thumbprint + `","jkt":"x"}`, `{"jkt":"x","x5t#S256":"` + thumbprint + `"}`,
		`{"x5t#S256":"` + thumbprint + `","x5t#S256":"` + thumbprint + `"}`, `{"x5t#s256":"` + thumbprint + `"}`, `{"X5T#S256":"` + thumbprint + `"}`,
		`{"x5t#S256":""}`, `{"x5t#S256":null}`, `{"x5t#S256":["` + thumbprint + `"]}`, `{"x5t#S256":"` + thumbprint[:42] + `"}`, `{"x5t#S256":"` + thumbprint + `="}`,
		`{"x5t":"` + thumbprint[:27] + `"}`, `[{"x5t#S256":"` + thumbprint + `"}]`,
	} {
		token := goodDraft(jwtauth.HS256).claim(`"cnf":` + cnf).token()
		_, err := s.Verify(over(bearer(token), mine))
		if e := authn.AsError(err); e == nil || e.Reason != badClaims {
			t.Errorf("%s: %v", cnf, err)
		}
	}
	upper := goodDraft(jwtauth.HS256).claim(`"cnf":{"x5t#S256":"` + strings.ToUpper(thumbprint) + `"}`).token()
	if _, err := s.Verify(over(bearer(upper), mine)); authn.AsError(err).Status != 401 {
		t.Errorf("got %v", err)
	}
}
