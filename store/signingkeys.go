package store

import (
	"context"
	"time"
)

// SigningKey is one key of a ring that several instances share. It is there
// until ExpiresAt; which one signs follows from the times.
type SigningKey struct {
	// ID is the kid, unique; at most 64 bytes.
	ID string
	// Algorithm is a name of RFC 7518: "ES256".
	Algorithm string
	// Public is a JWK. Sealed is the private key as PKCS #8, which only the
	// host's keychain opens. Each is at most 16 KiB.
	Public, Sealed []byte
	// CreatedAt and SignFrom are set.
	CreatedAt, SignFrom time.Time
	// SignUntil and ExpiresAt are zero while there is no later key.
	SignUntil, ExpiresAt time.Time
}

// SigningKeys keeps the keys of a ring.
type SigningKeys interface {
	// ListSigningKeys is newest first, by the order in which they were added,
	// without those that have expired. There are few.
	ListSigningKeys(ctx context.Context, now time.Time) ([]SigningKey, error)
	// AddSigningKey inserts k if newest names the newest key that has not
	// expired at k.CreatedAt ("": there is none), and lets that one sign until
	// k.SignFrom and expire at expires, or when it would have if that is
	// earlier. ErrConflict when another is the newest. ErrExists when k.ID is
	// there, or expired less than a day ago. expires is set, and not looked at if
	// newest is "".
	AddSigningKey(ctx context.Context, k SigningKey, newest string, expires time.Time) error
	// ExpireSigningKey sets ExpiresAt to now unless it is earlier: for a key
	// that leaked.
	ExpireSigningKey(ctx context.Context, id string, now time.Time) error
}
