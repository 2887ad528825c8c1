// Package loopback knows the names of this very machine.
package loopback

import (
	"net"
	"strings"
)

// Host reports whether the host of a URL, with or without a port, is localhost,
// a name below it (RFC 6761 §6.3), or a loopback address.
func Host(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}
