package totp

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

const (
	// recoveryCodes is how many there are.
	recoveryCodes = 10
	// codeBytes are 80 random bits, in 16 characters.
	codeBytes = 10
	codeChars = 16
)

// crockford is Crockford's base32 alphabet, in lower case: no i, l, o and u.
var crockford = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// newRecovery are recovery codes to show, and their digests to keep.
func (k *key) newRecovery() ([]authn.Secret, []store.Digest) {
	shown, kept := make([]authn.Secret, recoveryCodes), make([]store.Digest, recoveryCodes)
	for i := range shown {
		var code [codeBytes]byte
		_, _ = rand.Read(code[:]) // never fails (crypto/rand)
		s := crockford.EncodeToString(code[:])
		shown[i] = authn.NewSecret(s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:])
		kept[i] = k.digest(code)
	}
	return shown, kept
}

// digest is keyed by the enrolment, so that a table that is stolen without the
// keychain says nothing.
func (k *key) digest(code [codeBytes]byte) (d store.Digest) {
	mac := hmac.New(sha256.New, k.recovery)
	mac.Write(code[:])
	mac.Sum(d[:0])
	return d
}

// parseRecovery reads a recovery code without its hyphens, in any case, with o for
// 0, and i and l for 1.
func parseRecovery(s string) (code [codeBytes]byte, ok bool) {
	if len(s) != codeChars {
		return code, false
	}
	var plain [codeChars]byte
	for i, c := range []byte(s) {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		switch c {
		case 'o':
			c = '0'
		case 'i', 'l':
			c = '1'
		}
		plain[i] = c
	}
	n, err := crockford.Decode(code[:], plain[:])
	return code, err == nil && n == codeBytes // fewer where it passed over a line feed
}
