package clientip

import "strings"

// lastUnquotedComma is where the last element of a line of Forwarded begins, or -1.
// A line is read from its end, where the proxy wrote: a quote that a client left
// open further left changes nothing.
func lastUnquotedComma(line string) int {
	quoted := false
	for i := len(line) - 1; i >= 0; i-- {
		switch line[i] {
		case '"':
			if !isEscaped(line, i) {
				quoted = !quoted
			}
		case ',':
			if !quoted {
				return i
			}
		}
	}
	return -1
}

// isEscaped reports whether an odd number of backslashes stands before i.
func isEscaped(s string, i int) bool {
	n := 0
	for n < i && s[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// forwardedHop reads an element of Forwarded (RFC 7239 §4): pairs of a name and
// a token or a quoted string. It answers those named for and proto. Whitespace
// around semicolons, and colons and brackets without quotes, are forgiven.
func forwardedHop(element string) (node, proto, wrong string) {
	var has struct{ node, proto bool }
	for rest := element; rest != ""; {
		name, value, after, ok := pair(rest)
		if !ok {
			return "", "", unreadable
		}
		rest = after
		var twice bool
		switch {
		case strings.EqualFold(name, "for"):
			twice, has.node = has.node, true
			node = value
		case strings.EqualFold(name, "proto"):
			twice, has.proto = has.proto, true
			proto = value
		}
		if twice { // readers would not agree on who it is
			return "", "", unreadable
		}
	}
	if !has.node {
		return "", proto, hidden
	}
	return node, proto, ""
}

// pair takes the first pair off s; both are "" where there is none before the
// first semicolon.
func pair(s string) (name, value, rest string, ok bool) {
	s = trim(s)
	if s == "" || s[0] == ';' {
		return "", "", strings.TrimPrefix(s, ";"), true
	}
	name, s, ok = strings.Cut(s, "=")
	if !ok || !isToken(name) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		value, s, ok = quotedString(s[1:])
	} else {
		end := strings.IndexByte(s, ';')
		if end < 0 {
			end = len(s)
		}
		value, s = strings.TrimRight(s[:end], " \t"), s[end:]
		ok = isValue(value)
	}
	s = trim(s)
	if !ok || s != "" && s[0] != ';' {
		return "", "", "", false
	}
	return name, value, strings.TrimPrefix(s, ";"), true
}

// quotedString is the value of a quoted string (RFC 9110 §5.6.4) of which s is
// what follows the first quote.
func quotedString(s string) (value, rest string, ok bool) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '"':
			return unescape(s[:i]), s[i+1:], true
		case '\\':
			i++
		}
	}
	return "", "", false
}

func unescape(s string) string {
	if strings.IndexByte(s, '\\') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b = append(b, s[i])
	}
	return string(b)
}

// isValue is isToken, but for the characters of addresses that belong in quotes.
func isValue(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}
