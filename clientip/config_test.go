package clientip_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/clientip"
)

// I1: what trusts everybody, or would believe nobody, is an error that names
// the field.
func TestConfigRefusals(t *testing.T) {
	ten := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	prefix := func(s string) clientip.Config {
		return clientip.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix(s)}, Header: clientip.XForwardedFor}
	}
	for _, c := range []struct {
		name string
		cfg  clientip.Config
		want string // "": none
	}{
		{"zero", clientip.Config{}, ""},
		{"list", clientip.Config{TrustedProxies: ten, Header: clientip.XForwardedFor}, ""},
		{"RFC 7239", clientip.Config{TrustedProxies: ten, Header: clientip.Forwarded}, ""},
		{"one address", clientip.Config{TrustedProxies: ten, Header: "CF-Connecting-IP"}, ""},
		{"every kind of character", clientip.Config{TrustedProxies: ten, Header: "az-zA-AZ-09!"}, ""},
		{"Unix", clientip.Config{TrustUnixSocket: true, Header: clientip.XForwardedFor}, ""},
		{"half of all", prefix("0.0.0.0/1"), ""},
		{"mapped", prefix("::ffff:10.0.0.0/104"), ""},
		{"not masked", prefix("10.1.2.3/8"), ""},
		{"bits", clientip.Config{IPv6Bits: 48}, ""},
		{"proxies without a field", clientip.Config{TrustedProxies: ten}, "Config.Header is empty"},
		{"Unix without a field", clientip.Config{TrustUnixSocket: true}, "Config.Header is empty"},
		{"a field without proxies", clientip.Config{Header: clientip.XForwardedFor}, "Config.TrustedProxies is empty"},
		{"all of IPv4", prefix("0.0.0.0/0"), "trusts everybody"},
		{"all of IPv6", prefix("::/0"), "trusts everybody"},
		{"all of IPv4, mapped", prefix("::ffff:0.0.0.0/96"), "trusts everybody"},
		{"all of IPv4 and more", prefix("::ffff:0.0.0.0/90"), "neither IPv4 nor IPv6"},
		{"no prefix", clientip.Config{TrustedProxies: []netip.Prefix{{}}, Header: clientip.XForwardedFor}, "no prefix"},
		{"one of two", clientip.Config{TrustedProxies: append(ten, netip.Prefix{}), Header: clientip.XForwardedFor}, "no prefix"},
		{"no name", clientip.Config{TrustedProxies: ten, Header: "X Real IP"}, "no name of a field"},
		{"a line", clientip.Config{TrustedProxies: ten, Header: "X-Real-IP: "}, "no name of a field"},
		{"a colon", clientip.Config{TrustedProxies: ten, Header: "X:Y"}, "no name of a field"},
		{"a slash", clientip.Config{TrustedProxies: ten, Header: "X/Y"}, "no name of a field"},
		{"an at sign", clientip.Config{TrustedProxies: ten, Header: "X@Y"}, "no name of a field"},
		{"a bracket", clientip.Config{TrustedProxies: ten, Header: "X[Y"}, "no name of a field"},
		{"a brace", clientip.Config{TrustedProxies: ten, Header: "X{Y"}, "no name of a field"},
		{"a scheme", clientip.Config{TrustedProxies: ten, Header: "x-forwarded-proto"}, "no address"},
		{"a host", clientip.Config{TrustedProxies: ten, Header: "X-Forwarded-Host"}, "no address"},
		{"47 bits", clientip.Config{IPv6Bits: 47}, "Config.IPv6Bits"},
		{"65 bits", clientip.Config{IPv6Bits: 65}, "Config.IPv6Bits"},
		{"-1 bits", clientip.Config{IPv6Bits: -1}, "Config.IPv6Bits"},
	} {
		rs, err := clientip.New(c.cfg)
		switch {
		case c.want == "" && (err != nil || rs == nil):
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || rs != nil || !strings.HasPrefix(err.Error(), "authn/clientip: Config.") || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

// I1: the zero Config and the zero Resolver believe no field, whoever sends it.
func TestZeroBelievesNoField(t *testing.T) {
	fields := []string{
		"X-Forwarded-For", victim, "Forwarded", "for=" + victim + ";proto=https", "X-Real-IP", victim, "X-Forwarded-Proto", "https", "", victim,
	}
	for what, w := range map[string]*world{"Config": newWorld(t, clientip.Config{}), "Resolver": nil} {
		if w == nil {
			w = &world{t: t, events: newWorld(t, clientip.Config{}).events, Resolver: new(clientip.Resolver)}
		}
		for _, peer := range []string{"198.51.100.7:80", "[::ffff:198.51.100.7]:80"} {
			r := request(peer, fields...)
			w.want("zero "+what, r, "198.51.100.7")
			if w.FromProxy(r) || w.Scheme(r) != "http" {
				t.Errorf("zero %s: from a proxy %v, scheme %s", what, w.FromProxy(r), w.Scheme(r))
			}
		}
		w.want("zero "+what, request("127.0.0.1:80", fields...), "127.0.0.1")
		w.want("zero "+what, request("[fe80::1%eth0]:80", fields...), "fe80::1")
	}
}

// I1: New keeps its own copy of what it was given.
func TestConfigIsCopied(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	rs, err := clientip.New(clientip.Config{TrustedProxies: proxies, Header: clientip.XForwardedFor})
	if err != nil {
		t.Fatal(err)
	}
	proxies[0] = netip.MustParsePrefix("192.0.2.0/24")
	if !rs.FromProxy(proxied()) || rs.FromProxy(request(stranger)) {
		t.Error("a change of the slice changes whom it trusts")
	}
}

// I3: a group is the /32 of IPv4, also of mapped IPv4, and the /64 of IPv6 or
// what Config says.
func TestGroups(t *testing.T) {
	for _, c := range []struct {
		bits        int
		addr, group string
	}{
		{0, "198.51.100.7", "198.51.100.7/32"},
		{48, "198.51.100.7", "198.51.100.7/32"},
		{0, "::ffff:198.51.100.7", "198.51.100.7/32"},
		{56, "::ffff:198.51.100.7", "198.51.100.7/32"},
		{0, "2001:db8:1:23ff:a:b:c:d", "2001:db8:1:23ff::/64"},
		{64, "2001:db8:1:23ff:a:b:c:d", "2001:db8:1:23ff::/64"},
		{56, "2001:db8:1:23ff:a:b:c:d", "2001:db8:1:2300::/56"},
		{48, "2001:db8:1:23ff:a:b:c:d", "2001:db8:1::/48"},
		{63, "2001:db8:1:23ff:a:b:c:d", "2001:db8:1:23fe::/63"},
	} {
		w := newWorld(t, clientip.Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Header: clientip.XForwardedFor, IPv6Bits: c.bits})
		for what, r := range map[string]*http.Request{
			"peer": request(netip.AddrPortFrom(netip.MustParseAddr(c.addr), 80).String()), "field": proxied("X-Forwarded-For", c.addr),
		} {
			got, _ := w.client(r)
			if got.Addr != netip.MustParseAddr(c.addr).Unmap() || got.Group != netip.MustParsePrefix(c.group) {
				t.Errorf("%s %s, %d bits: %+v", what, c.addr, c.bits, got)
			}
		}
	}
}

// I3: who has no address shares a group with all who have none, and with nobody
// else.
func TestNoAddressIsOneGroup(t *testing.T) {
	w := behind(t, clientip.XForwardedFor)
	for _, r := range []*http.Request{
		request(""), request("@"), request("/run/app.sock"), request("app.example:80"), request("10.0.0.1"), request("10.0.0.1:http"),
		proxied("X-Forwarded-For", "unknown"), proxied("X-Forwarded-For", "1.2.3"),
	} {
		if c, _ := w.client(r); c != (authn.Client{}) {
			t.Errorf("RemoteAddr %q, %v: %+v", r.RemoteAddr, r.Header, c)
		}
	}
}

// Routes without a handler cannot be built.
func TestNilHandlers(t *testing.T) {
	for what, build := range map[string]func(){
		"Middleware": func() { behind(t, clientip.Forwarded).Middleware(nil) },
		"HTTPSOnly":  func() { behind(t, clientip.Forwarded).HTTPSOnly(0)(nil) },
		"max-age":    func() { behind(t, clientip.Forwarded).HTTPSOnly(-1) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", what)
				}
			}()
			build()
		}()
	}
}
