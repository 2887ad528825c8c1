package clientip_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
)

// The client behind two proxies, and what forging the field does.
func ExampleNew() {
	clients, err := clientip.New(clientip.Config{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Header:         clientip.XForwardedFor,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := clients.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := authn.ClientOf(r)
		fmt.Fprintf(w, "%v is limited with %v", c.Addr, c.Group)
	}))
	get := func(peer, forwardedFor string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = peer
		r.Header.Set("X-Forwarded-For", forwardedFor)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Println(w.Body)
	}
	get("10.0.0.1:4711", "198.51.100.7, 10.0.0.2")              // through both
	get("10.0.0.1:4711", "2001:db8::7")                         // through one
	get("10.0.0.1:4711", "203.0.113.9, 198.51.100.7, 10.0.0.2") // made up by the client
	get("198.51.100.7:4711", "203.0.113.9")                     // past the proxies
	get("10.0.0.1:4711", "203.0.113.9, unknown")                // nobody knows
	// Output:
	// 198.51.100.7 is limited with 198.51.100.7/32
	// 2001:db8::7 is limited with 2001:db8::/64
	// 198.51.100.7 is limited with 198.51.100.7/32
	// 198.51.100.7 is limited with 198.51.100.7/32
	// invalid IP is limited with invalid Prefix
}

// Plain http is sent to https, or refused.
func ExampleResolver_HTTPSOnly() {
	clients, err := clientip.New(clientip.Config{
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Header:         clientip.Forwarded,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	app := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "welcome") })
	h := clients.Middleware(clients.HTTPSOnly(time.Hour)(app))
	send := func(method, forwarded string) {
		r := httptest.NewRequest(method, "http://app.example/basket?item=1", nil)
		r.RemoteAddr = "10.0.0.1:4711"
		r.Header.Set("Forwarded", forwarded)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Printf("%d %q %q\n", w.Code, w.Header().Get("Location"), w.Header().Get("Strict-Transport-Security"))
	}
	send("GET", "for=198.51.100.7;proto=https")
	send("GET", "for=198.51.100.7;proto=http")
	send("POST", "for=198.51.100.7;proto=http")
	// Output:
	// 200 "" "max-age=3600"
	// 308 "https://app.example/basket?item=1" ""
	// 403 "" ""
}
