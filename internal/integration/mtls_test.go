package integration_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/mtls"
)

// mtlsApp says who calls, and in a field whether TLS was resumed.
type mtlsApp struct {
	t       testing.TB
	clients *mtlsAuthority
	*mtls.Verifier
	denied atomic.Pointer[x509.Certificate]
}

func newMTLSApp(t testing.TB, change func(cfg *mtls.Config)) *mtlsApp {
	t.Helper()
	a := &mtlsApp{t: t, clients: newMTLSAuthority()}
	cfg := mtls.Config{Roots: a.clients.pool(), TrustDomain: "acme.internal", Denied: func(c *x509.Certificate) bool {
		d := a.denied.Load()
		return d != nil && c.Equal(d)
	}}
	if change != nil {
		change(&cfg)
	}
	var err error
	if a.Verifier, err = mtls.New(cfg); err != nil {
		t.Fatal(err)
	}
	return a
}

// serve starts h, over TLS unless cfg is nil.
func serveMTLS(t testing.TB, h http.Handler, cfg *tls.Config) (addr string) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h, TLSConfig: cfg, ErrorLog: log.New(io.Discard, "", 0)}
	done := make(chan error)
	go func() {
		if cfg == nil {
			done <- srv.Serve(l)
			return
		}
		done <- srv.ServeTLS(l, "", "")
	}()
	t.Cleanup(func() {
		_ = srv.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

func (a *mtlsApp) handler() http.Handler {
	h := a.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, _ := authn.FromContext(r.Context())
		fmt.Fprint(w, id.Subject)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Resumed", fmt.Sprint(r.TLS != nil && r.TLS.DidResume))
		h.ServeHTTP(w, r)
	})
}

// mtlsPeer is a program that calls: curl or openssl.
type mtlsPeer struct {
	t    testing.TB
	name string
	path string
}

func newMTLSPeer(t testing.TB, name string) mtlsPeer {
	t.Helper()
	path, ok := servers.Binary(name)
	if !ok {
		servers.Missing(t, name)
	}
	version := "version"
	if name == "curl" {
		version = "--version"
	}
	servers.Case(t, strings.Join(strings.Fields(string(authn.Must(exec.CommandContext(t.Context(), path, version).Output())))[:2], " "))
	return mtlsPeer{t, name, path}
}

// run answers what the program prints, and its error.
func (p mtlsPeer) run(stdin string, args ...string) (out string, err error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Stdin, cmd.WaitDelay = strings.NewReader(stdin), time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, stderr.Bytes())
	}
	return string(text), err
}

// mtlsWorld is an app by ServerTLS, with files for programs.
type mtlsWorld struct {
	*mtlsApp
	dir, addr, ca string
}

func newMTLSWorld(t testing.TB) *mtlsWorld {
	t.Helper()
	w := &mtlsWorld{mtlsApp: newMTLSApp(t, nil), dir: t.TempDir()}
	auth := newMTLSAuthority()
	w.ca = w.dir + "/ca.pem"
	writeText(t, w.ca, string(mtlsPEM(auth.cert.Raw)))
	cfg, err := w.ServerTLS(writePEM(t, w.dir, "server", auth.server()))
	if err != nil {
		t.Fatal(err)
	}
	w.addr = serveMTLS(t, w.handler(), cfg)
	return w
}

// M1, M4: curl gets in over TLS 1.3 with a good certificate, hears 401 without one,
// and with another its handshake fails; a field that it makes up is nothing.
func TestMTLSCurl(t *testing.T) {
	curl := newMTLSPeer(t, "curl")
	w := newMTLSWorld(t)
	_, port, _ := net.SplitHostPort(w.addr)
	good := w.clients.issue("worker")
	get := func(cert *tls.Certificate, more ...string) (string, error) {
		args := []string{
			"-sS", "--max-time", "20", "--cacert", w.ca, "--resolve", mtlsServer + ":" + port + ":127.0.0.1", "-w", " %{http_code} %{ssl_verify_result} %{http_version}",
			"https://" + mtlsServer + ":" + port, "--tlsv1.3",
		}
		if cert != nil {
			certFile, keyFile := writePEM(t, w.dir, "client", *cert)
			args = append(args, "--cert", certFile, "--key", keyFile)
		}
		return curl.run("", append(args, more...)...)
	}
	if out, err := get(&good); err != nil || out != "spiffe://acme.internal/worker 200 0 2" {
		t.Errorf("good: %q, %v", out, err)
	}
	if out, err := get(&good, "--http1.1"); err != nil || !strings.HasSuffix(out, "worker 200 0 1.1") {
		t.Errorf("HTTP/1.1: %q, %v", out, err)
	}
	for what, more := range map[string][]string{"none": nil, "forged": {"-H", "Client-Cert: " + rfc9440(good.Certificate[0])}} {
		if out, err := get(nil, more...); err != nil || !strings.HasSuffix(out, " 401 0 2") {
			t.Errorf("%s: %q, %v", what, out, err)
		}
	}
	for what, cert := range map[string]tls.Certificate{
		"another root": newMTLSAuthority().issue("worker"),
		"expired":      w.clients.issue("worker", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }),
		"a server's":   w.clients.issue("worker", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }),
	} {
		if out, err := get(&cert); err == nil || strings.Contains(out, "spiffe") {
			t.Errorf("%s: %q, %v", what, out, err)
		}
	}
	w.denied.Store(good.Leaf)
	if out, err := get(&good); err != nil || !strings.HasSuffix(out, " 401 0 2") {
		t.Errorf("denied: %q, %v", out, err)
	}
}

// M1: openssl resumes a session, for which it sends no certificate; when that is
// denied meanwhile, the resumed connection is refused.
func TestMTLSOpenSSLResumes(t *testing.T) {
	openssl := newMTLSPeer(t, "openssl")
	w := newMTLSWorld(t)
	cert := w.clients.issue("worker")
	certFile, keyFile := writePEM(t, w.dir, "client", cert)
	session := w.dir + "/session"
	get := func(more ...string) (out string, err error) {
		return openssl.run("GET / HTTP/1.1\r\nHost: "+mtlsServer+"\r\nConnection: close\r\n\r\n", append([]string{
			"s_client", "-connect", w.addr, "-servername", mtlsServer, "-tls1_3", "-CAfile", w.ca, "-verify_return_error", "-quiet",
		}, more...)...)
	}
	want := func(what string, out string, err error, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if err != nil || !strings.Contains(out, part+"\r\n") {
				t.Errorf("%s: no %q in %s, %v", what, part, out, err)
			}
		}
	}
	const fresh, resumed, ok, refused = "Resumed: false", "Resumed: true", "HTTP/1.1 200 OK", "HTTP/1.1 401 Unauthorized"
	out, err := get("-cert", certFile, "-key", keyFile, "-sess_out", session)
	want("first", out+"\r\n", err, fresh, ok, "spiffe://acme.internal/worker")
	out, err = get("-sess_in", session)
	want("resumed", out+"\r\n", err, resumed, ok, "spiffe://acme.internal/worker")
	w.denied.Store(cert.Leaf)
	out, err = get("-sess_in", session)
	want("denied", out, err, resumed, refused)
	w.denied.Store(nil)
	if err := w.SetRoots(newMTLSAuthority().pool()); err != nil {
		t.Fatal(err)
	}
	out, err = get("-sess_in", session) // the handshake begins anew, without a certificate
	want("other roots", out, err, fresh, refused)
}
