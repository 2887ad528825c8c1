package authn

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Secret is a raw key, token or password on its way to the one place that may
// see it. It prints as "[redacted]" under every fmt verb, in slog, in JSON and
// as text. Inside an unexported field, where fmt does not call methods, it
// prints as an address.
//
// Secrets do not compare by ==.
type Secret struct {
	// A closure is opaque to reflection, and so to every printer of structs.
	reveal func() string
}

// NewSecret is a Secret of s. That of "" is the zero Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{func() string { return s }}
}

// Reveal is the raw value, for the one answer that shows it.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether there is no value.
func (s Secret) IsZero() bool { return s.reveal == nil }

// Format is a [fmt.Formatter] for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// String is "[redacted]".
func (s Secret) String() string { return redacted }

// LogValue is a [slog.LogValuer].
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText writes "[redacted]", as JSON, XML and YAML do through it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
