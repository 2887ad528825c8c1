package ratelimit

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/gatehouse-go/authn"
)

// KeyFunc says what a request is counted by; false: not at all.
type KeyFunc func(r *http.Request) (key string, ok bool)

// ByClient is the client's group, authn.Client.Group: an IPv4 address, the /64
// of an IPv6 address (or as clientip has it), and one group of all whose address is unknown. Behind a
// proxy mount package clientip outside.
func ByClient(r *http.Request) (key string, ok bool) {
	return clientKey(authn.ClientOf(r)), true
}

// unknownClient is the group of who has no address: never no limit.
const unknownClient = "unknown"

func clientKey(c authn.Client) string {
	if !c.Group.IsValid() {
		return unknownClient
	}
	var room [64]byte
	return string(c.Group.AppendTo(room[:0]))
}

// BySubject is who is signed in: issuer, kind and subject of the Identity in
// the context. Nobody is not counted: mount it within Require, and ByClient
// outside.
func BySubject(r *http.Request) (key string, ok bool) {
	id, ok := authn.FromContext(r.Context())
	if !ok {
		return "", false
	}
	return join(id.Issuer, id.Kind.String(), id.Subject), true
}

// ByCredential is the credential of the Identity in the context: an API key, a
// session. Who has none is not counted.
func ByCredential(r *http.Request) (key string, ok bool) {
	id, ok := authn.FromContext(r.Context())
	if !ok || id.CredentialID == "" {
		return "", false
	}
	return join(id.Issuer, id.Method, id.CredentialID), true
}

// join is another string for other parts.
func join(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)))
		b.WriteByte(':')
		b.WriteString(p)
	}
	return b.String()
}
