package integration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

const mtlsServer = "server.acme.internal"

// mtlsAuthority signs certificates of services.
type mtlsAuthority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

var mtlsSerial atomic.Int64

func newMTLSAuthority() *mtlsAuthority {
	a := &mtlsAuthority{key: authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))}
	c := mtlsTemplate()
	c.Subject = pkix.Name{CommonName: "authority " + c.SerialNumber.String()}
	c.BasicConstraintsValid, c.IsCA, c.KeyUsage = true, true, x509.KeyUsageCertSign
	a.cert = authn.Must(x509.ParseCertificate(authn.Must(x509.CreateCertificate(rand.Reader, c, c, &a.key.PublicKey, a.key))))
	return a
}

func mtlsTemplate() *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{SerialNumber: big.NewInt(mtlsSerial.Add(1)), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
}

// issue is a client's certificate for the SPIFFE id acme.internal/name, with what
// change makes of it.
func (a *mtlsAuthority) issue(name string, change ...func(c *x509.Certificate)) tls.Certificate {
	key := authn.Must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	c := mtlsTemplate()
	c.Subject.CommonName, c.KeyUsage, c.ExtKeyUsage = name, x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	c.URIs = []*url.URL{{Scheme: "spiffe", Host: "acme.internal", Path: "/" + name}}
	for _, f := range change {
		f(c)
	}
	der := authn.Must(x509.CreateCertificate(rand.Reader, c, a.cert, &key.PublicKey, a.key))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: authn.Must(x509.ParseCertificate(der))}
}

// server is a server's certificate, for mtlsServer.
func (a *mtlsAuthority) server() tls.Certificate {
	return a.issue("server", func(c *x509.Certificate) {
		c.URIs, c.DNSNames, c.ExtKeyUsage = nil, []string{mtlsServer}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

func (a *mtlsAuthority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

func mtlsPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// writePEM writes name.pem and name.key, and name.both with both in it.
func writePEM(t testing.TB, dir, name string, cert tls.Certificate) (certFile, keyFile string) {
	t.Helper()
	chain := mtlsPEM(cert.Certificate[0])
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: authn.Must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))})
	path := filepath.Join(dir, name)
	writeText(t, path+".pem", string(chain))
	writeText(t, path+".key", string(key))
	writeText(t, path+".both", string(chain)+string(key))
	return path + ".pem", path + ".key"
}

func writeText(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
