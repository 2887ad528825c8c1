package jwtauth

import (
	"encoding/base64"
	"errors"
	"strings"
	"sync"
)

// b64 is base64url without padding that has one spelling for each value
// (RFC 7515 §2): no stray bits.
var b64 = base64.RawURLEncoding.Strict()

// compact is a token in its three parts (RFC 7515 §3.1).
type compact struct {
	raw  string
	dots [2]int // before the payload, before the signature
}

var (
	errSegments = errors.New("not three segments")
	errEncoding = errors.New("not base64url")
)

// jwtShaped reports whether s looks like a token of this kind: two dots or more.
func jwtShaped(s string) bool {
	i := strings.IndexByte(s, '.')
	return i >= 0 && strings.IndexByte(s[i+1:], '.') >= 0
}

// split finds the parts, without decoding them.
func split(raw string) (compact, error) {
	a := strings.IndexByte(raw, '.')
	if a < 0 {
		return compact{}, errSegments
	}
	b := strings.IndexByte(raw[a+1:], '.') + a + 1
	if b == a || strings.IndexByte(raw[b+1:], '.') >= 0 {
		return compact{}, errSegments
	}
	return compact{raw, [2]int{a, b}}, nil
}

// input is what the signature is of.
func (c compact) input() string     { return c.raw[:c.dots[1]] }
func (c compact) header() string    { return c.raw[:c.dots[0]] }
func (c compact) payload() string   { return c.raw[c.dots[0]+1 : c.dots[1]] }
func (c compact) signature() string { return c.raw[c.dots[1]+1:] }

// scratch is where a token is copied to and decoded, so that neither is
// garbage of each request.
type scratch struct{ raw, decoded []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// decode is the bytes of a segment, good until the next decode.
func (b *scratch) decode(segment string) ([]byte, error) {
	b.raw = append(b.raw[:0], segment...)
	want := b64.DecodedLen(len(segment))
	if cap(b.decoded) < want {
		b.decoded = make([]byte, want, 2*want)
	}
	n, err := b64.Decode(b.decoded[:cap(b.decoded)], b.raw)
	if err != nil || n != want { // the decoder leaves out CR and LF
		return nil, errEncoding
	}
	return b.decoded[:n], nil
}

// free gives b to who is next, unless a long token made it large.
func (b *scratch) free() {
	if cap(b.raw) <= 4<<10 {
		scratches.Put(b)
	}
}
