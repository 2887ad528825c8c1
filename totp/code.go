package totp

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // G505: RFC 4226 is defined over HMAC-SHA-1, which SHA-1's collisions do not touch
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"time"
)

// period is how long a code is shown, in seconds.
const period = 30

// stepAt is the time step of t (RFC 6238 §4.2).
func stepAt(t time.Time) int64 { return t.Unix() / period }

// match is the time step of which code is the one, 0 for none: the step of now, or
// one before or after it, for clocks that differ and for people who type. All
// three are compared, in constant time.
func (k *key) match(code uint32, now time.Time) int64 {
	mac, at, found := k.mac(), stepAt(now), 0
	for i := range 3 {
		same := subtle.ConstantTimeEq(int32(k.code(mac, at-1+int64(i))), int32(code))
		found = subtle.ConstantTimeSelect(same, i+1, found)
	}
	if found == 0 {
		return 0
	}
	return at - 2 + int64(found)
}

// mac makes codes of k.
func (k *key) mac() hash.Hash {
	if k.sha256 {
		return hmac.New(sha256.New, k.secret)
	}
	return hmac.New(sha1.New, k.secret)
}

// code is of RFC 4226 §5.3.
func (k *key) code(mac hash.Hash, step int64) uint32 {
	var buf [sha256.Size]byte
	binary.BigEndian.PutUint64(buf[:], uint64(step))
	mac.Reset()
	mac.Write(buf[:8])
	sum := mac.Sum(buf[:0])
	offset := sum[len(sum)-1] & 0xf
	n := binary.BigEndian.Uint32(sum[offset:]) & 0x7fffffff
	if k.digits == 8 {
		return n % 1e8
	}
	return n % 1e6
}

// maxTyped is how much of what somebody typed is looked at, in bytes.
const maxTyped = 64

// typed is s without spaces and hyphens; "" is nothing that can be right.
func typed(s string) string {
	if len(s) > maxTyped {
		return ""
	}
	kept := make([]byte, 0, maxTyped)
	for _, c := range []byte(s) {
		if c != ' ' && c != '-' {
			kept = append(kept, c)
		}
	}
	return string(kept)
}

// parseCode is the number of a code and how many digits it has: 6 or 8.
func parseCode(s string) (code uint32, digits int, ok bool) {
	if len(s) != 6 && len(s) != 8 {
		return 0, 0, false
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, 0, false
		}
		code = code*10 + uint32(c-'0')
	}
	return code, len(s), true
}
