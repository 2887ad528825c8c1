package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"os"
	"time"

	"github.com/gatehouse-go/authn"
)

// example is what the examples have around them.
type example struct {
	authority *authority
	roots     *x509.CertPool
	dir       string
	closers   []func()
}

func newExample() *example {
	e := &example{authority: newAuthority(nil), dir: authn.Must(os.MkdirTemp("", "mtls"))}
	e.roots = pool(e.authority)
	pemFilesIn(e.dir, "server", e.authority.leaf(func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"server.acme.internal"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}))
	return e
}

func (e *example) now() time.Time { return noon }

func (e *example) remove() {
	for _, f := range e.closers {
		f()
	}
	_ = os.RemoveAll(e.dir)
}

func (e *example) client(id string) tls.Certificate {
	return e.authority.leaf(func(c *x509.Certificate) { c.URIs = uris(id) })
}
