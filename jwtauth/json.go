package jwtauth

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The reader of headers and claims. It is stricter than encoding/json, so that
// two readers of one token cannot understand it differently, and makes no
// garbage. What it accepts encoding/json accepts with the same meaning; beyond
// that it refuses, at every depth: a name twice or in two cases, a lone
// surrogate, and more than maxDepth levels or maxMembers members.
const (
	maxDepth   = 16
	maxMembers = 128
)

var (
	errJSON      = errors.New("not one strict JSON object")
	errDuplicate = errors.New("a name is there twice, or in two cases")
	errCase      = errors.New("in another case")
	errJSONSize  = errors.New("too many members or levels")
)

// members calls f for each member of the object that is all of s, with its
// name and the text of its value, which has been checked. s is valid UTF-8.
func members(s string, f func(name, value string) error) error {
	if !utf8.ValidString(s) {
		return errJSON
	}
	i, err := object(s, space(s, 0), 1, f)
	if err == nil && space(s, i) != len(s) {
		err = errJSON
	}
	return err
}

// object reads the one at s[i] and answers where it ends.
func object(s string, i, depth int, f func(name, value string) error) (int, error) {
	if i >= len(s) || s[i] != '{' {
		return 0, errJSON
	}
	if depth > maxDepth {
		return 0, errJSONSize
	}
	var stack [16]uint64 // most objects have fewer members
	names := stack[:0]
	for i = space(s, i+1); ; i = space(s, i+1) {
		if len(names) == 0 && i < len(s) && s[i] == '}' {
			return i + 1, nil
		}
		name, end, err := text(s, i)
		if err != nil {
			return 0, err
		}
		folded := foldOf(name)
		if slices.Contains(names, folded) {
			return 0, errDuplicate
		}
		if len(names) == maxMembers {
			return 0, errJSONSize
		}
		names = append(names, folded)
		if i = space(s, end); i >= len(s) || s[i] != ':' {
			return 0, errJSON
		}
		i = space(s, i+1)
		end, err = value(s, i, depth)
		if err != nil {
			return 0, err
		}
		if f != nil {
			if err := f(name, s[i:end]); err != nil {
				return 0, err
			}
		}
		if i = space(s, end); i >= len(s) {
			return 0, errJSON
		}
		switch s[i] {
		case ',':
		case '}':
			return i + 1, nil
		default:
			return 0, errJSON
		}
	}
}

// array is as object; s[i] is its bracket.
func array(s string, i, depth int, f func(value string) error) (int, error) {
	if depth > maxDepth {
		return 0, errJSONSize
	}
	first := true
	for i = space(s, i+1); ; i = space(s, i+1) {
		if first && i < len(s) && s[i] == ']' {
			return i + 1, nil
		}
		first = false
		end, err := value(s, i, depth)
		if err != nil {
			return 0, err
		}
		if f != nil {
			if err := f(s[i:end]); err != nil {
				return 0, err
			}
		}
		if i = space(s, end); i >= len(s) {
			return 0, errJSON
		}
		switch s[i] {
		case ',':
		case ']':
			return i + 1, nil
		default:
			return 0, errJSON
		}
	}
}

// value reads the one at s[i] and answers where it ends.
func value(s string, i, depth int) (int, error) {
	if i >= len(s) {
		return 0, errJSON
	}
	switch c := s[i]; {
	case c == '"':
		_, end, err := text(s, i)
		return end, err
	case c == '{':
		return object(s, i, depth+1, nil)
	case c == '[':
		return array(s, i, depth+1, nil)
	case c == '-' || '0' <= c && c <= '9':
		return number(s, i)
	}
	for _, word := range [...]string{"true", "false", "null"} {
		if strings.HasPrefix(s[i:], word) {
			return i + len(word), nil
		}
	}
	return 0, errJSON
}

// text reads the string at s[i], and answers what it says and where it ends.
func text(s string, i int) (says string, end int, err error) {
	if i >= len(s) || s[i] != '"' {
		return "", 0, errJSON
	}
	escaped := false
	start := i + 1
	for i = start; i < len(s); i++ {
		if !special[s[i]] {
			continue
		}
		switch s[i] {
		case '"':
			if says = s[start:i]; escaped {
				says, err = unescape(says)
			}
			return says, i + 1, err
		case '\\':
			escaped = true
			i++
		default:
			return "", 0, errJSON
		}
	}
	return "", 0, errJSON
}

// special are the bytes that stand in no string as they are (RFC 8259 §7).
var special = func() (is [256]bool) {
	for c := range is {
		is[c] = c < ' ' || c == '"' || c == '\\'
	}
	return is
}()

