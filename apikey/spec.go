package apikey

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
)

// Spec is what a new key is to be. What does not fit is 400 invalid_request.
type Spec struct {
	// Name is for the owner's eyes: up to 255 bytes.
	Name string
	// Scopes are within Config.Scopes. nil: none.
	Scopes []string
	// ExpiresAt ends the key, if Config.MaxAge does not end it before; at most
	// 100 years ahead. Zero: only that does.
	ExpiresAt time.Time
	// Metadata is the host's: up to 32 values of up to 1024 bytes, under names
	// of 1 to 64 bytes.
	Metadata map[string]string
}

const (
	maxText     = 255 // of names and owners
	maxScope    = 128
	maxScopes   = 64
	maxMetadata = 32
	maxMetaKey  = 64
	maxMetaText = 1024
	maxLife     = 100 * 365 * 24 * time.Hour
)

// check refuses what no store should have to keep.
func (s Spec) check(now time.Time) error {
	switch {
	case !isText(s.Name, maxText):
		return invalid("Spec.Name is up to %d bytes of UTF-8 without control characters", maxText)
	case len(s.Scopes) > maxScopes || slices.ContainsFunc(s.Scopes, func(scope string) bool { return !isScope(scope) }):
		return invalid("Spec.Scopes are up to %d scope-tokens (RFC 6749 §3.3) of up to %d characters", maxScopes, maxScope)
	case !s.ExpiresAt.IsZero() && !s.ExpiresAt.After(now):
		return invalid("Spec.ExpiresAt has passed")
	case s.ExpiresAt.Sub(now) > maxLife:
		return invalid("Spec.ExpiresAt is over 100 years ahead")
	case len(s.Metadata) > maxMetadata:
		return invalid("Spec.Metadata has over %d values", maxMetadata)
	}
	for name, value := range s.Metadata {
		if name == "" || !isText(name, maxMetaKey) || len(value) > maxMetaText || !utf8.ValidString(value) || strings.Contains(value, "\x00") {
			return invalid("Spec.Metadata has a name or value that is too long, empty or not UTF-8")
		}
	}
	return nil
}

func checkOwner(owner string) error {
	if owner == "" || !isText(owner, maxText) {
		return invalid("an owner is 1 to %d bytes of UTF-8 without control characters", maxText)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return authn.Malformed("", fmt.Errorf("authn/apikey: "+format, args...))
}

// isText reports whether s may be stored and shown: without control
// characters, line separators and what turns the direction of text.
func isText(s string, most int) bool {
	return len(s) <= most && utf8.ValidString(s) && !strings.ContainsFunc(s, func(c rune) bool {
		return unicode.IsControl(c) || unicode.In(c, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
	})
}

// isScope reports whether s is a scope-token (RFC 6749 §3.3).
func isScope(s string) bool {
	return s != "" && len(s) <= maxScope && !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
}

// within reports whether allowed has all of scopes.
func within(scopes, allowed []string) bool {
	for _, s := range scopes {
		if !slices.Contains(allowed, s) {
			return false
		}
	}
	return true
}

// normalise is a copy with each scope once, in order, and times that every
// store keeps.
func (s Spec) normalise() Spec {
	s.Scopes = slices.Compact(slices.Sorted(slices.Values(s.Scopes)))
	s.Metadata = maps.Clone(s.Metadata)
	s.ExpiresAt = s.ExpiresAt.UTC().Truncate(time.Microsecond)
	return s
}

var errNoLegacy = errors.New("authn/apikey: Adopt needs a Config.Legacy that lets such keys in")
