package mtls

import (
	"crypto/x509"
	"strings"
)

const (
	spiffeScheme   = "spiffe://"
	maxSPIFFE      = 2048 // bytes, SPIFFE-ID §2.3
	maxTrustDomain = 255
)

// spiffeID is the one of an X.509-SVID (§2, §5.2): its only URI, in this trust
// domain, with a path.
func spiffeID(leaf *x509.Certificate, domain string) (id, wrong string) {
	switch len(leaf.URIs) {
	case 0:
		return "", "no SPIFFE id"
	case 1:
	default:
		return "", "several URIs"
	}
	id = leaf.URIs[0].String()
	rest, ok := strings.CutPrefix(id, spiffeScheme)
	if !ok || len(id) > maxSPIFFE {
		return "", "no SPIFFE id"
	}
	theirs, path, ok := strings.Cut(rest, "/")
	if !ok || !isTrustDomain(theirs) || !isSPIFFEPath(path) {
		return "", "no SPIFFE id"
	}
	if theirs != domain {
		return "", "another trust domain"
	}
	return id, ""
}

// isTrustDomain is of SPIFFE-ID §2.1: no port, no upper case.
func isTrustDomain(s string) bool {
	return s != "" && len(s) <= maxTrustDomain && isOf(s, letters+digits+".-_")
}

// isSPIFFEPath is of SPIFFE-ID §2.2, without the first slash: no empty segment,
// no dots that a reader might resolve, nothing escaped.
func isSPIFFEPath(s string) bool {
	for segment := range strings.SplitSeq(s, "/") {
		if segment == "" || segment == "." || segment == ".." || !isOf(segment, letters+upper+digits+".-_") {
			return false
		}
	}
	return true
}

const (
	letters = "abcdefghijklmnopqrstuvwxyz"
	upper   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
)

// isOf reports whether all of s is in set.
func isOf(s, set string) bool { return strings.Trim(s, set) == "" }
