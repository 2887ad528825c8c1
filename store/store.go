// Package store is the data model: plain records, and one small interface for
// each concern. A host may take a ready store, mix several, or implement one
// interface over its own tables and prove it with package storetest.
//
// # The rules of every method
//
// A method is atomic: what two processes race for, one of them wins, and a
// reader sees all of a write or nothing.
//
// now is the caller's time, and the one that expiry is compared with. Where a
// method says "store's clock", the store takes its own. Records are live while
// now is before their end; at the end they are dead. Times are whole
// microseconds: what is finer, the caller truncates.
//
// Names, ids and owners are valid UTF-8 without NUL and compare bytewise.
//
// What names one record answers [ErrNotFound] when there is none, or when it
// is not this owner's. What inserts may answer [ErrExists] and [ErrFull].
// Where several fit, any of them is right. Revoking may be repeated, and
// deleting what is gone is fine. Any other error is an outage, and the caller
// does not know whether the call took effect.
//
// Values are copied when they are written. What is read may share slices and
// maps with the store: read them only.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gatehouse-go/authn"
)

// The errors that callers branch on, by errors.Is. Each is an *[authn.Error],
// so that [authn.WriteError] answers it rightly.
var (
	// ErrNotFound is 404 not_found.
	ErrNotFound = sentinel(http.StatusNotFound, "not_found", "not found")
	// ErrExists is 409 exists.
	ErrExists = sentinel(http.StatusConflict, "exists", "exists already")
	// ErrConflict is 409 conflict: somebody else was first.
	ErrConflict = sentinel(http.StatusConflict, "conflict", "somebody else was first")
	// ErrLimit is 409 limit_reached: a cap that the call names.
	ErrLimit = sentinel(http.StatusConflict, "limit_reached", "the limit is reached")
	// ErrDamaged is 503 unavailable: the record is there and cannot be read, as
	// when another program wrote it. Trying again does not help.
	ErrDamaged = sentinel(http.StatusServiceUnavailable, "unavailable", "a record cannot be read")
	// ErrFull is 503 unavailable: no room, and no denial or credential is
	// evicted to make some.
	ErrFull = sentinel(http.StatusServiceUnavailable, "unavailable", "the store is full")
)

func sentinel(status int, code, text string) error {
	return &authn.Error{Status: status, Code: code, Err: errors.New("authn/store: " + text)}
}

// Store is all concerns and the life of what keeps them.
type Store interface {
	// Open creates or migrates what the store needs. It may be repeated, and
	// ten instances may call it at once.
	Open(ctx context.Context) error
	// Run deletes what expired over a day ago, where a concern does not keep it
	// (API keys stay), until ctx ends; then it answers nil. The day is a margin
	// for clocks that differ. Nothing depends on Run but space: the expired is
	// refused with or without it. An error says that it cannot go on.
	Run(ctx context.Context) error
	// Check says whether the store can be reached and keeps its promises: the
	// schema is there, and nothing is evicted. It is for readiness probes.
	Check(ctx context.Context) error

	APIKeys
	Sessions
	Tokens
	SigningKeys
	PasswordTable
	OneTime
	TOTPs
	Limits
	OAuthClients
	ProviderTokens
	Once
}

// Forgetful is a store that loses its records when the process ends. What was
// signed before Since cannot be known to be still good; who asks rounds it down
// to whole seconds, as tokens are dated. A store that wraps a Forgetful one
// must forward Since.
type Forgetful interface {
	Since() time.Time
}

// Once remembers what may happen only once.
type Once interface {
	// ClaimOnce remembers (purpose, d) until then. It answers nil to one
	// caller and [ErrExists] to all others while now is before until; later
	// the claim may be made again. A purpose is 1 to 64 bytes.
	ClaimOnce(ctx context.Context, purpose string, d Digest, until, now time.Time) error
}

// Digest is the SHA-256 of a secret. It prints and parses as 64 digits of hex.
type Digest [sha256.Size]byte

// DigestOf hashes a secret of high entropy: a key or a token, not a password.
func DigestOf(secret string) Digest {
	var stack [128]byte // keys and tokens fit, so that hashing does not allocate
	return sha256.Sum256(append(stack[:0], secret...))
}

// ParseDigest reads 64 digits of hex.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if hex.DecodedLen(len(s)) != len(d) {
		return Digest{}, fmt.Errorf("authn/store: a digest has %d hexadecimal digits, not %d characters", hex.EncodedLen(len(d)), len(s))
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, errors.New("authn/store: a digest is hexadecimal")
	}
	return d, nil
}

// String is lower-case hex.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText writes what String says.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDigest reads.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

// Page asks for a part of a list. Lists answer the cursor of the next part, ""
// at the end; a part with a cursor before it is not empty.
type Page struct {
	// Cursor is what the list answered before; "" begins. One that names
	// nothing of this list is ErrNotFound.
	Cursor string
	// Limit is how many at most. Defaults to 100; over 1000 is 1000.
	Limit int
}

const (
	defaultPage = 100
	maxPage     = 1000
)

// Size is Limit within its bounds, for implementations.
func (p Page) Size() int {
	if p.Limit <= 0 {
		return defaultPage
	}
	return min(p.Limit, maxPage)
}

type txKey struct{}

// MarkTx says that calls with ctx run in a transaction of the host's, which
// may be rolled back. Stores that can do that call it.
func MarkTx(ctx context.Context) context.Context { return context.WithValue(ctx, txKey{}, true) }

// InTx reports whether [MarkTx] was called: then nothing that is read may be
// cached.
func InTx(ctx context.Context) bool { return ctx.Value(txKey{}) != nil }
