package password

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

const (
	// leastLength is what no Policy goes below (NIST SP 800-63B-4 §3.1.1.2).
	leastLength = 8
	nistLength  = 15
	allClasses  = 4
)

// Policy says which new passwords are refused, beside common ones, those that
// resemble [About], and text that is no UTF-8 or has over 1024 bytes. It is
// never asked at a login. The zero Policy is [NIST].
type Policy struct {
	// MinLength is in code points, in NFC. Defaults to 15; less than 8 is 8.
	MinLength int
	// MinLengthWithFactor is for who has a second factor, as About says. Defaults
	// to 8 where MinLength is 0, else to MinLength; less than 8 is 8.
	MinLengthWithFactor int
	// Classes is how many of lower case, upper case, digits and others there must
	// be, up to 4. 0 asks for none: rules of composition make passwords worse, and
	// are for hosts that somebody obliges.
	Classes int
	// Forbidden are words that a password must not be made of, beside those of
	// About: products, places, nicknames of the team. Each counts from 3
	// characters on, and up to 255 bytes of it.
	Forbidden []string
}

// NIST is what SP 800-63B-4 §3.1.1.2 asks for: 15 characters, or 8 beside a
// second factor, and no rules of composition.
func NIST() Policy { return Policy{MinLength: nistLength, MinLengthWithFactor: leastLength} }

// Classic is for hosts that somebody obliges to it: 12 characters of all four
// classes.
func Classic() Policy {
	return Policy{MinLength: 12, MinLengthWithFactor: 12, Classes: allClasses}
}

// About is whom a password is for: what it must not resemble. Each text may be
// empty, and up to 255 bytes of it count.
type About struct {
	// Name is what the user signs in with, or is called; Service is what the
	// host is called.
	Name, Email, Service string
	// SecondFactor says that a login asks for one, whatever the user does.
	SecondFactor bool
}

func (p Policy) minLength(about About) int {
	least := p.MinLength
	if least == 0 {
		least = nistLength
	}
	if about.SecondFactor {
		switch {
		case p.MinLengthWithFactor != 0:
			least = p.MinLengthWithFactor
		case p.MinLength == 0:
			least = leastLength
		}
	}
	return max(least, leastLength)
}

// Check answers nil, or a *[PolicyError] with all that is wrong. It asks no
// [BreachList].
func (p Policy) Check(password string, about About) error {
	if vs := p.violations(password, about); len(vs) > 0 {
		return &PolicyError{Violations: vs}
	}
	return nil
}

// violations are in the order that Violation names.
func (p Policy) violations(password string, about About) (vs []Violation) {
	switch {
	case len(password) > maxPassword:
		return []Violation{tooLong(maxPassword)}
	case !utf8.ValidString(password) || strings.IndexByte(password, 0) >= 0:
		return []Violation{{Code: "not_text"}}
	}
	password = norm.NFC.String(password)
	if least := p.minLength(about); utf8.RuneCountInString(password) < least {
		vs = append(vs, Violation{Code: "too_short", Args: map[string]any{"min": least}})
	}
	if least, have := min(p.Classes, allClasses), classes(password); have < least {
		vs = append(vs, Violation{Code: "classes", Args: map[string]any{"min": least, "have": have}})
	}
	if isCommon(password) {
		vs = append(vs, Violation{Code: "common"})
	}
	for _, to := range similar(password, about, p.Forbidden) {
		vs = append(vs, Violation{Code: "similar", Args: map[string]any{"to": to}})
	}
	return vs
}

// classes counts which of the four are there.
func classes(password string) (n int) {
	var there [allClasses]bool
	for _, r := range password {
		switch {
		case unicode.IsLower(r):
			there[0] = true
		case unicode.IsUpper(r):
			there[1] = true
		case unicode.IsDigit(r):
			there[2] = true
		default:
			there[3] = true
		}
	}
	for _, is := range there {
		if is {
			n++
		}
	}
	return n
}
