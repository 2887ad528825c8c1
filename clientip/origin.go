package clientip

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Why a request has no address: reasons of events.
const (
	noPeer     = "no peer address"
	hidden     = "hidden address"
	unreadable = "unreadable address"
	tooMany    = "too many hops"
)

// maxHops bounds how much of a field is read. Empty elements count.
const maxHops = 100

// origin is where a request began, as far as trusted proxies say.
type origin struct {
	addr  netip.Addr // invalid if there is none
	wrong string     // why there is none
	// proxied says that the peer is trusted.
	proxied bool
	// hops is how many of the field were read, the last of which named addr, or
	// ended the search. proto is of that one.
	hops  int
	proto string
}

// FromProxy says whether the peer, who opened r's connection, is a trusted proxy.
func (rs *Resolver) FromProxy(r *http.Request) bool {
	_, proxied := rs.peer(r)
	return proxied
}

// peer is who opened r's connection. Over a Unix socket it has no address,
// whatever it calls itself: it may have bound its end to a file "10.0.0.1:80".
func (rs *Resolver) peer(r *http.Request) (addr netip.Addr, proxied bool) {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && strings.HasPrefix(local.Network(), "unix") {
		return netip.Addr{}, rs.unix
	}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}, false
	}
	addr = plain(ap.Addr())
	return addr, rs.trusts(addr)
}

// plain is a in the one form that is compared and kept.
func plain(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }

func (rs *Resolver) trusts(a netip.Addr) bool {
	for _, p := range rs.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// origin goes from the peer towards the client.
func (rs *Resolver) origin(r *http.Request) (o origin) {
	o.addr, o.proxied = rs.peer(r)
	if o.proxied {
		rs.follow(r.Header[string(rs.header)], &o)
	}
	if o.wrong == "" && !o.addr.IsValid() {
		o.wrong = noPeer
	}
	return o
}

// follow moves o along the field of a trusted peer: over hops that are trusted,
// to the first that is not, or else to the last.
func (rs *Resolver) follow(lines []string, o *origin) {
	field := list{lines: lines, cut: lastComma}
	switch rs.header {
	case XForwardedFor:
	case Forwarded:
		field.cut = lastUnquotedComma
	default:
		rs.single(lines, o)
		return
	}
	for {
		element, wrong := field.last()
		if element == "" && wrong == "" {
			return // all are trusted
		}
		o.hops++
		o.proto = "" // of a hop that is not read
		if wrong == "" {
			o.addr, o.proto, wrong = rs.hop(element)
		}
		if wrong != "" {
			o.addr, o.wrong = netip.Addr{}, wrong
			return
		}
		if !rs.trusts(o.addr) {
			return
		}
	}
}

// hop reads one element.
func (rs *Resolver) hop(element string) (addr netip.Addr, proto, wrong string) {
	node := unquote(element)
	if rs.header == Forwarded {
		node, proto, wrong = forwardedHop(element)
	}
	if wrong == "" {
		addr, wrong = nodeAddr(node)
	}
	return addr, proto, wrong
}

// single is follow of a field with one address. Two may come from two writers,
// and nobody knows which one is the proxy's.
func (rs *Resolver) single(lines []string, o *origin) {
	if len(lines) == 0 {
		return // the proxy's own request
	}
	o.hops = 1
	o.addr, o.wrong = netip.Addr{}, unreadable
	if len(lines) == 1 && !strings.Contains(lines[0], ",") { // which a zone may have
		o.addr, o.wrong = nodeAddr(unquote(trim(lines[0])))
	}
}

// list is a field of elements with commas between them (RFC 9110 §5.6.1), read
// from its end.
type list struct {
	lines []string // those that are not read to their beginning
	cut   func(line string) (comma int)
	rest  string // what is left of the line after them
	begun bool   // rest is of a line
	seen  int
}

// last takes the last element that is not empty. "" is the beginning of the list,
// unless something is wrong with it.
func (l *list) last() (element, wrong string) {
	for element == "" {
		if !l.begun {
			if len(l.lines) == 0 {
				return "", ""
			}
			end := len(l.lines) - 1
			l.lines, l.rest, l.begun = l.lines[:end], l.lines[end], true
		}
		if l.seen++; l.seen > maxHops {
			return "", tooMany
		}
		comma := l.cut(l.rest)
		element = trim(l.rest[comma+1:])
		l.begun = comma >= 0
		l.rest = l.rest[:max(comma, 0)]
	}
	return element, ""
}

func lastComma(line string) int { return strings.LastIndexByte(line, ',') }

// trim takes optional whitespace away (RFC 9110 §5.6.3).
func trim(s string) string { return strings.Trim(s, " \t") }

// unquote takes the quotes away that some proxies put around an address, as in
// Forwarded.
func unquote(s string) string {
	if len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"' {
		return s[1 : len(s)-1]
	}
	return s
}

// nodeAddr reads how RFC 7239 §6 and proxies write an address: with or without a
// port, and IPv6 also without brackets.
func nodeAddr(s string) (addr netip.Addr, wrong string) {
	host, port := s, ""
	bracket := strings.HasPrefix(s, "[")
	switch i := strings.LastIndexByte(s, ':'); {
	case bracket:
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return netip.Addr{}, unreadable
		}
		host, port = s[1:end], s[end+1:]
	case i >= 0 && strings.IndexByte(s, ':') == i:
		host, port = s[:i], s[i:]
	}
	if port != "" && !isPort(port) {
		return netip.Addr{}, unreadable
	}
	if !bracket && isHidden(host) {
		return netip.Addr{}, hidden
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || bracket && !addr.Is6() {
		return netip.Addr{}, unreadable
	}
	return plain(addr), ""
}

// isPort reports whether s is a colon and a port, which may be obfuscated.
func isPort(s string) bool {
	s, ok := strings.CutPrefix(s, ":")
	if !ok || isObfuscated(s) {
		return ok
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 5
}

// isHidden reports whether s is "unknown" or obfuscated.
func isHidden(s string) bool { return strings.EqualFold(s, "unknown") || isObfuscated(s) }

// isObfuscated reports whether s is an obfnode or obfport of RFC 7239 §6.3.
func isObfuscated(s string) bool {
	if len(s) < 2 || s[0] != '_' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
