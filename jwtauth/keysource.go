package jwtauth

import (
	"context"
	"errors"
	"net/http"

	"github.com/gatehouse-go/authn"
)

// ErrUnknownKey says that a source has no key of that id: 401 invalid_token.
var ErrUnknownKey error = &authn.Error{
	Status: http.StatusUnauthorized, Code: "invalid_token",
	Err: errors.New("authn/jwtauth: no key with that kid"),
}

// KeySource finds the keys that verify one issuer's tokens: a [*KeyRing],
// [*RemoteKeys], or a host's own. It may be called from many goroutines at
// once.
//
//   - kid is what the token says, of at most 128 bytes, and is looked up, not
//     interpreted. Nobody tries several keys.
//   - kid is "" for a token that has none. A source answers that only while it
//     has exactly one key.
//   - An error that wraps [ErrUnknownKey] means that there is no such key, as
//     far as the source knows now. Any other is an outage (503).
type KeySource interface {
	VerificationKey(ctx context.Context, kid string) (Key, error)
}
