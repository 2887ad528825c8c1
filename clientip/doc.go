// Package clientip finds who is calling behind trusted proxies. Mount
// [Resolver.Middleware] outermost: limits, events and sessions read the
// authn.Client that it puts into the context, and nothing else.
//
//	clients, err := clientip.New(clientip.Config{
//		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
//		Header:         clientip.XForwardedFor,
//	})
//	err = http.ListenAndServe(addr, clients.Middleware(mux))
//
// Without a proxy this package is not needed: authn.ClientOf is the peer.
//
// # Which field
//
// Anybody can send any header field. One is believed only if the peer, who
// opened the connection, is a trusted proxy, and only the one that Config names:
//
//   - [XForwardedFor], to which each proxy appends the address that it was called
//     from. It is read from the right, over trusted proxies to the first address
//     that is not trusted: that is the client. What stands further left a client
//     may have made up, and is not looked at.
//   - [Forwarded], the same by RFC 7239.
//   - Any other name, such as "CF-Connecting-IP" or "X-Real-IP": a field with one
//     address. The proxy must overwrite it in every request. Some that look alike
//     are passed on as the client sent them, True-Client-IP and Fastly-Client-IP
//     among them, unless the proxy is told otherwise.
//
// Name the field that the nearest proxies write. If they write another one and
// pass this one on, its text is the client's.
//
// # No address
//
// What cannot be read, and a hop that hides its address, ends the search: nobody
// knows who stands left of it. Such requests are one group together, and each is
// an event. They are limited, and nobody else is for them.
//
// # Compatibility
//
// What the fields may look like is that of RFC 7239 and of the proxies that are
// in use; more may be read in the future, and nothing else will be believed.
package clientip
