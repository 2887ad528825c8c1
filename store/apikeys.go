package store

import (
	"context"
	"net/netip"
	"time"
)

// APIKey is the record of an API key; the key itself is not in it. It is live
// until RevokedAt, ExpiresAt or CreatedAt + [APIKeyLimits].MaxAge, whichever
// comes first. Dead keys stay.
type APIKey struct {
	// ID is public and unique; at most 64 bytes.
	ID string
	// Owner is the Subject that the key acts for; at most 255 bytes, compared
	// bytewise.
	Owner string
	// Name is the owner's, for people; at most 255 bytes.
	Name string
	// Prefix and LastFour are what may be shown of the key.
	Prefix, LastFour string
	// Digest is of the whole key, and unique.
	Digest Digest
	Scopes []string
	// Metadata is the host's.
	Metadata map[string]string
	// CreatedAt is set; zero says of the others: not.
	CreatedAt, ExpiresAt, RevokedAt, LastUsedAt time.Time
	// ReplacedBy is the ID of the successor, "" if there is none.
	ReplacedBy string
	// LastAddr is where it was used last, without zone and not IPv4-in-IPv6;
	// the zero Addr if that is unknown.
	LastAddr netip.Addr
	// Uses counts.
	Uses int64
}

// EndsAt is when k stops being live by age; zero: never. RevokedAt is apart.
func (k APIKey) EndsAt(maxAge time.Duration) time.Time {
	end := k.ExpiresAt
	if maxAge > 0 {
		if byAge := k.CreatedAt.Add(maxAge); end.IsZero() || byAge.Before(end) {
			end = byAge
		}
	}
	return end
}

// Live reports whether k may be used at now. Once revoked, it never is.
func (k APIKey) Live(maxAge time.Duration, now time.Time) bool {
	end := k.EndsAt(maxAge)
	return k.RevokedAt.IsZero() && (end.IsZero() || now.Before(end))
}

// APIKeyLimits are the host's. Zero is no limit.
type APIKeyLimits struct {
	// MaxLive is how many live keys an owner may have.
	MaxLive int
	// MaxAge ends keys so long after CreatedAt.
	MaxAge time.Duration
}

// APIKeyUse is N uses (over 0) of one key; At, which is set, and Addr are of the
// last of them.
type APIKeyUse struct {
	ID   string
	N    int64
	At   time.Time
	Addr netip.Addr
}

// APIKeys keeps API keys. Reading answers dead ones, too: package apikey
// judges them.
type APIKeys interface {
	// CreateAPIKey inserts k. ErrLimit when the owner has l.MaxLive live keys
	// or more; ErrExists when the ID or the Digest is there already.
	CreateAPIKey(ctx context.Context, k APIKey, l APIKeyLimits, now time.Time) error
	// APIKeyByDigest is the read of each request: one round trip.
	APIKeyByDigest(ctx context.Context, d Digest) (APIKey, error)
	APIKey(ctx context.Context, owner, id string) (APIKey, error)
	// ListAPIKeys is newest first: by CreatedAt, then ID, both descending.
	ListAPIKeys(ctx context.Context, owner string, p Page) (keys []APIKey, next string, err error)
	// RotateAPIKey inserts next, which is owner's, and lets the key id name it
	// as its successor and end at until, which is set, or at its own ExpiresAt
	// if that is earlier. ErrConflict when id has a successor, is revoked or
	// has expired; its age, and a cap, are the caller's. ErrExists as of
	// CreateAPIKey.
	RotateAPIKey(ctx context.Context, owner, id string, next APIKey, until, now time.Time) error
	// RevokeAPIKey sets RevokedAt, once.
	RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error
	// RevokeAPIKeysOf revokes all keys of owner. There may be none.
	RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error
	// RecordAPIKeyUses adds uses, of which the caller has one for an ID, to
	// the keys, dead ones included, and moves LastUsedAt and LastAddr together
	// forward, never back, in one write. It answers the ids that had no use
	// before, and skips unknown ones. There may be 20 000.
	RecordAPIKeyUses(ctx context.Context, uses []APIKeyUse) (first []string, err error)
	// ClaimExpiringAPIKeys answers up to limit (over 0) keys that are live,
	// have no successor and end within d, each once, whoever calls: not again
	// for this d, nor for a longer one.
	ClaimExpiringAPIKeys(ctx context.Context, d time.Duration, l APIKeyLimits, limit int, now time.Time) ([]APIKey, error)
}
