package clientip_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
)

// I5: the scheme is what the proxy says of the hop that named the client, and
// only a trusted one is asked.
func TestScheme(t *testing.T) {
	const xff, xfp = "X-Forwarded-For", "X-Forwarded-Proto"
	for _, c := range []struct {
		name   string
		field  clientip.Header
		peer   string
		tls    bool
		fields []string
		want   string
	}{
		{"plain", xff, stranger, false, nil, "http"},
		{"TLS", xff, stranger, true, nil, "https"},
		{"forged", xff, stranger, false, []string{xff, victim, xfp, "https"}, "http"},
		{"forged over TLS", xff, stranger, true, []string{xff, victim, xfp, "http"}, "https"},
		{"forged, RFC 7239", clientip.Forwarded, stranger, false, []string{"Forwarded", "for=" + victim + ";proto=https"}, "http"},

		{"proxied", xff, proxy + ":80", false, []string{xff, client, xfp, "https"}, "https"},
		{"capitals", xff, proxy + ":80", false, []string{xff, client, xfp, "HTTPS"}, "https"},
		{"WebSocket", xff, proxy + ":80", false, []string{xff, client, xfp, "wss"}, "https"},
		{"WebSocket in the clear", xff, proxy + ":80", false, []string{xff, client, xfp, "ws"}, "http"},
		{"another word", xff, proxy + ":80", false, []string{xff, client, xfp, "https://"}, "http"},
		{"plain", xff, proxy + ":80", false, []string{xff, client, xfp, "http"}, "http"},
		{"encrypted again", xff, proxy + ":80", true, []string{xff, client, xfp, "http"}, "http"},
		{"not said", xff, proxy + ":80", false, []string{xff, client}, "http"},
		{"not said, encrypted", xff, proxy + ":80", true, []string{xff, client}, "http"},
		{"empty", xff, proxy + ":80", true, []string{xff, client, xfp, ""}, "http"},
		{"nobody's hop", xff, proxy + ":80", false, []string{xff, "unknown", xfp, "https"}, "https"},
		{"the proxy's own", xff, proxy + ":80", false, nil, "http"},
		{"the proxy's own over TLS", xff, proxy + ":80", true, nil, "https"},
		{"of nobody", xff, proxy + ":80", false, []string{xfp, "https"}, "https"},

		{"appended to what the client sent", xff, proxy + ":80", false, []string{xff, client, xfp, "https, http"}, "http"},
		{"appended, with an address as well", xff, proxy + ":80", false, []string{xff, victim + ", " + client, xfp, "https, http"}, "http"},
		{"in a line of its own", xff, proxy + ":80", false, []string{xff, client, xfp, "https", xfp, "http"}, "http"},
		{"two proxies, http within", xff, proxy + ":80", false, []string{xff, client + ", 10.2.2.2", xfp, "https, http"}, "https"},
		{"two proxies, https within", xff, proxy + ":80", false, []string{xff, client + ", 10.2.2.2", xfp, "http, https"}, "http"},
		{"two proxies, sent by the client", xff, proxy + ":80", false, []string{xff, client + ", 10.2.2.2", xfp, "https, http, https"}, "http"},
		{"two proxies, one value", xff, proxy + ":80", false, []string{xff, client + ", 10.2.2.2", xfp, "https"}, "https"},

		{"one address", "X-Real-IP", proxy + ":80", false, []string{"X-Real-IP", client, xfp, "https"}, "https"},
		{"one address, not said", "X-Real-IP", proxy + ":80", true, []string{"X-Real-IP", client}, "http"},
		{"one address, appended", "X-Real-IP", proxy + ":80", false, []string{"X-Real-IP", client, xfp, "https,http"}, "http"},

		{"RFC 7239", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", "for=" + client + ";proto=https"}, "https"},
		{"RFC 7239, quoted", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", `proto="htt\ps";for=` + client}, "https"},
		{"RFC 7239, plain", clientip.Forwarded, proxy + ":80", true, []string{"Forwarded", "for=" + client + ";proto=http"}, "http"},
		{"RFC 7239, not said", clientip.Forwarded, proxy + ":80", true, []string{"Forwarded", "for=" + client}, "http"},
		{"RFC 7239, another field", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", "for=" + client, xfp, "https"}, "http"},
		{"RFC 7239, the client's hop", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", "for=" + client + ";proto=https, for=10.2.2.2;proto=http"}, "https"},
		{"RFC 7239, not the client's own", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", "for=" + victim + ";proto=https, for=" + client + ";proto=http"}, "http"},
		{"RFC 7239, hidden", clientip.Forwarded, proxy + ":80", false, []string{"Forwarded", "for=_x;proto=https"}, "https"},
		{"RFC 7239, unreadable", clientip.Forwarded, proxy + ":80", true, []string{"Forwarded", "for=x y;proto=https"}, "http"},
		{"RFC 7239, the proxy's own", clientip.Forwarded, proxy + ":80", true, nil, "https"},
	} {
		r := request(c.peer, c.fields...)
		if c.tls {
			r.TLS = new(tls.ConnectionState)
		}
		w := behind(t, c.field)
		if got := w.Scheme(r); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if got, want := w.FromProxy(r), c.peer != stranger; got != want {
			t.Errorf("%s: from a proxy %v, want %v", c.name, got, want)
		}
		if n := len(w.events.Events()); n != 0 {
			t.Errorf("%s: %d events", c.name, n)
		}
	}
}

// served is the answer of a handler behind HTTPSOnly, which says 204.
func served(w *world, maxAge time.Duration, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	w.HTTPSOnly(maxAge)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(rec, r)
	return rec
}

// I5: https passes with Strict-Transport-Security; over plain http safe methods
// are sent to https, and others refused, by an event.
func TestHTTPSOnly(t *testing.T) {
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "QUERY", "get"} {
		w := behind(t, clientip.XForwardedFor)
		secure := proxied("X-Forwarded-For", client, "X-Forwarded-Proto", "https")
		secure.Method = method
		rec := served(w, 365*24*time.Hour, secure)
		if got := rec.Header().Get("Strict-Transport-Security"); rec.Code != http.StatusNoContent || got != "max-age=31536000" || len(w.events.Events()) != 0 {
			t.Errorf("%s over https: %d, %q", method, rec.Code, got)
		}
		plain := request(stranger, "X-Forwarded-Proto", "https")
		plain.Method = method
		rec = served(w, time.Hour, plain)
		if len(rec.Header()["Strict-Transport-Security"]) != 0 || rec.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s over http: header %v", method, rec.Header())
		}
		events := w.events.Events()
		if method == "GET" || method == "HEAD" {
			if rec.Code != http.StatusPermanentRedirect || rec.Header().Get("Location") != "https://app.example/" || len(events) != 0 {
				t.Errorf("%s over http: %d, %v, events %+v", method, rec.Code, rec.Header(), events)
			}
			continue
		}
		if rec.Code != http.StatusForbidden || rec.Header().Get("Location") != "" || len(events) != 1 ||
			events[0].Kind != authn.EventRefused || events[0].Reason != "plain http" || events[0].Addr.String() != "192.0.2.66" {
			t.Errorf("%s over http: %d, %v, events %+v", method, rec.Code, rec.Header(), events)
		}
	}
	for maxAge, want := range map[time.Duration]string{0: "max-age=0", time.Minute: "max-age=60", 1500 * time.Millisecond: "max-age=1"} {
		r := request(stranger)
		r.TLS = new(tls.ConnectionState)
		if got := served(behind(t, clientip.Forwarded), maxAge, r).Header().Get("Strict-Transport-Security"); got != want {
			t.Errorf("%v: %q, want %q", maxAge, got, want)
		}
	}
}

// I5: the redirect leads to the same URL of the same host, whatever the request
// says they are.
func TestRedirect(t *testing.T) {
	for _, c := range []struct {
		host, target, want string // "": 400
	}{
		{"app.example", "/", "https://app.example/"},
		{"app.example", "/a/b?c=d&e", "https://app.example/a/b?c=d&e"},
		{"app.example", "/a%2fb/%3F?q=%26", "https://app.example/a%2fb/%3F?q=%26"},
		{"app.example:8080", "/", "https://app.example/"},
		{"127.0.0.1:80", "/x", "https://127.0.0.1/x"},
		{"[2001:db8::1]:80", "/x", "https://[2001:db8::1]/x"},
		{"[2001:db8::1]", "/x", "https://[2001:db8::1]/x"},
		{"xn--bcher-kva.example", "/", "https://xn--bcher-kva.example/"},
		{"az-AZ_09.example", "/", "https://az-AZ_09.example/"},
		{"app.example", "//evil.example/", "https://app.example//evil.example/"},
		{"app.example", `/\evil.example`, `https://app.example/%5Cevil.example`},
		{"app.example", "http://evil.example/x", "https://app.example/x"},
		{"app.example", "/?next=//evil.example", "https://app.example/?next=//evil.example"},
		{"app.example", "/ä", "https://app.example/%C3%A4"},

		{"", "/", ""},
		{":80", "/", ""},
		{"evil.example/", "/", ""},
		{"evil.example/@app.example", "/", ""},
		{"user@evil.example", "/", ""},
		{"app.example@evil.example", "/", ""},
		{`evil.example\`, "/", ""},
		{"evil.example?", "/", ""},
		{"evil.example#", "/", ""},
		{"evil.example%00", "/", ""},
		{"app.example:80:80", "/", ""},
		{"2001:db8::1", "/", ""},
		{"[2001:db8::1", "/", ""},
		{"[evil.example]/", "/", ""},
		{"[]", "/", ""},
		{"a\r\nb", "/", ""},
		{"evil[", "/", ""},
		{"evil`", "/", ""},
		{"evil{", "/", ""},
	} {
		w := behind(t, clientip.XForwardedFor)
		r := request(stranger)
		r.URL, r.Host = authn.Must(url.ParseRequestURI(c.target)), c.host // as net/http does
		rec := served(w, time.Hour, r)
		if got := rec.Header().Get("Location"); got != c.want {
			t.Errorf("Host %q, %s: %q, want %q", c.host, c.target, got, c.want)
		}
		if c.want == "" && (rec.Code != http.StatusBadRequest || strings.Contains(rec.Body.String(), "evil")) {
			t.Errorf("Host %q: %d %s", c.host, rec.Code, rec.Body)
		}
	}
}

// I5: hosts of loopback are let off only if the host says so, and get no
// Strict-Transport-Security.
func TestInsecureLoopback(t *testing.T) {
	on := newWorld(t, clientip.Config{InsecureLoopback: true})
	off := newWorld(t, clientip.Config{})
	for host, local := range map[string]bool{
		"localhost": true, "localhost:8080": true, "app.localhost:80": true, "127.0.0.1:8080": true, "[::1]:80": true, "127.9.9.9": true,
		"app.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false, "10.0.0.1": false, "": false,
	} {
		for w, want := range map[*world]bool{on: local, off: false} {
			r := request("127.0.0.1:4711")
			r.Method, r.Host = http.MethodPost, host
			rec := served(w, time.Hour, r)
			if (rec.Code == http.StatusNoContent) != want || len(rec.Header()["Strict-Transport-Security"]) != 0 {
				t.Errorf("Host %q, on %v: %d", host, w == on, rec.Code)
			}
		}
	}
}

// I5: HTTPSOnly may stand inside of Middleware, which then says who is refused.
func TestRefusalNamesTheClient(t *testing.T) {
	w := newWorld(t, clientip.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: clientip.Forwarded})
	r := proxied("Forwarded", "for="+client+";proto=http")
	r.Method = http.MethodPost
	rec := httptest.NewRecorder()
	w.Middleware(w.HTTPSOnly(time.Hour)(http.NotFoundHandler())).ServeHTTP(rec, r)
	if e := w.events.Events(); rec.Code != http.StatusForbidden || len(e) != 1 || e[0].Addr.String() != client {
		t.Errorf("%d, %+v", rec.Code, e)
	}
}
