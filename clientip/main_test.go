package clientip_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/authntest"
	"github.com/gatehouse-go/authn/clientip"
)

// Addresses of the tests, of RFC 5737 and RFC 3849.
const (
	proxy    = "10.0.0.1" // is trusted, as all of 10.0.0.0/8 and 2001:db8:ff::/48
	client   = "198.51.100.7"
	victim   = "203.0.113.9" // whose address is forged
	stranger = "192.0.2.66:4711"
)

// world is a service behind proxies.
type world struct {
	t      testing.TB
	events *authntest.Recorder
	*clientip.Resolver
}

// behind is a Resolver that believes field.
func behind(t testing.TB, field clientip.Header) *world {
	t.Helper()
	return newWorld(t, clientip.Config{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ff::/48")}, Header: field,
	})
}

func newWorld(t testing.TB, cfg clientip.Config) *world {
	t.Helper()
	w := &world{t: t, events: &authntest.Recorder{}}
	cfg.OnEvent = w.events.OnEvent
	rs, err := clientip.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Resolver = rs
	return w
}

// request comes from peer, with names and values of fields. A name may come
// more than once.
func request(peer string, fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://app.example/", nil)
	r.RemoteAddr = peer
	for i := 0; i+1 < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// proxied is a request that the proxy makes.
func proxied(fields ...string) *http.Request { return request(proxy+":443", fields...) }

// client is what a handler sees of r, and the reason of the event.
func (w *world) client(r *http.Request) (c authn.Client, reason string) {
	w.t.Helper()
	before := len(w.events.Events())
	called, remote := false, r.RemoteAddr
	w.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		c, called = authn.ClientOf(r), true
		if other, ok := authn.ClientFromContext(r.Context()); !ok || other != c {
			w.t.Errorf("the context has %v, the request %v", other, c)
		}
		if r.RemoteAddr != remote {
			w.t.Errorf("RemoteAddr is %q, was %q", r.RemoteAddr, remote)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !called {
		w.t.Fatal("the handler is not called")
	}
	for _, e := range w.events.Events()[before:] {
		if e.Kind != authn.EventWarning || e.Method != "clientip" || e.At.IsZero() || reason != "" || e.Reason == "" {
			w.t.Errorf("event %+v", e)
		}
		reason = e.Reason
	}
	if c.Addr.IsValid() == (reason != "") || c.Addr.IsValid() != c.Group.IsValid() {
		w.t.Errorf("%+v, and the event says %q", c, reason)
	}
	return c, reason
}

// want fails unless r comes from want: an address, or the reason why there is
// none.
func (w *world) want(what string, r *http.Request, want string) {
	w.t.Helper()
	c, reason := w.client(r)
	got := reason
	if c.Addr.IsValid() {
		got = c.Addr.String()
	}
	if got != want {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}
