package authn

import (
	"context"
	"net/http"
	"net/netip"
)

// Client is where a request comes from. Limits, events and sessions read it
// and nothing else. Behind a proxy, the host finds it and puts it into the
// context by [WithClient]: no header field is believed unasked.
type Client struct {
	// Addr is the address, without zone, IPv4-mapped IPv6 as IPv4. It is
	// invalid (the zero Addr) when there is none, as over a Unix socket.
	Addr netip.Addr
	// Group is what limits count by: the /32 of an IPv4 address, the /64 of an
	// IPv6 address, which one customer commonly holds whole. The zero Prefix is
	// the one group of all who have no Addr.
	Group netip.Prefix
}

// NewClient is the Client at addr, with its Group. That of an invalid Addr is
// the zero Client.
func NewClient(addr netip.Addr) Client {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return Client{}
	}
	bits := 32
	if addr.Is6() {
		bits = 64
	}
	group, err := addr.Prefix(bits)
	if err != nil { // cannot be: bits fit the address family
		return Client{}
	}
	return Client{Addr: addr, Group: group}
}

func clientOfPeer(remoteAddr string) Client {
	ap, err := netip.ParseAddrPort(remoteAddr)
	if err != nil {
		return Client{}
	}
	return NewClient(ap.Addr())
}

type clientKey struct{}

// ClientOf is the Client in r's context, where [WithClient] put it, else that of
// r.RemoteAddr. It reads no header field.
func ClientOf(r *http.Request) Client {
	if c, ok := r.Context().Value(clientKey{}).(Client); ok {
		return c
	}
	return clientOfPeer(r.RemoteAddr)
}

// WithClient is ctx with c in it.
func WithClient(ctx context.Context, c Client) context.Context {
	return context.WithValue(ctx, clientKey{}, c)
}

// ClientFromContext is the Client that [WithClient] put there, else that of
// the request which [Require] let through.
func ClientFromContext(ctx context.Context) (Client, bool) {
	if c, ok := ctx.Value(clientKey{}).(Client); ok {
		return c, true
	}
	if p, ok := ctx.Value(passKey{}).(*pass); ok && p.peer != "" {
		return clientOfPeer(p.peer), true
	}
	return Client{}, false
}
