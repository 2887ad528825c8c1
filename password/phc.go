package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// errStored is what Verify's errors of a stored hash wrap: it can not be
// verified, whatever the password. They do not quote it.
var errStored = errors.New("authn/password: a stored hash is malformed or out of bounds")

func malformed(scheme, why string) error { return fmt.Errorf("%w: %s: %s", errStored, scheme, why) }

// b64 is what PHC strings have: no padding, and no bits that say nothing.
var b64 = base64.RawStdEncoding.Strict()

// number is a decimal without sign or leading zeros, from lo to hi.
func number(s string, lo, hi uint64) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, errors.New("a number is expected")
	}
	if n < lo || n > hi {
		return 0, fmt.Errorf("%d to %d is allowed", lo, hi)
	}
	return n, nil
}

// parameters reads "m=65536,t=3,p=4" into nums: each exactly once, in any order.
// What is in texts may be among them, at most once. There is nothing else.
func parameters(s string, nums map[string]*uint64, texts map[string]*string) error {
	var seen []string
	for param := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(param, "=")
		n, t := nums[name], texts[name]
		switch {
		case !ok || n == nil && t == nil:
			return errors.New("an unknown parameter")
		case slices.Contains(seen, name):
			return fmt.Errorf("parameter %s is there twice", name)
		case t != nil:
			*t = value
		default:
			parsed, err := number(value, 1, 1<<32-1)
			if err != nil {
				return fmt.Errorf("parameter %s: %w", name, err)
			}
			*n = parsed
		}
		seen = append(seen, name)
	}
	for _, name := range slices.Sorted(maps.Keys(nums)) {
		if !slices.Contains(seen, name) {
			return fmt.Errorf("parameter %s is missing", name)
		}
	}
	return nil
}

// decode is what s encodes canonically, lo to hi bytes of it. It looks at the
// length first.
func decode(enc *base64.Encoding, s string, lo, hi int) ([]byte, error) {
	if len(s) < enc.EncodedLen(lo) || len(s) > enc.EncodedLen(hi) {
		return nil, fmt.Errorf("%d to %d bytes of base64 are allowed", lo, hi)
	}
	b, err := enc.DecodeString(s)
	if err != nil || enc.EncodedLen(len(b)) != len(s) { // line breaks are skipped
		return nil, errors.New("not canonical base64")
	}
	return b, nil
}
