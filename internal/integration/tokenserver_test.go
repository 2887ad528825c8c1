package integration_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/jwtauth"
	"github.com/gatehouse-go/authn/oauth/tokenserver"
	"github.com/gatehouse-go/authn/store/memstore"
)

const machineAPI = "https://orders.internal"

// machines is a token endpoint on loopback, with a client of each method.
type machines struct {
	url     string
	ca      machineCA
	issuer  *jwtauth.Issuer
	server  *tokenserver.Server
	clients []machine
}

// machine is a client as it knows itself; see testdata/tokenserver/peer.mjs.
type machine struct {
	Method  tokenserver.AuthMethod `json:"method"`
	ID      string                 `json:"id"`
	Secret  any                    `json:"secret"` // a text, or a private JWK
	Wrong   any                    `json:"wrong"`
	Cert    string                 `json:"cert,omitempty"`
	CertKey string                 `json:"certKey,omitempty"`
	Refresh map[string]string      `json:"refresh"`
	key     *ecdsa.PrivateKey
}

func startMachines(t *testing.T) *machines {
	t.Helper()
	m := &machines{ca: newMachineCA(t)}
	srv := httptest.NewUnstartedServer(nil)
	m.url = "https://" + srv.Listener.Addr().String()
	st := memstore.New(memstore.Config{})
	ring := ringOf(t, authn.Must(jwtauth.GenerateKey(jwtauth.ES256)))
	m.issuer = authn.Must(jwtauth.NewIssuer(ring, st, authn.GenerateKeychain(), jwtauth.IssuerConfig{
		Issuer: m.url, Audience: []string{machineAPI},
	}))
	m.server = authn.Must(tokenserver.New(st, m.issuer, tokenserver.Config{Once: st, ClientCert: verifiedCert, BindTokens: true}))
	srv.Config.Handler, srv.TLS = m.server, m.ca.serverTLS(t)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	for _, method := range []tokenserver.AuthMethod{
		tokenserver.SecretBasic, tokenserver.SecretPost, tokenserver.PrivateKeyJWT, tokenserver.TLSClientAuth,
	} {
		m.clients = append(m.clients, m.register(t, method))
	}
	return m
}

// verifiedCert is what mtls.Verifier.Certificate is in a service.
func verifiedCert(r *http.Request) *x509.Certificate {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 {
		return nil
	}
	return r.TLS.VerifiedChains[0][0]
}

