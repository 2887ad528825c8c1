package tokenserver_test

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/keytext"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
)

// O11: each client comes by its own method, and by no other that it could.
func TestEachClientHasOneMethod(t *testing.T) {
	w := newWorld(t, nil)
	w.cert = certificate(pkix.Name{CommonName: "worker"})
	key := newSigner("k1")
	clients := map[tokenserver.AuthMethod]tokenserver.Client{
		tokenserver.SecretBasic: {}, tokenserver.SecretPost: {}, tokenserver.PrivateKeyJWT: {JWKS: jwks(key)}, tokenserver.TLSClientAuth: {CertSubject: "CN=worker"},
	}
	for registered, c := range clients {
		c.ID, c.AuthMethod = string(registered), registered
		c, secret := w.create(c)
		if (secret != "") != strings.HasPrefix(string(registered), "client_secret") {
			t.Errorf("%s: secret %q", registered, secret)
		}
		if secret == "" {
			_, secret = w.create(tokenserver.Client{}) // of somebody
		}
		for method, ask := range map[tokenserver.AuthMethod]func() answer{
			tokenserver.SecretBasic: func() answer { return w.ask(c.ID, secret) },
			tokenserver.SecretPost: func() answer {
				return w.do("/token", nil, "grant_type", "client_credentials", "client_id", c.ID, "client_secret", secret)
			},
			tokenserver.PrivateKeyJWT: func() answer { return w.askBy(w.assertion(key, c.ID)) },
			tokenserver.TLSClientAuth: func() answer {
				return w.do("/token", nil, "grant_type", "client_credentials", "client_id", c.ID)
			},
		} {
			if a := ask(); method == registered {
				a.is(t, "a client of "+c.ID, 200, "")
			} else {
				a.is(t, "a client of "+c.ID+" by "+string(method), 401, "invalid_client")
				if w.reason() != "another method" {
					t.Errorf("a client of %s by %s: %q", c.ID, method, w.reason())
				}
			}
		}
	}
}

// O11: whatever is wrong with a client, the answer is the same to the byte, and so is
// what is asked of the store, unless the secret cannot be anybody's. The event says
// what it was.
func TestRefusedClientsLookTheSame(t *testing.T) {
	w := newWorld(t, func(cfg *tokenserver.Config, _ *jwtauth.IssuerConfig) { cfg.SecretTTL = time.Hour })
	_, old := w.create(tokenserver.Client{ID: "old"})
	w.forward(time.Hour)
	_, secret := w.create(tokenserver.Client{ID: "worker"})
	_, other := w.create(tokenserver.Client{ID: "other"})
	_, disabled := w.create(tokenserver.Client{ID: "disabled"})
	if err := w.DisableClient(t.Context(), "disabled"); err != nil {
		t.Fatal(err)
	}
	w.ask("worker", secret).is(t, "good", 200, "")
	var first answer
	for _, tt := range []struct{ name, id, secret, reason, calls, about string }{
		{"wrong secret", "worker", other, "wrong secret", "client", "worker"},
		{"unknown client", "nobody", other, "unknown client", "client", ""},
		{"no client can be called that", "no\nbody", other, "unknown client", "", ""},
		{"disabled", "disabled", disabled, "disabled", "client", "disabled"},
		{"expired secret", "old", old, "wrong secret", "client", "old"},
		{"malformed secret", "worker", "guess", "malformed secret", "", ""},
		{"mistyped secret", "worker", mistype(secret), "malformed secret", "", ""},
		{"malformed secret of nobody", "nobody", "guess", "malformed secret", "", ""},
		{"another prefix", "worker", withSum(strings.Replace(secret[:len(secret)-7], "authncs_", "authnxx_", 1)), "malformed secret", "", ""},
		{"a character more", "worker", withSum(secret[:len(secret)-7] + "a"), "malformed secret", "", ""},
		{"a character less", "worker", withSum(secret[:len(secret)-8]), "malformed secret", "", ""},
	} {
		w.st.made()
		a := w.ask(tt.id, tt.secret)
		calls := w.st.made()
		a.is(t, tt.name, 401, "invalid_client")
		events := w.events.Events(authn.EventRefused)
		last := events[len(events)-1]
		if calls != tt.calls || last.Reason != tt.reason || last.Subject != tt.about || last.Method != "client" || !last.Addr.IsValid() {
			t.Errorf("%s: calls %q, event %+v", tt.name, calls, last)
		}
		if first.raw == "" {
			first = a
		}
		if a.raw != first.raw || !maps.EqualFunc(a.header, first.header, slices.Equal[[]string]) {
			t.Errorf("%s: %s %v, and before it %s %v", tt.name, a.raw, a.header, first.raw, first.header)
		}
	}
}

