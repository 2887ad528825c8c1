package clientip

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/audit"
)

// Header is the field that proxies write clients' addresses to. A name that is
// not one of the constants is a field with one address: "CF-Connecting-IP".
type Header string

const (
	// XForwardedFor is a list of addresses. The scheme comes from
	// X-Forwarded-Proto, as it does with a field of one address.
	XForwardedFor Header = "X-Forwarded-For"
	// Forwarded is of RFC 7239, with the scheme in it.
	Forwarded Header = "Forwarded"
)

// forwardedProto is beside every Header but Forwarded.
const forwardedProto = "X-Forwarded-Proto"

// Config of New. The zero Config believes no field. Trusted peers and Header
// need each other.
type Config struct {
	// TrustedProxies are the addresses of all proxies on the way here. Who has
	// one of them can say that a request is anybody's.
	TrustedProxies []netip.Prefix
	// TrustUnixSocket says that who connects to a Unix socket of this server is
	// a trusted proxy: whoever may open its file.
	TrustUnixSocket bool
	// Header is the field that the proxies write. Read "Which field" above:
	// naming one that they pass on lets clients forge their address.
	Header Header
	// IPv6Bits is how much of an IPv6 address one customer has: 48 to 64 bits are
	// an authn.Client's Group. Defaults to 64.
	IPv6Bits int
	// InsecureLoopback lets plain http pass HTTPSOnly for hosts named localhost
	// or a loopback address, for development. Never in production: the client
	// says which host it asks.
	InsecureLoopback bool
	// OnEvent gets a warning for each request without an address, and refusals of
	// HTTPSOnly.
	OnEvent authn.EventFunc
}

// Resolver finds the client of requests. The zero Resolver believes no field.
// It is safe for concurrent use.
type Resolver struct {
	proxies  []netip.Prefix
	unix     bool
	header   Header // in its canonical form
	bits     int    // of an IPv6 group; 0 is defaultBits
	loopback bool
	log      audit.Log
}

const (
	method      = "clientip" // of events
	defaultBits = 64
	leastBits   = 48
)

// New refuses a Config that contradicts itself, or that trusts everybody.
func New(cfg Config) (*Resolver, error) {
	rs := &Resolver{
		unix: cfg.TrustUnixSocket, header: Header(http.CanonicalHeaderKey(string(cfg.Header))), bits: cfg.IPv6Bits,
		loopback: cfg.InsecureLoopback, log: audit.Log{Method: method, OnEvent: cfg.OnEvent, Now: time.Now},
	}
	for _, p := range cfg.TrustedProxies {
		known, err := trusted(p)
		if err != nil {
			return nil, fmt.Errorf("authn/clientip: Config.TrustedProxies has %v: %w", p, err)
		}
		rs.proxies = append(rs.proxies, known)
	}
	if err := rs.check(); err != nil {
		return nil, fmt.Errorf("authn/clientip: %w", err)
	}
	return rs, nil
}

// trusted is p in the form that addresses are compared in: IPv4 is never mapped
// to IPv6.
func trusted(p netip.Prefix) (netip.Prefix, error) {
	addr, bits := p.Addr(), p.Bits()
	switch {
	case !p.IsValid():
		return p, errors.New("it is no prefix: see netip.ParsePrefix")
	case addr.Is4In6() && bits < 96:
		return p, errors.New("it is neither IPv4 nor IPv6")
	case addr.Is4In6():
		addr, bits = addr.Unmap(), bits-96
	}
	if bits == 0 {
		return p, errors.New("it trusts everybody: any client could say that it is another")
	}
	return addr.Prefix(bits)
}

func (rs *Resolver) check() error {
	trusts := rs.unix || len(rs.proxies) > 0
	switch {
	case trusts && rs.header == "":
		return errors.New("Config.Header is empty: which field do the trusted proxies write?")
	case !trusts && rs.header != "":
		return errors.New("Config.TrustedProxies is empty: whose Header is to be believed?")
	case !isToken(string(rs.header)) && rs.header != "":
		return fmt.Errorf("Config.Header %.64q is no name of a field", rs.header)
	case rs.header == forwardedProto || rs.header == "X-Forwarded-Host" || rs.header == "Host":
		return fmt.Errorf("Config.Header %s has no address", rs.header)
	case rs.bits != 0 && (rs.bits < leastBits || rs.bits > defaultBits):
		return fmt.Errorf("Config.IPv6Bits is %d, not %d to %d", rs.bits, leastBits, defaultBits)
	}
	return nil
}

// isToken reports whether s is a token of RFC 9110 §5.6.2.
func isToken(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// Middleware puts the authn.Client of each request into its context. That
// without an address has the zero Client, whose Group all such requests share,
// and is an event. r.RemoteAddr stays as it is.
func (rs *Resolver) Middleware(next http.Handler) http.Handler {
	mustHandler(next, "Middleware")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := rs.origin(r)
		ctx := authn.WithClient(r.Context(), rs.client(o.addr))
		if o.wrong != "" {
			rs.log.Send(ctx, authn.Event{Kind: authn.EventWarning, Reason: o.wrong})
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// client is the one at addr.
func (rs *Resolver) client(addr netip.Addr) authn.Client {
	c := authn.NewClient(addr)
	if c.Addr.Is6() && rs.bits != 0 {
		c.Group = netip.PrefixFrom(c.Addr, rs.bits).Masked()
	}
	return c
}

func mustHandler(h http.Handler, name string) {
	if h == nil {
		panic("authn/clientip: " + name + " of a nil http.Handler")
	}
}
