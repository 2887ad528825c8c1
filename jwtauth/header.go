package jwtauth

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
)

// tokenType is the typ of a header.
type tokenType uint8

const (
	typeOther     tokenType = iota
	typeAccess              // at+jwt (RFC 9068 §2.1)
	typePending             // pending+jwt: half a login, of our own
	typePlain               // JWT, or none
	typeAssertion           // client-authentication+jwt (draft-ietf-oauth-rfc7523bis)
)

// header is what counts of a JOSE header. A kid of "" is none. Nothing else is looked at: keys and
// addresses of keys (jwk, jku, x5u, x5c) that a token brings are not used.
type header struct {
	alg Algorithm
	kid string
	typ tokenType
}

var headerNames = []string{"alg", "kid", "typ", "crit", "b64", "zip", "enc", "cty"}

// parseHeader reads a header that may be anything.
func parseHeader(s string) (h header, err error) {
	h.typ = typePlain
	err = members(s, func(name, value string) (err error) {
		switch name {
		case "alg":
			var alg string
			alg, err = textOf(value)
			h.alg = Algorithm(alg)
		case "kid":
			h.kid, err = textOf(value)
			if err == nil && len(h.kid) > maxKeyID {
				err = errors.New("too long")
			}
		case "typ":
			var typ string
			typ, err = textOf(value)
			h.typ = typeOf(typ)
		case "crit", "b64", "zip", "enc", "cty":
			// Each changes what the rest means (RFC 7515 §4.1.11, RFC 7797, RFC 7516,
			// RFC 7519 §5.2).
			err = errors.New("not supported")
		default:
			if misspelt(name, headerNames) {
				err = errCase
			}
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
		return err
	})
	if err == nil && h.alg == "" {
		err = errors.New("no alg")
	}
	return h, err
}

// lastHeader is the header of the last good token. All tokens that one key
// signs have the same, and its bytes say all that parseHeader would.
type lastHeader struct{ p atomic.Pointer[knownHeader] }

type knownHeader struct {
	segment string
	header  header
}

func (l *lastHeader) find(segment string) (header, bool) {
	if known := l.p.Load(); known != nil && known.segment == segment {
		return known.header, true
	}
	return header{}, false
}

// keep is for tokens whose signature is good: nobody else can change it.
func (l *lastHeader) keep(segment string, h header) {
	l.p.Store(&knownHeader{strings.Clone(segment), h})
}

// typeOf is a media type without the "application/" that may be left out, in
// any case (RFC 7515 §4.1.9).
func typeOf(typ string) tokenType {
	const application = "application/"
	if len(typ) > len(application) && strings.EqualFold(typ[:len(application)], application) {
		typ = typ[len(application):]
	}
	switch {
	case strings.EqualFold(typ, "at+jwt"):
		return typeAccess
	case strings.EqualFold(typ, "pending+jwt"):
		return typePending
	case strings.EqualFold(typ, "JWT"):
		return typePlain
	case strings.EqualFold(typ, "client-authentication+jwt"):
		return typeAssertion
	default:
		return typeOther
	}
}
