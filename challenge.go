package authn

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Challenge is one WWW-Authenticate of a 401 (RFC 9110 §11.6.1), without the
// realm, which the [Guard] adds, and without what the [Error] says.
type Challenge struct {
	// Scheme is "Bearer", "ApiKey", "Cookie", "Basic" or a host's own token.
	Scheme string
	// Params are further auth-params; their values may be any text.
	Params map[string]string
}

// defaultRealm is the realm where no Guard names one.
const defaultRealm = "api"

// bearer is the challenge of a Verifier that describes none.
var bearer = []Challenge{{Scheme: "Bearer"}}

// ours are the auth-params that come from the Guard and the Error; each may
// stand only once (RFC 9110 §11.2).
var ours = []string{"realm", "error", "error_description", "scope", "factor", "max_age"}

// challenges are the field values, one a challenge: an absent credential gets
// bare ones (RFC 6750 §3), anything else also hears what to do better.
func (e *Error) challenges() []string {
	cs := e.Challenges
	realm := e.realm
	if realm == "" {
		realm = defaultRealm
	}
	if !slices.ContainsFunc(cs, func(c Challenge) bool { return isToken(c.Scheme) }) {
		cs = bearer // a 401 has a challenge
	}
	fields := make([]string, 0, len(cs))
	for _, c := range cs {
		if !isToken(c.Scheme) {
			continue
		}
		var b strings.Builder
		b.WriteString(c.Scheme)
		b.WriteString(" realm=")
		quote(&b, realm)
		param := func(name, value string) {
			if value == "" || !isToken(name) {
				return
			}
			b.WriteString(", ")
			b.WriteString(name)
			b.WriteByte('=')
			quote(&b, value)
		}
		for _, name := range slices.Sorted(maps.Keys(c.Params)) {
			if !slices.Contains(ours, strings.ToLower(name)) {
				param(name, c.Params[name])
			}
		}
		if e.Code != "" {
			param("error", e.Code)
			param("error_description", details[e.Code])
		}
		param("scope", strings.Join(e.Scopes, " "))
		param("factor", e.Factor)
		if e.MaxAge > 0 {
			param("max_age", strconv.FormatInt(wholeSeconds(e.MaxAge), 10))
		}
		fields = append(fields, b.String())
	}
	return fields
}

// quote writes a quoted-string (RFC 9110 §5.6.4). What may not stand in one
// becomes a question mark, so that no value can end a field or begin another.
func quote(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20 || c > 0x7e:
			b.WriteByte('?')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// isToken reports whether s is a token (RFC 9110 §5.6.2).
func isToken(s string) bool {
	for _, c := range []byte(s) {
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}
