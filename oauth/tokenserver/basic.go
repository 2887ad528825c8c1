package tokenserver

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
)

var (
	errScheme = errors.New("not Basic")
	errBasic  = errors.New("not base64 of two forms and a colon")
)

// parseBasic reads the value of Authorization: Basic (RFC 7617), whose two halves
// are encoded as in forms (RFC 6749 §2.3.1). errScheme is of another scheme.
func parseBasic(field string) (id, secret string, err error) {
	scheme, text, _ := strings.Cut(field, " ")
	if !strings.EqualFold(scheme, "Basic") {
		return "", "", errScheme
	}
	// The decoder leaves out CR and LF, which nobody writes.
	if strings.ContainsAny(text, "\r\n") {
		return "", "", errBasic
	}
	decoded, err := base64.StdEncoding.Strict().DecodeString(strings.TrimLeft(text, " "))
	if err != nil {
		return "", "", errBasic
	}
	id, secret, ok := strings.Cut(string(decoded), ":")
	if !ok {
		return "", "", errBasic
	}
	id, err = url.QueryUnescape(id)
	if err == nil {
		secret, err = url.QueryUnescape(secret)
	}
	if err != nil || id == "" {
		return "", "", errBasic
	}
	return id, secret, nil
}
