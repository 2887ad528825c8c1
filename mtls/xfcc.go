package mtls

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"net/url"
	"strings"
)

// xfcc reads Envoy's field: pairs of one element, divided by semicolons. Two
// elements are of two writers, the first of whom may be the client. Cert, Chain
// and Hash stand there once and must agree: names that a client chose stand in
// other pairs, and must not be taken for these. Without a certificate Cert is
// empty, or there is no element at all.
func xfcc(line string) (s shown, ok bool) {
	var cert, chain, hash xfccValue
	for rest := line; rest != ""; {
		name, value, after, ok := xfccPair(rest)
		if !ok {
			return s, false
		}
		rest = after
		switch {
		case strings.EqualFold(name, "Cert"):
			ok = cert.set(value)
		case strings.EqualFold(name, "Chain"):
			ok = chain.set(value)
		case strings.EqualFold(name, "Hash"):
			ok = hash.set(value)
		}
		if !ok {
			return s, false
		}
	}
	if cert.text == "" && chain.text == "" {
		return s, line == "" || cert.there && !hash.there
	}
	leaf, ok := certificates(cert.text)
	all, ok2 := certificates(chain.text)
	switch {
	case !ok || !ok2 || len(leaf) > 1:
		return s, false
	case len(leaf) == 0:
		leaf = all
	case len(all) > 0 && !bytes.Equal(leaf[0], all[0]):
		return s, false
	}
	s.der = leaf[0]
	if len(all) > 0 {
		s.more = all[1:]
	}
	sum := sha256.Sum256(s.der)
	return s, !hash.there || strings.EqualFold(hash.text, hex.EncodeToString(sum[:]))
}

type xfccValue struct {
	text  string
	there bool
}

// set is false the second time.
func (v *xfccValue) set(text string) bool {
	first := !v.there
	v.text, v.there = text, true
	return first
}

// xfccPair takes the first pair off s. A value with one of ",;=" is quoted, and
// a quote in one is escaped.
func xfccPair(s string) (name, value, rest string, ok bool) {
	name, s, ok = strings.Cut(s, "=")
	if !ok || name == "" || !isOf(name, letters+upper) {
		return "", "", "", false
	}
	if strings.HasPrefix(s, `"`) {
		end := closingQuote(s)
		if end < 0 {
			return "", "", "", false
		}
		value, s = s[1:end], s[end+1:]
	} else {
		end := strings.IndexAny(s, `;,"`)
		if end < 0 {
			end = len(s)
		}
		value, s = s[:end], s[end:]
	}
	if s == "" {
		return name, value, "", true
	}
	return name, value, s[1:], s[0] == ';' && len(s) > 1
}

// closingQuote is where the quoted string ends with which s begins, or -1.
func closingQuote(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}

// certificates is PEM, URL-encoded, to the byte as OpenSSL writes it: what
// package pem passes over in search of a block is refused.
func certificates(escaped string) (ders [][]byte, ok bool) {
	text, err := url.PathUnescape(escaped) // a plus sign is one
	if err != nil {
		return nil, false
	}
	for rest := []byte(text); len(rest) > 0; {
		block, _ := pem.Decode(rest)
		if block == nil || block.Type != "CERTIFICATE" || len(block.Headers) > 0 || len(block.Bytes) == 0 || len(ders) > maxChain {
			return nil, false
		}
		after, ok := bytes.CutPrefix(rest, bytes.TrimSuffix(pem.EncodeToMemory(block), []byte("\n")))
		if !ok {
			return nil, false
		}
		ders, rest = append(ders, block.Bytes), bytes.TrimLeft(after, "\n")
	}
	return ders, true
}