// withSum ends what begins so by the right checksum.
func withSum(begin string) string {
	sum := keytext.Checksum([]byte(begin))
	return begin + "_" + string(sum[:])
}

// mistype changes one character of a secret.
func mistype(secret string) string {
	c := byte('a')
	if secret[20] == c {
		c = 'b'
	}
	return secret[:20] + string(c) + secret[21:]
}

// O11: a certificate of the client's own subject, in its order, and of no other. That
// it is a good one, Config.ClientCert says.
func TestTLSClientAuth(t *testing.T) {
	w := newWorld(t, nil)
	w.create(tokenserver.Client{ID: "worker", AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=worker,OU=Batch,O=Acme"})
	name := pkix.Name{CommonName: "worker", OrganizationalUnit: []string{"Batch"}, Organization: []string{"Acme"}}
	for what, tt := range map[string]struct {
		name *pkix.Name
		good bool
	}{
		"none":             {nil, false},
		"its own":          {&name, true},
		"no unit":          {&pkix.Name{CommonName: "worker", Organization: []string{"Acme"}}, false},
		"another":          {&pkix.Name{CommonName: "other", OrganizationalUnit: []string{"Batch"}, Organization: []string{"Acme"}}, false},
		"another case":     {&pkix.Name{CommonName: "Worker", OrganizationalUnit: []string{"Batch"}, Organization: []string{"Acme"}}, false},
		"commas in a name": {&pkix.Name{CommonName: "worker,OU=Batch,O=Acme"}, false},
		"more":             {&pkix.Name{CommonName: "worker", OrganizationalUnit: []string{"Batch"}, Organization: []string{"Acme"}, Country: []string{"DE"}}, false},
		"no subject":       {&pkix.Name{}, false},
		"another order": {&pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: []int{2, 5, 4, 3}, Value: "worker"}, {Type: []int{2, 5, 4, 11}, Value: "Batch"}, {Type: []int{2, 5, 4, 10}, Value: "Acme"},
		}}, false},
	} {
		w.cert = nil
		if tt.name != nil {
			w.cert = certificate(*tt.name)
		}
		a := w.do("/token", nil, "grant_type", "client_credentials", "client_id", "worker")
		if tt.good {
			a.is(t, what, 200, "")
		} else {
			a.is(t, what, 401, "invalid_client")
		}
	}
	w.cert = certificate(name)
	w.do("/token", nil, "grant_type", "client_credentials", "client_id", "nobody").is(t, "unknown client", 401, "invalid_client")
}

// O11: a subject that is not read to its end is nobody's.
func TestCertSubjectIsAllThatIsThere(t *testing.T) {
	subject := certificate(pkix.Name{CommonName: "worker"}).RawSubject
	for name, tt := range map[string]struct {
		raw  []byte
		want string
	}{
		"whole":         {subject, "CN=worker"},
		"a byte more":   {append(slices.Clone(subject), 0), ""},
		"another after": {slices.Concat(subject, subject), ""},
		"a byte less":   {subject[:len(subject)-1], ""},
		"none":          {nil, ""},
	} {
		if got := tokenserver.CertSubject(&x509.Certificate{RawSubject: tt.raw}); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// O11: without Config.Once no assertion is taken, and without ClientCert no
// certificate: also of clients that were made with them.
func TestMethodsThatAreOff(t *testing.T) {
	w := newWorld(t, nil)
	key := newSigner("k1")
	w.create(tokenserver.Client{ID: "signer", AuthMethod: tokenserver.PrivateKeyJWT, JWKS: jwks(key)})
	w.create(tokenserver.Client{ID: "worker", AuthMethod: tokenserver.TLSClientAuth, CertSubject: "CN=worker"})
	w.Server = authn.Must(tokenserver.New(w.st, w.issuer, tokenserver.Config{Now: w.now}))
	w.askBy(w.assertion(key, "signer")).is(t, "assertion", 401, "invalid_client")
	set := func(r *http.Request) { r.Header.Set("Client-Cert", ":MIIB:") }
	w.do("/token", set, "grant_type", "client_credentials", "client_id", "worker").is(t, "certificate", 401, "invalid_client")
	for _, method := range []tokenserver.AuthMethod{tokenserver.PrivateKeyJWT, tokenserver.TLSClientAuth} {
		c := tokenserver.Client{AuthMethod: method, JWKS: jwks(key)}
		if method == tokenserver.TLSClientAuth {
			c = tokenserver.Client{AuthMethod: method, CertSubject: "CN=worker"}
		}
		if _, _, err := w.CreateClient(t.Context(), c); err == nil || authn.AsError(err).Status != 400 {
			t.Errorf("%s: %v", method, err)
		}
	}
}
