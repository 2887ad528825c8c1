package jwtauth

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	minLifetime     = time.Minute
	maxLifetime     = 24 * time.Hour
	defaultLifetime = 10 * time.Minute
)

// lifetime is how long an answer stays fresh (RFC 9111 §4.2): max-age less Age,
// within bounds. s-maxage is for shared caches, and must-revalidate is not
// obeyed: RemoteConfig.MaxStale decides that. Expires is not read.
func lifetime(h http.Header) time.Duration {
	maxAge, ok := cacheControl(h)
	if !ok {
		return defaultLifetime
	}
	age, _ := deltaSeconds(h.Get("Age"))
	return min(max(maxAge-age, minLifetime), maxLifetime)
}

// cacheControl is the first max-age, or 0 if one is malformed, or if the answer
// must not be kept; false if nothing is said.
func cacheControl(h http.Header) (maxAge time.Duration, ok bool) {
	for directive := range strings.SplitSeq(strings.Join(h.Values("Cache-Control"), ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "no-cache":
			return 0, true
		case "max-age":
			age, good := deltaSeconds(strings.Trim(value, `"`)) // §5.2: a recipient accepts both forms
			if !good {
				return 0, true
			}
			if !ok {
				maxAge, ok = age, true
			}
		}
	}
	return maxAge, ok
}

// deltaSeconds is of RFC 9111 §1.2.2: what is too large is very large.
func deltaSeconds(s string) (time.Duration, bool) {
	const most = 1 << 31
	n, err := strconv.ParseUint(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		n, err = most, nil
	}
	return time.Duration(min(n, most)) * time.Second, err == nil
}