// number is of RFC 8259 §6.
func number(s string, i int) (int, error) {
	digits := func() bool {
		start := i
		for i < len(s) && '0' <= s[i] && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if !digits() {
		return 0, errJSON
	}
	if i < len(s) && s[i] == '.' {
		i++
		if !digits() {
			return 0, errJSON
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return 0, errJSON
		}
	}
	return i, nil
}

// space is where the next token begins.
func space(s string, i int) int {
	for i < len(s) && (s[i] == ' ' || s[i] == '\t' || s[i] == '\n' || s[i] == '\r') {
		i++
	}
	return i
}

// foldOf is the same for names that encoding/json would take for one field, so
// that names are compared in no more time than they are read in: FNV-1a of the
// name in upper case. Who finds two names with one hash has a token refused.
func foldOf(name string) uint64 {
	h := fnvOffset
	for i := range len(name) {
		c := name[i]
		if c >= utf8.RuneSelf {
			return foldRunes(name)
		}
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		h = (h ^ uint64(c)) * fnvPrime
	}
	return h
}

const (
	fnvOffset uint64 = 14695981039346656037
	fnvPrime  uint64 = 1099511628211
)

// foldRunes is foldOf where not all is ASCII.
func foldRunes(name string) uint64 {
	h := fnvOffset
	var b [utf8.UTFMax]byte
	for _, r := range name {
		for _, c := range b[:utf8.EncodeRune(b[:], foldRune(r))] {
			h = (h ^ uint64(c)) * fnvPrime
		}
	}
	return h
}

// foldRune is the smallest rune that is r in another case: of K (U+212A) it is K.
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}

// misspelt reports whether name is one of names in another case, which other
// readers may take for it.
func misspelt(name string, names []string) bool {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf {
			return slices.ContainsFunc(names, func(known string) bool { return strings.EqualFold(name, known) })
		}
	}
	return false
}

// unquote is what the JSON string q, quotes included, says. Without escapes it
// is a part of q.
func unquote(q string) (string, error) {
	if len(q) < 2 || q[0] != '"' || q[len(q)-1] != '"' {
		return "", errJSON
	}
	return unescape(q[1 : len(q)-1])
}

// unescape is what q says, which stood between quotes. Without escapes it is q.
func unescape(q string) (string, error) {
	if strings.IndexByte(q, '\\') < 0 {
		return q, nil
	}
	b := make([]byte, 0, len(q))
	for i := 0; i < len(q); i++ {
		if q[i] != '\\' {
			b = append(b, q[i])
			continue
		}
		if i++; i == len(q) {
			return "", errJSON
		}
		if plain := strings.IndexByte(escapes, q[i]); plain >= 0 {
			b = append(b, escaped[plain])
			continue
		}
		if q[i] != 'u' {
			return "", errJSON
		}
		r, err := hex4(q[i+1:])
		if err != nil {
			return "", err
		}
		i += 4
		if utf8.ValidRune(r) {
			b = utf8.AppendRune(b, r)
			continue
		}
		// A surrogate counts only as a pair, high and low.
		if r >= 0xDC00 || !strings.HasPrefix(q[i+1:], `\u`) {
			return "", errJSON
		}
		low, err := hex4(q[i+3:])
		if err != nil || low < 0xDC00 || low > 0xDFFF {
			return "", errJSON
		}
		i += 6
		b = utf8.AppendRune(b, 0x10000+(r-0xD800)<<10+(low-0xDC00))
	}
	return string(b), nil
}

// What may follow a backslash, and what that means (RFC 8259 §7).
const (
	escapes = `"\/bfnrt`
	escaped = "\"\\/\b\f\n\r\t"
)

// hex4 is the first four digits of s.
func hex4(s string) (rune, error) {
	if len(s) < 4 {
		return 0, errJSON
	}
	var r rune
	for _, c := range []byte(s[:4]) {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errJSON
		}
		r = r<<4 | rune(c)
	}
	return r, nil
}

var (
	errNotString  = errors.New("not a string")
	errNotStrings = errors.New("not a string or an array of strings")
	errNotDate    = errors.New("not a NumericDate of 0 to 253402300799")
)

// textOf is value as a string.
func textOf(value string) (string, error) {
	if value[0] != '"' {
		return "", errNotString
	}
	return unquote(value)
}

// textsOf is value as an array of strings; a string is one.
func textsOf(value string) (list []string, err error) {
	if value[0] == '"' {
		s, err := unquote(value)
		return []string{s}, err
	}
	if value[0] != '[' {
		return nil, errNotStrings
	}
	list = make([]string, 0, strings.Count(value, ",")+1)
	_, err = array(value, 0, 1, func(value string) error {
		if value[0] != '"' {
			return errNotStrings
		}
		s, err := unquote(value)
		list = append(list, s)
		return err
	})
	return list, err
}

// maxDate is the last second of the year 9999.
const maxDate = 253402300799

// dateOf is value as a NumericDate (RFC 7519 §2): seconds, whole ones below
// it, and whether there was a fraction.
func dateOf(value string) (seconds int64, fraction bool, err error) {
	if n, ok := digits(value); ok {
		if n > maxDate {
			return 0, false, errNotDate
		}
		return n, false, nil
	}
	f, err := strconv.ParseFloat(value, 64)
	if value[0] == '-' || value[0] == '"' || err != nil || !(f >= 0 && f <= maxDate) {
		return 0, false, errNotDate
	}
	seconds = int64(f)
	return seconds, float64(seconds) != f, nil
}

// digits is s as a number, if it is nothing but up to 18 digits: strconv takes
// four times as long.
func digits(s string) (n int64, ok bool) {
	if s == "" || len(s) > 18 {
		return 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	return n, true
}
