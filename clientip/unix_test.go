package clientip_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
)

// I2: a peer at a Unix socket is trusted only if Config says so, and has no
// address: not even if its own end is a file that is called like one.
func TestUnixSocket(t *testing.T) {
	t.Chdir(t.TempDir())
	ten := behind(t, clientip.XForwardedFor)
	for _, c := range []struct {
		name   string
		w      *world
		bound  string // of the peer's end
		fields []string
		want   string
		proxy  bool
	}{
		{"trusted by name", newWorld(t, clientip.Config{TrustUnixSocket: true, Header: clientip.XForwardedFor}), "", []string{"X-Forwarded-For", client}, client, true},
		{"trusted, says nothing", newWorld(t, clientip.Config{TrustUnixSocket: true, Header: clientip.XForwardedFor}), "", nil, "no peer address", true},
		{"zero Config", newWorld(t, clientip.Config{}), "", []string{"X-Forwarded-For", client}, "no peer address", false},
		{"other proxies are trusted", ten, "", []string{"X-Forwarded-For", client}, "no peer address", false},
		{"calls itself a proxy", ten, "10.0.0.1:80", []string{"X-Forwarded-For", client}, "no peer address", false},
		{"calls itself somebody", newWorld(t, clientip.Config{}), "203.0.113.9:80", nil, "no peer address", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			var listen net.ListenConfig
			l, err := listen.Listen(t.Context(), "unix", path)
			if err != nil {
				t.Fatal(err)
			}
			var requests atomic.Int64
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				requests.Add(1)
				if c.bound != "" && r.RemoteAddr != c.bound {
					t.Errorf("RemoteAddr is %q", r.RemoteAddr)
				}
				c.w.want(c.name, r, c.want)
				if got := c.w.FromProxy(r); got != c.proxy {
					t.Errorf("from a proxy %v", got)
				}
			}))
			s.Listener = l
			s.Start()
			defer s.Close()
			transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				var d net.Dialer
				if c.bound != "" {
					d.LocalAddr = &net.UnixAddr{Name: c.bound, Net: "unix"}
				}
				return d.DialContext(ctx, "unix", path)
			}}
			defer transport.CloseIdleConnections()
			r := authn.Must(http.NewRequestWithContext(t.Context(), http.MethodGet, "http://app.example/", nil))
			for i := 0; i+1 < len(c.fields); i += 2 {
				r.Header.Set(c.fields[i], c.fields[i+1])
			}
			res, err := transport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if requests.Load() != 1 {
				t.Errorf("%d requests", requests.Load())
			}
		})
	}
	// Without a server nobody says that it is a Unix socket.
	unix := newWorld(t, clientip.Config{TrustUnixSocket: true, Header: clientip.XForwardedFor})
	for _, remote := range []string{"@", "", "/run/proxy.sock", "127.0.0.1:80"} {
		if unix.FromProxy(request(remote)) {
			t.Errorf("RemoteAddr %q is a proxy's", remote)
		}
	}
}
