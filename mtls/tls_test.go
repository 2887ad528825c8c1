package mtls_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
)

// M1, M4: over TLS 1.3: good certificates and none get in, others fail in the
// handshake.
func TestServerTLS(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, nil)
	sv.want("good", sv.client(s.root.leaf()), "HTTP/2.0 false "+worker)
	sv.want("by an intermediate", sv.client(newAuthority(s.root).leaf()), "HTTP/2.0 false "+worker)
	sv.want("none", sv.client(), "HTTP/2.0 false nobody")
	for what, c := range map[string]struct {
		cert tls.Certificate
		want string
	}{
		"another root": {newAuthority(nil).leaf(), unknownAuthority},
		"expired":      {s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) }), "tls: expired certificate"},
		"a server's":   {s.root.leaf(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), "tls: bad certificate"},
	} {
		if got := sv.alert(c.cert); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
	old := sv.client(s.root.leaf())
	old.Transport.(*http.Transport).TLSClientConfig.MaxVersion = tls.VersionTLS12
	sv.want("TLS 1.2", old, "tls: protocol version not supported")
	one := sv.client(s.root.leaf())
	one.Transport.(*http.Transport).ForceAttemptHTTP2 = false
	sv.want("HTTP/1.1", one, "HTTP/1.1 false "+worker)
}

const unknownAuthority = "tls: unknown certificate authority"

// M1: any configuration that asks for a certificate will do: what a handshake lets
// in, each request refuses.
func TestOwnTLSConfig(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, func(cfg *tls.Config) { cfg.ClientAuth, cfg.MinVersion = tls.RequestClientCert, tls.VersionTLS12 })
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for what, c := range map[string]struct {
			cert tls.Certificate
			want string
		}{
			"good":         {s.root.leaf(), "HTTP/2.0 false " + worker},
			"another root": {newAuthority(nil).leaf(), refused},
			"expired":      {s.root.leaf(func(c *x509.Certificate) { c.NotAfter = noon.Add(-1) }), refused},
			"too early":    {s.root.leaf(func(c *x509.Certificate) { c.NotBefore = noon.Add(time.Second) }), refused},
			"two ids":      {s.root.leaf(func(c *x509.Certificate) { c.URIs = uris(worker, worker) }), refused},
		} {
			client := sv.client(c.cert)
			client.Transport.(*http.Transport).TLSClientConfig.MaxVersion = version
			sv.want(what, client, c.want)
		}
	}
}

// M1: a certificate that is denied while a connection lasts is refused at the
// next request, and on a resumed connection, too, where no certificate is sent.
func TestDeniedAfterResumption(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, nil)
	cert := s.root.leaf()
	c := sv.client(cert)
	sv.want("first", c, "HTTP/2.0 false "+worker)
	drop(c)
	sv.want("resumed", c, "HTTP/2.0 true "+worker)
	s.denied.Store(cert.Leaf)
	sv.want("denied on the same connection", c, refused)
	drop(c)
	resumed := false
	c.Transport.(*http.Transport).TLSClientConfig.VerifyConnection = func(cs tls.ConnectionState) error {
		resumed = cs.DidResume
		return nil
	}
	sv.want("denied, resumed", c, refused)
	if !resumed {
		t.Error("the connection was not resumed")
	}
	s.denied.Store(nil)
	drop(c)
	sv.want("denied no more", c, "HTTP/2.0 true "+worker)
	s.offset.Store(int64(time.Hour + 1))
	sv.want("expired on the same connection", c, refused)
}

// M4: roots change without a restart, for connections that are open, resumed or
// new.
func TestRootsChangeWithoutRestart(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, nil)
	next := newAuthority(nil)
	wasCert, willCert := s.root.leaf(), next.leaf()
	was, open, will := sv.client(wasCert), sv.client(s.root.leaf()), sv.client(willCert)
	sv.want("old", was, "HTTP/2.0 false "+worker)
	sv.want("old", open, "HTTP/2.0 false "+worker)
	if got := sv.alert(willCert); got != unknownAuthority {
		t.Errorf("new, too early: %q", got)
	}
	if err := s.SetRoots(pool(s.root, next)); err != nil {
		t.Fatal(err)
	}
	sv.want("both: new", will, "HTTP/2.0 false "+worker)
	sv.want("both: old", open, "HTTP/2.0 false "+worker)
	if err := s.SetRoots(pool(next)); err != nil {
		t.Fatal(err)
	}
	sv.want("new", will, "HTTP/2.0 false "+worker)
	sv.want("old, open", open, refused)
	drop(was)
	if got := sv.get(was); strings.HasPrefix(got, "HTTP") { // the handshake, or else the request
		t.Errorf("old, resumed: %s", got)
	}
}

// serverName is the first DNS name of the certificate that a new connection gets.
func (sv *server) serverName() string {
	sv.t.Helper()
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: pool(sv.authority), ServerName: "server.acme.internal", Time: sv.s.now}}).DialContext(sv.t.Context(), "tcp", sv.addr)
	if err != nil {
		return err.Error()
	}
	defer c.Close()
	return c.(*tls.Conn).ConnectionState().PeerCertificates[0].DNSNames[0]
}

