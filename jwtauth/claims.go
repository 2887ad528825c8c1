package jwtauth

import (
	"errors"
	"fmt"
	"time"
)

// claims are those that this package knows (RFC 7519 §4.1, RFC 8693 §4, RFC
// 9068 §2.2, RFC 8705 §3.1) and its own.
type claims struct {
	lasting
	audience  string   // when it is one string
	audiences []string // when it is an array
	scope     string
	roles     []string
	factors   []string
	authTime  int64
	authTimes []int64 // of each factor; nil: all at authTime
	kind      string
	identity  string // of a pending token, as JSON
}

// lasting are the claims that a Token keeps: what is smaller is cheaper to make
// for each request.
type lasting struct {
	issuer, subject, id string
	clientID            string
	family              string // sid
	confirm             string // cnf.x5t#S256
	expires             int64
	issued, notBefore   int64
	version             int64 // ver
	has                 presence
}

// presence is which of the claims are there that are required, or that have
// no zero value to tell.
type presence uint16

const (
	hasIssuer presence = 1 << iota
	hasSubject
	hasAudience
	hasExpires
	hasIssued
	hasID
	hasVersion
	hasNotBefore
)

// required are the names of the first bits, in their order.
var required = [...]string{"iss", "sub", "aud", "exp", "iat", "jti", "ver"}

// parse reads the payload of a token whose signature is good into a zero c. own
// says that it is one of ours, with our claims.
func (c *claims) parse(payload string, own bool) error {
	return members(payload, func(name, value string) error {
		err := c.set(name, value)
		if err == nil && own {
			err = c.setOwn(name, value)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

var claimNames = []string{"iss", "sub", "jti", "aud", "exp", "iat", "nbf", "cnf"}

// set reads one claim that every token may have.
func (c *claims) set(name, value string) (err error) {
	switch name {
	case "iss":
		c.issuer, err = c.required(hasIssuer, value)
	case "sub":
		c.subject, err = c.required(hasSubject, value)
	case "jti":
		c.id, err = c.required(hasID, value)
	case "aud":
		c.has |= hasAudience
		if value[0] == '"' {
			c.audience, err = unquote(value)
		} else {
			c.audiences, err = textsOf(value)
		}
	case "exp":
		c.has |= hasExpires
		c.expires, _, err = dateOf(value)
	case "iat":
		c.has |= hasIssued
		c.issued, _, err = dateOf(value)
	case "nbf":
		var fraction bool
		c.has |= hasNotBefore
		c.notBefore, fraction, err = dateOf(value)
		if fraction {
			c.notBefore++
		}
	case "cnf":
		c.confirm, err = confirmation(value)
	default:
		if misspelt(name, claimNames) {
			err = errCase
		}
	}
	return err
}

// required is a string that is not "".
func (c *claims) required(p presence, value string) (string, error) {
	s, err := textOf(value)
	if err == nil && s != "" {
		c.has |= p
	}
	return s, err
}

var errConfirmation = errors.New("a confirmation that is not x5t#S256 alone")

// confirmation is the thumbprint of cnf (RFC 8705 §3.1). Another method of
// confirmation, alone or beside it, would not be checked, so it is refused.
func confirmation(value string) (thumbprint string, err error) {
	if value[0] != '{' {
		return "", errConfirmation
	}
	err = members(value, func(name, value string) error {
		if name != "x5t#S256" {
			return errConfirmation
		}
		thumbprint, err = textOf(value)
		return err
	})
	if err == nil && len(thumbprint) != thumbprintLen {
		err = errConfirmation
	}
	return thumbprint, err
}

// missing names the first of the required claims that is not there.
func (c *claims) missing(want presence) string {
	for i, name := range required {
		if bit := presence(1) << i; want&bit != 0 && c.has&bit == 0 {
			return name
		}
	}
	return ""
}

// isFor reports whether one of the audiences is one of ours.
func (c *claims) isFor(ours []string) bool {
	for _, a := range ours {
		if a == c.audience && a != "" {
			return true
		}
		for _, b := range c.audiences {
			if a == b {
				return true
			}
		}
	}
	return false
}

// wrongTime says what is wrong with the times at now, "" for nothing. Ends are
// exact: at exp the token has expired.
func (c *lasting) wrongTime(now time.Time, leeway, maxLifetime time.Duration) string {
	slow, fast := now.Add(-leeway).Unix(), now.Add(leeway).Unix() // what an issuer's clock may say
	switch {
	case c.expires <= slow:
		return "expired"
	case c.has&hasNotBefore != 0 && c.notBefore > fast:
		return "not yet valid"
	case c.issued > fast:
		return "issued in the future"
	case c.expires <= c.issued:
		return "expires before it is issued"
	case time.Duration(c.expires-c.issued) > maxLifetime/time.Second:
		return "lives too long"
	}
	return ""
}
