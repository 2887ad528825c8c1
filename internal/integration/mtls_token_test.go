package integration_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/mtls"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store/memstore"
)

// M5: a token that our token endpoint gave to a worker works over the worker's
// certificate at another service, and nowhere else.
func TestMTLSBoundTokenOfTheTokenEndpoint(t *testing.T) {
	const self, orders = "https://auth.acme.internal", "https://orders.acme.internal"
	servers := newMTLSAuthority()
	auth := newMTLSApp(t, nil)
	resource := newMTLSApp(t, func(cfg *mtls.Config) { cfg.Roots = auth.clients.pool() })
	dir := t.TempDir()

	st := memstore.New(memstore.Config{})
	ring := authn.Must(jwtauth.NewKeyRing(authn.Must(jwtauth.GenerateKey(jwtauth.ES256))))
	issuer := authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{Issuer: self, Audience: []string{orders}}))
	endpoint, err := tokenserver.New(st, issuer, tokenserver.Config{ClientCert: auth.Certificate, BindTokens: true})
	if err != nil {
		t.Fatal(err)
	}
	_, secret, err := endpoint.CreateClient(t.Context(), tokenserver.Client{ID: "worker", Scopes: []string{"orders:read"}, Audience: []string{orders}})
	if err != nil {
		t.Fatal(err)
	}
	tokens := authn.Must(jwtauth.NewVerifier(st, jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{{Issuer: self, Audiences: []string{orders}, Keys: ring}}, ClientCert: resource.Certificate,
	}))
	api := authn.Require(tokens, jwtauth.Bound())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprint(w, id.Subject)
	}))
	certFile, keyFile := writePEM(t, dir, "server", servers.server())
	authURL := "https://" + serveMTLS(t, endpoint, authn.Must(auth.ServerTLS(certFile, keyFile)))
	ordersURL := "https://" + serveMTLS(t, api, authn.Must(resource.ServerTLS(certFile, keyFile)))

	send := func(r *http.Request, certs ...tls.Certificate) (status int, body []byte) {
		t.Helper()
		tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: servers.pool(), ServerName: mtlsServer, Certificates: certs}}
		defer tr.CloseIdleConnections()
		resp, err := (&http.Client{Transport: tr}).Do(r.WithContext(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode, authn.Must(io.ReadAll(resp.Body))
	}
	fetch := func(certs ...tls.Certificate) string {
		t.Helper()
		r := authn.Must(http.NewRequest(http.MethodPost, authURL+"/token", strings.NewReader(url.Values{"grant_type": {"client_credentials"}}.Encode())))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth("worker", secret.Reveal())
		var answer struct {
			AccessToken string `json:"access_token"`
		}
		status, body := send(r, certs...)
		if err := json.Unmarshal(body, &answer); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
		return answer.AccessToken
	}
	mine, another := auth.clients.issue("worker"), auth.clients.issue("worker")
	bound, free := fetch(mine), fetch()
	for _, c := range []struct {
		name, token string
		certs       []tls.Certificate
		status      int
	}{
		{"its own", bound, []tls.Certificate{mine}, 200},
		{"another of the same service", bound, []tls.Certificate{another}, 401},
		{"none", bound, nil, 401},
		{"not bound", free, []tls.Certificate{mine}, 403},
	} {
		r := authn.Must(http.NewRequest(http.MethodGet, ordersURL, nil))
		r.Header.Set("Authorization", "Bearer "+c.token)
		if status, body := send(r, c.certs...); status != c.status || status == 200 && string(body) != "worker" {
			t.Errorf("%s: %d %s, want %d", c.name, status, body, c.status)
		}
	}
	resource.denied.Store(mine.Leaf)
	r := authn.Must(http.NewRequest(http.MethodGet, ordersURL, nil))
	r.Header.Set("Authorization", "Bearer "+bound)
	if status, body := send(r, mine); status != 401 {
		t.Errorf("denied: %d %s", status, body)
	}
}
