// Package crossorigin is the defence of cookies against requests that another
// site makes a browser send.
package crossorigin

import (
	"net/http"
	"strings"

	"github.com/gatehouse-go/authn"
)

// Check refuses a request that another site made a browser send and that may
// change something, by 403: an unsafe method that p refuses, or the upgrade to
// a WebSocket, which is a GET and reads and writes all the same. nil is a p
// without trusted origins. It is for requests whose cookie counts.
func Check(p *http.CrossOriginProtection, r *http.Request) *authn.Error {
	if p == nil {
		p = &zero
	}
	if upgrades(r) {
		post := *r
		post.Method = http.MethodPost
		r = &post
	}
	if err := p.Check(r); err != nil {
		return authn.Forbidden("cross-origin", err)
	}
	return nil
}

var zero http.CrossOriginProtection

// upgrades reports whether r asks for a WebSocket (RFC 6455 §4.1).
func upgrades(r *http.Request) bool {
	for _, field := range r.Header["Upgrade"] {
		for protocol := range strings.SplitSeq(field, ",") {
			if strings.EqualFold(strings.TrimSpace(protocol), "websocket") {
				return true
			}
		}
	}
	// HTTP/2 says it by CONNECT (RFC 8441), which is no safe method.
	return false
}
