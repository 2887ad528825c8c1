package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/mtls"
)

// trustDomain is whose services know each other.
const trustDomain = "acme.internal"

// spiffe is how a service is called in its certificate.
func spiffe(name string) string { return "spiffe://" + trustDomain + "/" + name }

// files are the PEM files of one service: whom it believes, and who it is. Who
// has no certificate has "" for that.
type files struct{ ca, cert, key string }

// verifier says which service calls, by its certificate.
func (f files) verifier(audit authn.EventFunc) (*mtls.Verifier, error) {
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	return mtls.New(mtls.Config{Roots: roots, TrustDomain: trustDomain, OnEvent: audit})
}

// client calls services, and shows the certificate.
func (f files) client() (*http.Client, error) {
	roots, err := f.roots()
	if err != nil {
		return nil, err
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if f.cert != "" {
		cert, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{cert}
	}
	return &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}}, nil
}

// curl is f as options of curl.
func (f files) curl() string {
	if f.cert == "" {
		return "--cacert '" + f.ca + "'"
	}
	return "--cacert '" + f.ca + "' --cert '" + f.cert + "' --key '" + f.key + "'"
}

func (f files) roots() (*x509.CertPool, error) {
	ca, err := os.ReadFile(f.ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New(f.ca + " has no certificate")
	}
	return roots, nil
}

// authority makes the certificates. In your house that is SPIRE, Vault or
// cert-manager, which renew the files in time, and mtls reads them again.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, key: key, cert: &x509.Certificate{
		Subject:   pkix.Name{CommonName: "Acme services"},
		NotBefore: time.Now().Add(-time.Minute), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}}
	return a, a.sign("ca", a.cert, key)
}

// issue makes a certificate by which a service serves, and calls others. Nobody, "",
// gets none.
func (a *authority) issue(name string) (files, error) {
	if name == "" {
		return a.of(""), nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return files{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return files{}, err
	}
	id, err := url.Parse(spiffe(name))
	if err != nil {
		return files{}, err
	}
	f := a.of(name)
	return f, errors.Join(writePEM(f.key, "PRIVATE KEY", der), a.sign(name, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, URIs: []*url.URL{id},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: a.cert.NotBefore, NotAfter: a.cert.NotAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, key))
}

func (a *authority) sign(name string, cert *x509.Certificate, key *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return writePEM(a.of(name).cert, "CERTIFICATE", der)
}

func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// of is where the files of a service are.
func (a *authority) of(name string) files {
	f := files{ca: filepath.Join(a.dir, "ca.pem")}
	if name != "" {
		f.cert, f.key = filepath.Join(a.dir, name+".pem"), filepath.Join(a.dir, name+".key")
	}
	return f
}
