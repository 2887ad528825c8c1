// Package cookies finds one cookie of a request without making garbage.
package cookies

import (
	"net/http"
	"strings"
)

// Find is the value of the cookie name, and how many of that name there are
// (RFC 6265 §4.2.1). Values are answered as they were sent, quotes included.
func Find(h http.Header, name string) (value string, n int) {
	for _, line := range h["Cookie"] {
		for line != "" {
			var part string
			part, line, _ = strings.Cut(line, ";")
			key, v, ok := strings.Cut(strings.Trim(part, " \t"), "=")
			if ok && key == name {
				value = v
				n++
			}
		}
	}
	return value, n
}

// All are the values of all cookies of that name.
func All(h http.Header, name string) (values []string) {
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			if key, v, ok := strings.Cut(strings.Trim(part, " \t"), "="); ok && key == name {
				values = append(values, v)
			}
		}
	}
	return values
}

// Set writes c in place of what this response has set by that name before.
func Set(w http.ResponseWriter, c *http.Cookie) {
	h := w.Header()
	const field = "Set-Cookie"
	lines := h[field]
	kept := lines[:0:0]
	for _, line := range lines {
		if !strings.HasPrefix(line, c.Name+"=") {
			kept = append(kept, line)
		}
	}
	h[field] = append(kept, c.String())
}

// Answered is the value that this response sets by name, "" if it takes that
// cookie away.
func Answered(w http.ResponseWriter, name string) (value string, ok bool) {
	for _, line := range w.Header()["Set-Cookie"] {
		if rest, found := strings.CutPrefix(line, name+"="); found {
			value, _, _ = strings.Cut(rest, ";")
			return value, true
		}
	}
	return "", false
}

// Replace makes value the only cookie of that name.
func Replace(h http.Header, name, value string) {
	var parts []string
	for _, line := range h["Cookie"] {
		for part := range strings.SplitSeq(line, ";") {
			part = strings.Trim(part, " \t")
			if key, _, _ := strings.Cut(part, "="); part != "" && key != name {
				parts = append(parts, part)
			}
		}
	}
	h["Cookie"] = []string{strings.Join(append(parts, name+"="+value), "; ")}
}
