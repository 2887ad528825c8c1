package mtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/mtls"
)

// Services call each other by certificate, over TLS 1.3. What a service may do is
// the host's to say.
func ExampleNew() {
	example := newExample() // files and certificates, as an authority makes them
	defer example.remove()
	certs, err := mtls.New(mtls.Config{Roots: example.roots, TrustDomain: "acme.internal", Now: example.now})
	if err != nil {
		fmt.Println(err)
		return
	}
	config, err := certs.ServerTLS(filepath.Join(example.dir, "server.pem"), filepath.Join(example.dir, "server.key"))
	if err != nil {
		fmt.Println(err)
		return
	}
	known := authn.Enrich(certs, func(_ context.Context, id *authn.Identity) (*authn.Identity, error) {
		if id.Subject == "spiffe://acme.internal/indexer" {
			id.Roles = []string{"indexer"}
		}
		return id, nil
	})
	reindex := func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprintln(w, "reindexing for", id.Subject)
	}
	mux := http.NewServeMux()
	mux.Handle("POST /reindex", authn.Require(known, authn.AnyRole("indexer"))(http.HandlerFunc(reindex)))

	post := example.serve(mux, config)
	post("/reindex", example.client("spiffe://acme.internal/indexer"))
	post("/reindex", example.client("spiffe://acme.internal/worker"))
	post("/reindex", tls.Certificate{})
	// Output:
	// 200 reindexing for spiffe://acme.internal/indexer
	// 403
	// 401 ClientCertificate realm="api"
}

// A denylist that changes while the service runs, such as one read from the
// authority's CRL: it counts at the next request of every connection.
func ExampleConfig_denied() {
	example := newExample()
	defer example.remove()
	type certificate struct{ issuer, serial string }
	denied := map[certificate]bool{} // behind a lock, or swapped whole by an atomic.Pointer
	certs, err := mtls.New(mtls.Config{
		Roots: example.roots, TrustDomain: "acme.internal", Now: example.now,
		Denied: func(c *x509.Certificate) bool {
			return denied[certificate{string(c.RawIssuer), c.SerialNumber.String()}]
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := over(example.client("spiffe://acme.internal/worker"))
	id, err := certs.Verify(r)
	fmt.Println(id.Subject, err)

	leaf := r.TLS.PeerCertificates[0]
	denied[certificate{string(leaf.RawIssuer), leaf.SerialNumber.String()}] = true
	_, err = certs.Verify(r)
	fmt.Println(err)
	// Output:
	// spiffe://acme.internal/worker <nil>
	// authn: denied
}

// A token that is bound to its client's certificate is worth nothing to who steals
// it.
func ExampleVerifier_Certificate() {
	example := newExample()
	defer example.remove()
	certs := authn.Must(mtls.New(mtls.Config{Roots: example.roots, TrustDomain: "acme.internal", Now: example.now}))
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, nil, nil, jwtauth.IssuerConfig{
		Issuer: "https://auth.internal", Audience: []string{"https://orders.internal"}, SkipRevocation: true,
		ClientCert: certs.Certificate, Now: example.now,
	}))

	worker := example.client("spiffe://acme.internal/worker")
	request := over(worker) // to the token endpoint
	id, err := certs.Verify(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := issuer.Issue(context.Background(), jwtauth.Grant{Identity: id, Confirm: jwtauth.Thumbprint(certs.Certificate(request))})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, cert := range []tls.Certificate{worker, example.client("spiffe://acme.internal/thief"), {}} {
		r := over(cert)
		r.Header.Set("Authorization", "Bearer "+tokens.Access.Reveal())
		_, err := issuer.Verifier().Verify(r)
		fmt.Println(err)
	}
	// Output:
	// <nil>
	// authn: bound to another certificate
	// authn: bound to another certificate
}

// serve starts h. A request prints its response in a line.
func (e *example) serve(h http.Handler, config *tls.Config) (post func(path string, cert tls.Certificate)) {
	srv := httptest.NewUnstartedServer(h)
	srv.TLS = config
	srv.StartTLS()
	e.closers = append(e.closers, srv.Close)
	return func(path string, cert tls.Certificate) {
		tr := &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: pool(e.authority), ServerName: "server.acme.internal", Certificates: []tls.Certificate{cert}, Time: e.now,
		}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Post(srv.URL+path, "", nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer resp.Body.Close()
		text := resp.Header.Get("WWW-Authenticate")
		if resp.StatusCode == http.StatusOK {
			body, _ := io.ReadAll(resp.Body)
			text = string(body)
		}
		fmt.Println(strings.TrimSpace(fmt.Sprint(resp.StatusCode, " ", text)))
	}
}