// register makes a client, with a login for each of the peers to refresh.
func (m *machines) register(t *testing.T, method tokenserver.AuthMethod) machine {
	t.Helper()
	c := machine{Method: method, ID: string(method), Refresh: map[string]string{}}
	spec := tokenserver.Client{ID: c.ID, AuthMethod: method, Scopes: []string{"orders:read", "orders:write"}, Audience: []string{machineAPI}}
	switch method {
	case tokenserver.PrivateKeyJWT:
		var public map[string]string
		c.key, public = machineKey(c.ID, false)
		_, c.Secret = jwkOf(c.key, c.ID)
		_, c.Wrong = machineKey(c.ID, true)
		spec.JWKS = authn.Must(json.Marshal(map[string]any{"keys": []any{public}}))
	case tokenserver.TLSClientAuth:
		c.Cert, c.CertKey = m.ca.issue(t, pkix.Name{CommonName: "worker", Organization: []string{"Acme"}})
		block, _ := pem.Decode([]byte(c.Cert))
		spec.CertSubject = tokenserver.CertSubject(authn.Must(x509.ParseCertificate(block.Bytes)))
	}
	_, secret, err := m.server.CreateClient(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if !secret.IsZero() {
		c.Secret, c.Wrong = secret.Reveal(), secret.Reveal()[1:]
	}
	for _, library := range []string{"openid-client", "oauth4webapi"} {
		ada := authn.User("ada", "password")
		ada.Scopes = []string{"orders:read"}
		set, err := m.issuer.Issue(t.Context(), jwtauth.Grant{Identity: ada, ClientID: c.ID, Refresh: true})
		if err != nil {
			t.Fatal(err)
		}
		c.Refresh[library] = set.Refresh.Reveal()
	}
	return c
}

// machineKey is a new key with its JWK.
func machineKey(kid string, private bool) (*ecdsa.PrivateKey, map[string]string) {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	public, whole := jwkOf(key, kid)
	if private {
		return key, whole
	}
	return key, public
}

func jwkOf(key *ecdsa.PrivateKey, kid string) (public, private map[string]string) {
	point := authn.Must(key.PublicKey.Bytes())
	text := base64.RawURLEncoding.EncodeToString
	public = map[string]string{"kty": "EC", "crv": "P-256", "kid": kid, "x": text(point[1:33]), "y": text(point[33:])}
	private = map[string]string{"d": text(authn.Must(key.Bytes()))}
	for name, value := range public {
		private[name] = value
	}
	return public, private
}

// O11, O15: openid-client and oauth4webapi, unmodified, find the endpoints by the
// metadata, and get, introspect, revoke and refresh tokens by each method; what they
// get is good at a resource server in another process that has the published keys
// only. They understand the refusals.
func TestTokenEndpointInNode(t *testing.T) {
	m := startMachines(t)
	api := startResourceServer(t, m)
	type tokens struct {
		Access  string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires int    `json:"expires_in"`
		Scope   string `json:"scope"`
		Refresh string `json:"refresh_token"`
	}
	var answers []struct {
		Library       string                 `json:"library"`
		Method        tokenserver.AuthMethod `json:"method"`
		Error         string                 `json:"error"`
		Tokens        tokens                 `json:"tokens"`
		Refreshed     tokens                 `json:"refreshed"`
		Before, After map[string]any
		Refused       any    `json:"refused"`
		Scope         string `json:"scope"`
	}
	askNode(t, "tokenserver", map[string]any{"issuer": m.url, "ca": m.ca.pem, "clients": m.clients}, &answers)
	if len(answers) != 2*len(m.clients) {
		t.Fatalf("%d answers", len(answers))
	}
	for _, a := range answers {
		what := a.Library + " by " + string(a.Method)
		if a.Error != "" {
			t.Errorf("%s: %s", what, a.Error)
			continue
		}
		if a.Tokens.Scope != "orders:read" || a.Tokens.Expires != 3600 || !strings.EqualFold(a.Tokens.Type, "bearer") || a.Tokens.Refresh != "" {
			t.Errorf("%s: %+v", what, a.Tokens)
		}
		if a.Before["active"] != true || a.Before["sub"] != string(a.Method) || a.Before["scope"] != "orders:read" || len(a.After) != 1 || a.After["active"] != false {
			t.Errorf("%s: introspection before %v, after %v", what, a.Before, a.After)
		}
		if a.Refreshed.Refresh == "" || a.Refreshed.Scope != "orders:read" {
			t.Errorf("%s: refreshed %+v", what, a.Refreshed)
		}
		wantRefused := any(401.0)
		if a.Method == tokenserver.TLSClientAuth { // it has nothing that could be wrong
			wantRefused = 200.0
		}
		if a.Refused != wantRefused || a.Scope != "invalid_scope" {
			t.Errorf("%s: refusals %v and %s", what, a.Refused, a.Scope)
		}
		c := m.clients[slices.IndexFunc(m.clients, func(c machine) bool { return c.Method == a.Method })]
		api.want(t, what, a.Tokens.Access, c, "200 client "+c.ID+" [orders:read]")
		api.want(t, what+", refreshed", a.Refreshed.Access, c, "200 user ada [orders:read]")
		if c.Cert != "" { // its token is bound
			api.want(t, what+", without its certificate", a.Tokens.Access, machine{}, "401")
		}
	}
}

// O11, O15: golang.org/x/oauth2/clientcredentials, unmodified, gets tokens by each
// method and auth style, and its client calls a resource server in another process.
func TestTokenEndpointInGo(t *testing.T) {
	m := startMachines(t)
	api := startResourceServer(t, m)
	for _, c := range m.clients {
		cfg := clientcredentials.Config{ClientID: c.ID, TokenURL: m.url + "/token", Scopes: []string{"orders:read"}}
		styles := []oauth2.AuthStyle{oauth2.AuthStyleInParams}
		switch c.Method {
		case tokenserver.SecretBasic:
			cfg.ClientSecret, _ = c.Secret.(string)
			styles = []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleAutoDetect}
		case tokenserver.SecretPost:
			cfg.ClientSecret, _ = c.Secret.(string)
			styles = append(styles, oauth2.AuthStyleAutoDetect)
		case tokenserver.PrivateKeyJWT:
			now := time.Now().Unix()
			tok := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": c.ID, "sub": c.ID, "aud": m.url, "exp": now + 60, "iat": now, "jti": rand.Text()})
			cfg.EndpointParams = url.Values{
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion":      {authn.Must(tok.SignedString(c.key))},
			}
		}
		for _, style := range styles {
			cfg.AuthStyle = style
			what := fmt.Sprintf("%s, style %d", c.Method, style)
			ctx := context.WithValue(t.Context(), oauth2.HTTPClient, m.client(t, c))
			token, err := cfg.Token(ctx)
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if token.TokenType != "Bearer" || time.Until(token.Expiry) < 59*time.Minute || token.Extra("scope") != "orders:read" {
				t.Errorf("%s: %+v", what, token)
			}
			api.want(t, what, token.AccessToken, c, "200 client "+c.ID+" [orders:read]")
		}
		if cfg.ClientSecret != "" {
			cfg.ClientSecret += "x"
			_, err := cfg.Token(context.WithValue(t.Context(), oauth2.HTTPClient, m.client(t, c)))
			if e, ok := err.(*oauth2.RetrieveError); !ok || e.ErrorCode != "invalid_client" || e.Response.StatusCode != 401 { //nolint:errorlint // unwrapped by contract
				t.Errorf("%s: wrong secret: %v", c.Method, err)
			}
		}
	}
}

