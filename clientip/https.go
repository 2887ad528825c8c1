package clientip

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/loopback"
)

// Scheme is "https" or "http": how the client sent r. A trusted proxy says it, in
// the element of Forwarded that names the client, or in X-Forwarded-Proto; where
// it forwards a request without saying it, that is "http". Of any other peer it
// is that of the connection.
func (rs *Resolver) Scheme(r *http.Request) string {
	o := rs.origin(r)
	secure := r.TLS != nil
	if o.proxied {
		proto, said := o.proto, o.hops > 0
		if rs.header != Forwarded {
			if p := fromRight(r.Header[forwardedProto], o.hops); p != "" {
				proto, said = p, true
			}
		}
		if said {
			secure = isSecure(proto)
		}
	}
	if secure {
		return "https"
	}
	return "http"
}

// fromRight is element n of a list, counted from the right and from 1. Proxies
// that append to X-Forwarded-For and to this write the two of a hop at the same
// place; of those that overwrite there is but one.
func fromRight(lines []string, n int) (element string) {
	field := list{lines: lines, cut: lastComma}
	for range max(n, 1) {
		next, _ := field.last()
		if next == "" {
			break
		}
		element = next
	}
	return element
}

// isSecure also knows what some proxies say of a WebSocket.
func isSecure(proto string) bool {
	return strings.EqualFold(proto, "https") || strings.EqualFold(proto, "wss")
}

// HTTPSOnly lets https pass, by [Resolver.Scheme], with a
// Strict-Transport-Security of maxAge (RFC 6797). A GET or HEAD over plain http is
// redirected to the same URL at port 443; any other request is refused by 403,
// since what was in it has been sent in the clear already. A proxy that speaks
// https with clients must say so, or its GETs are redirected for ever, and must
// pass their Host on.
//
// maxAge is how long browsers keep to https by themselves, in whole seconds: begin
// with an hour, and go on to a year. 0 makes them forget it. Below 0 panics.
func (rs *Resolver) HTTPSOnly(maxAge time.Duration) func(http.Handler) http.Handler {
	if maxAge < 0 {
		panic("authn/clientip: HTTPSOnly with a maxAge below 0")
	}
	hsts := "max-age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)
	return func(next http.Handler) http.Handler {
		mustHandler(next, "HTTPSOnly")
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case rs.Scheme(r) == "https":
				w.Header().Set("Strict-Transport-Security", hsts)
			case rs.loopback && loopback.Host(r.Host):
			case r.Method == http.MethodGet || r.Method == http.MethodHead:
				rs.redirect(w, r)
				return
			default:
				rs.refuse(w, r, authn.Forbidden("plain http", nil))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// redirect sends r to https.
func (rs *Resolver) redirect(w http.ResponseWriter, r *http.Request) {
	host := hostname(r.Host)
	if host == "" {
		rs.refuse(w, r, authn.Malformed("no name of a host", nil))
		return
	}
	target := "https://" + host + "/" + strings.TrimPrefix(r.URL.EscapedPath(), "/")
	if r.URL.RawQuery != "" {
		target += "?" + r.URL.RawQuery
	}
	// A proxy that is set up wrongly leaves no loop behind in browsers.
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, target, http.StatusPermanentRedirect) //nolint:gosec // G710: to the host that was asked, as a browser knows it
}

func (rs *Resolver) refuse(w http.ResponseWriter, r *http.Request, e *authn.Error) {
	authn.WriteError(w, r, rs.log.Refusal(r, e))
}

// hostname is host without its port, "" if it is none: it must not end the host
// of a URL, nor begin another part.
func hostname(host string) string {
	if i := strings.LastIndexByte(host, ':'); i > strings.LastIndexByte(host, ']') {
		host = host[:i]
	}
	name := host
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name = strings.ReplaceAll(host[1:len(host)-1], ":", "")
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return ""
		}
	}
	if name == "" {
		return ""
	}
	return host
}