// M4: the server's certificate is read again within a second of a handshake; what
// cannot be used leaves the old one and is a warning, once.
func TestServerCertificateIsReloaded(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, nil)
	name := func(what, want string, warnings int) {
		t.Helper()
		if got := sv.serverName(); got != want {
			t.Errorf("%s: %s, want %s", what, got, want)
		}
		events := s.events.Events(authn.EventWarning)
		if len(events) != warnings {
			t.Errorf("%s: %d warnings, want %d", what, len(events), warnings)
		}
		for _, e := range events {
			if e.Reason != "certificate not reloaded" || e.Method != "mtls" || e.Err == nil || strings.Contains(e.Err.Error(), "PRIVATE") {
				t.Errorf("%s: %+v", what, e)
			}
		}
	}
	later := func(d time.Duration) { s.offset.Add(int64(d)) }
	const first = "server.acme.internal"
	firstCert, firstKey := authn.Must(os.ReadFile(sv.cert)), authn.Must(os.ReadFile(sv.key))
	second := sv.identity("second")
	sv.write(second)
	name("at first", first, 0)
	later(time.Second - 1)
	name("too early", first, 0)
	later(1)
	name("after a second", "second", 0)
	sv.write(sv.identity("too soon"))
	name("in the same second", "second", 0)

	third := sv.identity("third")
	chain, key := pemFiles(third)
	writeFile(t, sv.cert, chain)
	later(time.Second)
	name("half written", "second", 1)
	later(time.Second)
	name("half written, again", "second", 1)
	for i := range 2 { // after one that was looked at twice, and after one that was not
		other, _ := pemFiles(sv.identity("other"))
		writeFile(t, sv.cert, other)
		later(time.Second)
		name("another half", "second", 2+i)
	}
	writeFile(t, sv.cert, chain)
	writeFile(t, sv.key, key[:len(key)/2])
	later(time.Second)
	name("garbage", "second", 4)
	if err := os.Remove(sv.key); err != nil {
		t.Fatal(err)
	}
	later(time.Second)
	name("gone", "second", 5)
	later(time.Second)
	name("gone, again", "second", 5)
	writeFile(t, sv.key, key)
	later(time.Second)
	name("whole", "third", 5)
	writeFile(t, sv.cert, firstCert)
	writeFile(t, sv.key, firstKey)
	later(time.Second)
	name("back", first, 5)
	later(-time.Hour) // a clock that was set back
	sv.write(sv.identity("fourth"))
	later(-time.Second)
	name("set back", "fourth", 5)
}

// M4: files that cannot be used are an error at the start.
func TestServerTLSRefusals(t *testing.T) {
	s := newService(t)
	dir := t.TempDir()
	one, other := pemFilesIn(dir, "one", s.root.leaf()), pemFilesIn(dir, "other", s.root.leaf())
	for _, c := range []struct{ name, cert, key string }{
		{"no names", "", ""},
		{"no certificate", dir + "/x", one + ".key"},
		{"no key", one + ".pem", dir + "/x"},
		{"another's key", one + ".pem", other + ".key"},
		{"the other way round", one + ".key", one + ".pem"},
	} {
		if cfg, err := s.ServerTLS(c.cert, c.key); err == nil || cfg != nil || !strings.HasPrefix(err.Error(), "authn/mtls: ") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := s.ServerTLS(one+".pem", one+".key"); err != nil {
		t.Error(err)
	}
}

func pemFilesIn(dir, name string, cert tls.Certificate) string {
	chain, key := pemFiles(cert)
	path := filepath.Join(dir, name)
	for suffix, text := range map[string][]byte{".pem": chain, ".key": key} {
		if err := os.WriteFile(path+suffix, text, 0o600); err != nil {
			panic(err)
		}
	}
	return path
}

// M4: what the host changes of the configuration counts in every handshake.
func TestServerTLSIsTheHosts(t *testing.T) {
	s := newService(t)
	sv := serve(t, s, func(cfg *tls.Config) {
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
		cfg.NextProtos = []string{"http/1.1"}
	})
	sv.want("good", sv.client(s.root.leaf()), "HTTP/1.1 false "+worker)
	if got := sv.alert(tls.Certificate{}); got != "tls: certificate required" {
		t.Errorf("none: %q", got)
	}
}

// M4: where the host speaks HTTP/1.1 only, nothing promises HTTP/2 to clients
// that know both.
func TestServerTLSWithoutHTTP2(t *testing.T) {
	for what, change := range map[string]func(*http.Server){
		"TLSNextProto": func(srv *http.Server) { srv.TLSNextProto = map[string]func(*http.Server, *tls.Conn, http.Handler){} },
		"Protocols": func(srv *http.Server) {
			srv.Protocols = new(http.Protocols)
			srv.Protocols.SetHTTP1(true)
		},
	} {
		s := newService(t)
		sv := serve(t, s, nil, change)
		sv.want(what, sv.client(s.root.leaf()), "HTTP/1.1 false "+worker)
	}
}
