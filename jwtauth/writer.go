package jwtauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
)

// claimWriter writes the claims of our own tokens: encoding/json would take
// longer than an HMAC does.
type claimWriter struct{ b []byte }

var claimWriters = sync.Pool{New: func() any { return new(claimWriter) }}

// free gives w to who is next, unless a host's claims made it large.
func (w *claimWriter) free() {
	if cap(w.b) <= 2*defaultMaxLength {
		claimWriters.Put(w)
	}
}

func (w *claimWriter) begin() { w.b = append(w.b[:0], '{') }

// name is a constant, without anything to escape.
func (w *claimWriter) name(name string) {
	if len(w.b) > 1 {
		w.b = append(w.b, ',')
	}
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *claimWriter) text(name, value string) {
	if value != "" {
		w.name(name)
		w.b = appendText(w.b, value)
	}
}

func (w *claimWriter) number(name string, value int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

// texts writes an array, nothing if there is none.
func (w *claimWriter) texts(name string, values []string) {
	if len(values) == 0 {
		return
	}
	w.name(name)
	for i, v := range values {
		w.b = appendText(append(w.b, separator(i)), v)
	}
	w.b = append(w.b, ']')
}

func separator(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

// scope writes scopes as RFC 6749 §3.3 does: they have nothing to escape.
func (w *claimWriter) scope(scopes []string) {
	if len(scopes) == 0 {
		return
	}
	w.name(claimScope)
	w.b = append(w.b, '"')
	for i, s := range scopes {
		if i > 0 {
			w.b = append(w.b, ' ')
		}
		w.b = append(w.b, s...)
	}
	w.b = append(w.b, '"')
}

// factors writes amr, and when they were proven.
func (w *claimWriter) factors(fs []authn.Factor) {
	if len(fs) == 0 {
		return
	}
	w.name(claimFactors)
	latest, differ := fs[0].At.Unix(), false
	for i, f := range fs {
		w.b = appendText(append(w.b, separator(i)), f.Name)
		differ = differ || f.At.Unix() != fs[0].At.Unix()
		latest = max(latest, f.At.Unix())
	}
	w.b = append(w.b, ']')
	w.number(claimAuthTime, dateIn(latest))
	if differ {
		w.name(claimAuthTimes)
		for i, f := range fs {
			w.b = strconv.AppendInt(append(w.b, separator(i)), dateIn(f.At.Unix()), 10)
		}
		w.b = append(w.b, ']')
	}
}

// dateIn is the NumericDate next to seconds that a reader takes.
func dateIn(seconds int64) int64 { return min(max(seconds, 0), maxDate) }

// reserved are the names that the host's claims must not have: those that this
// package writes or reads, and those of RFC 7519, 8693 and 9068 that say who
// may do what.
var reserved = func() map[string]bool {
	names := make(map[string]bool)
	for _, name := range [...]string{
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "cnf", "typ", "act", "may_act", "azp", "scp",
		claimScope, claimClient, claimRoles, claimFamily, claimVersion, claimFactors, claimAuthTime,
		claimAuthTimes, claimKind, claimIdentity,
	} {
		names[name] = true
	}
	return names
}()

// extra writes the host's claims, an object as encoding/json makes it.
func (w *claimWriter) extra(claims any) error {
	text, err := json.Marshal(claims)
	if err != nil {
		return fault("Claims: %w", err)
	}
	object := string(text)
	if object == "null" {
		return nil
	}
	err = members(object, func(name, _ string) error {
		for r := range reserved {
			if strings.EqualFold(name, r) {
				return fmt.Errorf("%q is a name of this package's", name)
			}
		}
		return nil
	})
	if err != nil {
		return fault("Claims: %w: it is one JSON object with names of the host's own", err)
	}
	if inner := object[1 : len(object)-1]; inner != "" {
		w.b = append(append(w.b, ','), inner...)
	}
	// The reader has bounds that ours and the host's must meet together.
	if err := members(string(w.b)+"}", nil); err != nil {
		return fault("Claims, with those of this package: %w", err)
	}
	return nil
}

// appendText writes a JSON string.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s) // of a string it does not fail
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// sign makes a token of the claims in w.
func (w *claimWriter) sign(key Key, typ string) (string, error) {
	w.b = append(w.b, '}')
	claims := len(w.b)
	// The rest of the buffer is the token: header, claims, signature.
	w.b = appendHeader(w.b, key, typ)
	w.b = append(w.b, '.')
	w.b = base64.RawURLEncoding.AppendEncode(w.b, w.b[:claims])
	signature, err := key.sign(w.b[claims:])
	if err != nil {
		return "", fmt.Errorf("authn/jwtauth: sign: %w", err)
	}
	w.b = append(w.b, '.')
	w.b = base64.RawURLEncoding.AppendEncode(w.b, signature)
	if n := len(w.b) - claims; n > defaultMaxLength {
		return "", fault("a token of %d bytes: verifiers take %d; the host's claims, scopes or roles are too many", n, defaultMaxLength)
	}
	return string(w.b[claims:]), nil
}

// appendHeader writes the first segment (RFC 7515 §4.1).
func appendHeader(b []byte, key Key, typ string) []byte {
	var stack [128]byte
	h := append(stack[:0], `{"alg":"`...)
	h = append(append(h, key.Algorithm()...), `","kid":`...)
	h = appendText(h, key.ID())
	h = append(append(append(h, `,"typ":"`...), typ...), `"}`...)
	return base64.RawURLEncoding.AppendEncode(b, h)
}
