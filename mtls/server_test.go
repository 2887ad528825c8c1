package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

// server is an http.Server on a port of its own, whose handler says who is there.
type server struct {
	t         testing.TB
	addr      string
	s         *service
	authority *authority
	cert, key string // files
}

// serve is by ServerTLS, with what change makes of the configuration.
func serve(t testing.TB, s *service, change func(cfg *tls.Config), settings ...func(srv *http.Server)) *server {
	t.Helper()
	dir := t.TempDir()
	sv := &server{t: t, s: s, authority: newAuthority(nil), cert: filepath.Join(dir, "server.pem"), key: filepath.Join(dir, "server.key")}
	sv.write(sv.identity("server.acme.internal"))
	cfg, err := s.ServerTLS(sv.cert, sv.key)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(cfg)
	}
	srv := &http.Server{TLSConfig: cfg, ErrorLog: log.New(io.Discard, "", 0), Handler: authn.Optional(s)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, ok := authn.FromContext(r.Context())
		if !ok {
			id = &authn.Identity{Subject: "nobody"}
		}
		fmt.Fprint(w, r.Proto, " ", r.TLS.DidResume, " ", id.Subject)
	}))}
	for _, f := range settings {
		f(srv)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sv.addr = l.Addr().String()
	done := make(chan error)
	go func() { done <- srv.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return sv
}

// identity is a server's certificate for name.
func (sv *server) identity(name string) tls.Certificate {
	return sv.authority.leaf(func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{name, "server.acme.internal"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
}

// write writes the files.
func (sv *server) write(cert tls.Certificate) {
	sv.t.Helper()
	chain, key := pemFiles(cert)
	writeFile(sv.t, sv.cert, chain)
	writeFile(sv.t, sv.key, key)
}

func writeFile(t testing.TB, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func pemFiles(cert tls.Certificate) (chain, key []byte) {
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return chain, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: authn.Must(x509.MarshalPKCS8PrivateKey(cert.PrivateKey))})
}

// client sends these certificates, or none. It keeps connections and sessions.
func (sv *server) client(certs ...tls.Certificate) *http.Client {
	cfg := &tls.Config{
		RootCAs: pool(sv.authority), ServerName: "server.acme.internal", Time: sv.s.now, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { // whatever the server asks for
			if len(certs) == 0 {
				return new(tls.Certificate), nil
			}
			return &certs[0], nil
		},
	}
	tr := &http.Transport{TLSClientConfig: cfg, ForceAttemptHTTP2: true}
	sv.t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

// want fails unless the answer has this text: protocol, resumed, subject.
func (sv *server) want(what string, c *http.Client, want string) {
	sv.t.Helper()
	if got := sv.get(c); got != want {
		sv.t.Errorf("%s: %s, want %s", what, got, want)
	}
}

// get is the body, the status of what is not 200, or the TLS alert.
func (sv *server) get(c *http.Client) string {
	sv.t.Helper()
	req, err := http.NewRequestWithContext(sv.t.Context(), http.MethodGet, "https://"+sv.addr, nil)
	if err != nil {
		sv.t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		if _, alert, ok := strings.Cut(err.Error(), "remote error: "); ok {
			return alert
		}
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err.Error()
	case resp.StatusCode != http.StatusOK:
		return resp.Status
	}
	return string(body)
}

// drop ends the connections, so that the next request resumes the session.
func drop(c *http.Client) { c.CloseIdleConnections() }

const refused = "401 Unauthorized"

// alert is what the server answers a handshake with this certificate.
func (sv *server) alert(cert tls.Certificate) string {
	sv.t.Helper()
	cfg := sv.client(cert).Transport.(*http.Transport).TLSClientConfig
	c, err := (&tls.Dialer{Config: cfg}).DialContext(sv.t.Context(), "tcp", sv.addr)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second)) // of a server that refuses nothing
	_, err = c.Read(make([]byte, 1))                        // TLS 1.3 refuses after the client's part
	_, alert, _ := strings.Cut(fmt.Sprint(err), "remote error: ")
	return alert
}
