package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

// certificates is a request over a client certificate that is known: alone, and as
// whole exchanges on a connection that is kept alive, where the process's time is
// that of client and server together.
func certificates() []row {
	ca := newCertAuthority()
	leaf := ca.issue("spiffe://acme.internal/worker")
	certs := authn.Must(mtls.New(mtls.Config{Roots: ca.pool, TrustDomain: "acme.internal", Denied: func(*x509.Certificate) bool { return false }}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf.Leaf}}

	known := map[[32]byte]bool{sha256.Sum256(leaf.Leaf.Raw): true}
	floor := contender{"SHA-256 + map lookup", func() { _ = known[sha256.Sum256(leaf.Leaf.Raw)] }}
	again := contender{"x509.Certificate.Verify", func() {
		_, _ = leaf.Leaf.Verify(x509.VerifyOptions{Roots: ca.pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	}}
	const verify, middleware = "mtls.Verifier.Verify", "mtls.Verifier.Middleware"
	alone := row{name: "client certificate, known", contenders: []contender{
		floor,
		{verify, func() { _, _ = certs.Verify(r) }},
		{middleware, handle(certs.Middleware(bare), r)},
		again,
	}, promises: []promise{
		{"M6", verify, floor.name, 3},
		{"M6", verify, again.name, 0.05},
		{"M6", verify, "", 1},
		{"M6", middleware, "", 3},
	}}

	const bareTLS, ours = "bare TLS server, same certificates", "mtls.ServerTLS and Middleware"
	plain := &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{leaf}, ClientCAs: ca.pool, ClientAuth: tls.RequireAndVerifyClientCert,
	}
	return []row{alone, {name: "request over mutual TLS", contenders: []contender{
		{bareTLS, ca.exchange(leaf, bare, plain)},
		{ours, ca.exchange(leaf, certs.Middleware(bare), ca.serverTLS(certs, leaf))},
	}, promises: []promise{{"M6", ours, bareTLS, 1.1}}}}
}

// certAuthority signs what these rows need.
type certAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newCertAuthority() *certAuthority {
	ca := &certAuthority{key: authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), pool: x509.NewCertPool()}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca.cert = authn.Must(x509.ParseCertificate(authn.Must(x509.CreateCertificate(rand.Reader, c, c, &ca.key.PublicKey, ca.key))))
	ca.pool.AddCert(ca.cert)
	return ca
}

// issue is good for a client and for the server "localhost".
func (ca *certAuthority) issue(id string) tls.Certificate {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: ca.cert.NotBefore, NotAfter: ca.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		URIs:        []*url.URL{authn.Must(url.Parse(id))}, DNSNames: []string{"localhost"},
	}
	der := authn.Must(x509.CreateCertificate(rand.Reader, c, ca.cert, &key.PublicKey, ca.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: authn.Must(x509.ParseCertificate(der))}
}

func (ca *certAuthority) serverTLS(certs *mtls.Verifier, cert tls.Certificate) *tls.Config {
	dir := authn.Must(os.MkdirTemp("", "authn-bench"))
	defer os.RemoveAll(dir)
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert.Certificate[0]},
		keyFile:  {Type: "PRIVATE KEY", Bytes: authn.Must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			panic(err)
		}
	}
	return authn.Must(certs.ServerTLS(certFile, keyFile))
}

// exchange is a request to h over HTTP/1.1 on one connection, answered and read.
func (ca *certAuthority) exchange(client tls.Certificate, h http.Handler, cfg *tls.Config) func() {
	l := authn.Must(new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0"))
	cfg.NextProtos = []string{"http/1.1"}
	srv := &http.Server{Handler: h, TLSConfig: cfg}
	go func() { panic(srv.ServeTLS(l, "", "")) }()
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: ca.pool, ServerName: "localhost", Certificates: []tls.Certificate{client},
	}}}
	target := "https://" + l.Addr().String()
	return func() {
		resp, err := c.Get(target)
		if err != nil {
			panic(err)
		}
		if _, err = io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			panic(fmt.Sprint(resp.Status, err))
		}
		_ = resp.Body.Close()
	}
}