// client is c's http.Client.
func (m *machines) client(t *testing.T, c machine) *http.Client {
	t.Helper()
	cfg := &tls.Config{RootCAs: m.ca.pool()}
	if c.Cert != "" {
		cfg.Certificates = []tls.Certificate{authn.Must(tls.X509KeyPair([]byte(c.Cert), []byte(c.CertKey)))}
	}
	transport := &http.Transport{TLSClientConfig: cfg}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: patience}
}

// resourceServer is another process.
type resourceServer struct {
	url string
	m   *machines
}

// resourceEnv is what it needs to know.
const resourceEnv = "AUTHN_TEST_RESOURCE"

type resourceArgs struct{ Issuer, CA, Cert, Key string }

func startResourceServer(t *testing.T, m *machines) resourceServer {
	t.Helper()
	args := resourceArgs{Issuer: m.url, CA: m.ca.pem}
	args.Cert, args.Key = m.ca.issue(t, pkix.Name{CommonName: "orders"})
	cmd := exec.Command(authn.Must(os.Executable()), "-test.run=^TestResourceServerProcess$")
	cmd.Env = append(os.Environ(), resourceEnv+"="+string(authn.Must(json.Marshal(args))), "AUTHN_SUMMARY=")
	cmd.Stderr = os.Stderr
	in, out := authn.Must(cmd.StdinPipe()), authn.Must(cmd.StdoutPipe())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		hung := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer hung.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("resource server: %v", err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return resourceServer{strings.TrimSpace(line), m}
}

// TestResourceServerProcess is a service that verifies tokens by the published keys,
// as RFC 9068 §4 has it, when it is started as one, and nothing otherwise.
func TestResourceServerProcess(t *testing.T) {
	env, ok := os.LookupEnv(resourceEnv)
	if !ok {
		return
	}
	var args resourceArgs
	if err := json.Unmarshal([]byte(env), &args); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(args.CA))
	keys := remoteKeys(t, args.Issuer+"/.well-known/jwks.json", jwtauth.RemoteConfig{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}})
	v := authn.Must(jwtauth.NewVerifier(nil, jwtauth.VerifierConfig{
		Trust: []jwtauth.Trust{{Issuer: args.Issuer, Audiences: []string{machineAPI}, Keys: keys}}, SkipRevocation: true,
	}))
	srv := httptest.NewUnstartedServer(authn.Require(v, authn.Scopes("orders:read"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprint(w, id.Kind, " ", id.Subject, " ", id.Scopes)
	})))
	srv.TLS = &tls.Config{
		Certificates: []tls.Certificate{authn.Must(tls.X509KeyPair([]byte(args.Cert), []byte(args.Key)))},
		ClientCAs:    roots, ClientAuth: tls.VerifyClientCertIfGiven,
	}
	srv.StartTLS()
	defer srv.Close()
	fmt.Println(srv.URL)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// want calls it with token, over the certificate of c if that has one.
func (s resourceServer) want(t *testing.T, what, token string, c machine, want string) {
	t.Helper()
	r := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, s.url, nil))
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := s.m.client(t, c).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got := fmt.Sprint(resp.StatusCode)
	if resp.StatusCode == http.StatusOK {
		got += " " + string(authn.Must(io.ReadAll(resp.Body)))
	}
	if got != want {
		t.Errorf("%s: the resource server answers %s, want %s", what, got, want)
	}
}

// machineCA vouches for servers and clients.
type machineCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  string
}

func newMachineCA(t *testing.T) machineCA {
	t.Helper()
	ca := machineCA{key: authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der := authn.Must(x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key))
	ca.cert, ca.pem = authn.Must(x509.ParseCertificate(der)), pemOf("CERTIFICATE", der)
	return ca
}

// issue is a certificate for loopback servers and for clients, with its key.
func (ca machineCA) issue(t *testing.T, name pkix.Name) (cert, key string) {
	t.Helper()
	k := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{
		SerialNumber: authn.Must(rand.Int(rand.Reader, big.NewInt(1<<62))), Subject: name,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	der := authn.Must(x509.CreateCertificate(rand.Reader, template, ca.cert, &k.PublicKey, ca.key))
	return pemOf("CERTIFICATE", der), pemOf("PRIVATE KEY", authn.Must(x509.MarshalPKCS8PrivateKey(k)))
}

func (ca machineCA) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	return pool
}

func (ca machineCA) serverTLS(t *testing.T) *tls.Config {
	t.Helper()
	cert, key := ca.issue(t, pkix.Name{CommonName: "auth"})
	return &tls.Config{
		Certificates: []tls.Certificate{authn.Must(tls.X509KeyPair([]byte(cert), []byte(key)))},
		ClientCAs:    ca.pool(), ClientAuth: tls.VerifyClientCertIfGiven,
	}
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
