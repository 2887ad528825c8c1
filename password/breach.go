package password

import (
	"context"
	"crypto/sha1" //nolint:gosec // G505: breach lists go by it, and nothing secret rests on it
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"
)

// BreachList knows the passwords of breaches that are public, as [HIBP] and
// [BreachFile] do. It is asked for new passwords, never at a login.
type BreachList interface {
	// Count is how often the password with this SHA-1 was seen in breaches, 0 if
	// never. An error says that this is not known: it is an outage.
	Count(ctx context.Context, sha1 [sha1.Size]byte) (int, error)
}

// breached answers a Violation if list knows password, as Policy passed it, and
// nil if not. An error is an outage of list.
func breached(ctx context.Context, list BreachList, password string) (*Violation, error) {
	n, err := list.Count(ctx, sha1.Sum([]byte(norm.NFC.String(password)))) //nolint:gosec // G401: see above
	if err != nil {
		return nil, fmt.Errorf("authn/password: breached passwords: %w", err)
	}
	if n <= 0 {
		return nil, nil
	}
	return &Violation{Code: "breached", Args: map[string]any{"count": n}}, nil
}

var errBreachLine = errors.New("a line is not the hexadecimal digits of a hash, a colon and a count")

// breachHex is a SHA-1 as breach lists write it.
func breachHex(sha1 [sha1.Size]byte) string { return strings.ToUpper(hex.EncodeToString(sha1[:])) }

// parseBreachLine reads so many digits of a hash, which it answers in upper
// case, a colon and a count; line is without its end.
func parseBreachLine(line []byte, digits int) (hash string, count int, err error) {
	// A count of ten digits is more than there are accounts.
	if len(line) < digits+2 || len(line) > digits+11 || line[digits] != ':' {
		return "", 0, errBreachLine
	}
	for _, c := range line[:digits] {
		if !strings.ContainsRune("0123456789ABCDEFabcdef", rune(c)) {
			return "", 0, errBreachLine
		}
	}
	n, err := strconv.ParseUint(string(line[digits+1:]), 10, 63)
	if err != nil {
		return "", 0, errBreachLine
	}
	return strings.ToUpper(string(line[:digits])), int(min(n, math.MaxInt)), nil
}
