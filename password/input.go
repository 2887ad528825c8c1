package password

import (
	"errors"
	"net/http"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/gatehouse-go/authn"
)

const (
	// maxPassword bounds what is normalised and hashed, in bytes.
	maxPassword = 1024
	// maxBcrypt is where bcrypt stops reading.
	maxBcrypt = 72
)

// unfit says why Hash refuses a password.
func unfit(why string) error {
	return &authn.Error{
		Status: http.StatusUnprocessableEntity, Code: "invalid_request",
		Err: errors.New("authn/password: a new password " + why),
	}
}

var (
	errTooLong   = unfit("has at most 1024 bytes")
	errNotText   = unfit("is UTF-8 without NUL")
	errForBcrypt = unfit("has at most 72 bytes where new hashes are bcrypt")
)

// hopeless says that no hash matches password, which is known before any is
// looked at: so it tells nothing about a user.
func hopeless(password string) bool {
	return len(password) > maxPassword || strings.IndexByte(password, 0) >= 0
}

// normal is password as it is hashed: in NFC (NIST SP 800-63B-4 §3.1.1.2 wants
// one normalisation), so that all keyboards type the same.
func normal(password string) (string, error) {
	switch {
	case len(password) > maxPassword:
		return "", errTooLong
	case hopeless(password) || !utf8.ValidString(password):
		return "", errNotText
	}
	return norm.NFC.String(password), nil
}

// guesses are what password may have been when it was hashed: in NFC, or as it
// came, by a system that did not normalise.
func guesses(password string) []string {
	nfc := norm.NFC.String(password)
	if nfc == password {
		return []string{password}
	}
	return []string{nfc, password}
}
