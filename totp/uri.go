package totp

import (
	"fmt"
	"strings"
)

// How long the parts of a label may be, in bytes: the QR code of the longest URI
// is still one that can be read on 128 pixels.
const (
	maxIssuer  = 64
	maxAccount = 128
)

// uri is of the otpauth format
// (https://github.com/google/google-authenticator/wiki/Key-Uri-Format). What is
// the default there is said all the same.
func (k *key) uri(issuer, account string) string {
	algorithm := "SHA1"
	if k.sha256 {
		algorithm = "SHA256"
	}
	service := escape(issuer)
	return fmt.Sprintf("otpauth://totp/%s:%s?secret=%s&issuer=%s&algorithm=%s&digits=%d&period=%d",
		service, escape(account), k.base32(), service, algorithm, k.digits, period)
}

// escape leaves what RFC 3986 §2.3 calls unreserved. A space is %20: some apps
// show a plus sign as it is.
func escape(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '.', c == '_', c == '~':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&0xf])
		}
	}
	return b.String()
}
