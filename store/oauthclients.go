package store

import (
	"context"
	"time"
)

// OAuthClient is the record of a service account: a client of the token endpoint
// (RFC 6749 §2). Package tokenserver says what its fields mean.
type OAuthClient struct {
	// ID is unique for good; at most 255 bytes.
	ID string
	// Name is for people; at most 255 bytes.
	Name string
	// AuthMethod is a token_endpoint_auth_method (RFC 7591 §2); at most 64 bytes.
	AuthMethod string
	// Secrets are newest first, at most MaxClientSecrets. Expired ones may be there.
	Secrets []ClientSecret
	// JWKS is a JWK Set (RFC 7517), at most 64 KiB; nil is none.
	JWKS []byte
	// CertSubject is a distinguished name; at most 1024 bytes.
	CertSubject string
	// Scopes, Audience and Serves are at most 64 KiB together.
	Scopes, Audience, Serves []string
	// CreatedAt is set. DisabledAt is zero while the client is not disabled.
	CreatedAt, DisabledAt time.Time
	// Revision is 1 at first, and one more after each UpdateOAuthClient.
	Revision int64
}

// MaxClientSecrets is how many secrets a client may have.
const MaxClientSecrets = 2

// ClientSecret is a secret's digest. It is live before ExpiresAt; zero: always.
type ClientSecret struct {
	Digest               Digest
	CreatedAt, ExpiresAt time.Time
}

// Live reports whether s may be used at now.
func (s ClientSecret) Live(now time.Time) bool {
	return s.ExpiresAt.IsZero() || now.Before(s.ExpiresAt)
}

// OAuthClients keeps service accounts. Reading answers disabled ones, too: package
// tokenserver judges them. None is ever deleted, so that no ID gets a new owner.
type OAuthClients interface {
	// OAuthClient is the read of each request: one round trip.
	OAuthClient(ctx context.Context, id string) (OAuthClient, error)
	// CreateOAuthClient inserts c, by Revision 1 whatever c says. ErrExists when
	// the ID is there, disabled or not.
	CreateOAuthClient(ctx context.Context, c OAuthClient) error
	// UpdateOAuthClient replaces Name, JWKS, CertSubject, Scopes, Audience and
	// Serves, and nothing else. ErrConflict when c.Revision is not the current
	// one.
	UpdateOAuthClient(ctx context.Context, c OAuthClient) error
	// RotateOAuthSecret puts s before the newest secret that is live at now, which
	// then ends at until or at its own ExpiresAt if that is earlier; others are
	// dropped, and so is that one if until is not after now. ErrLimit when two
	// are live and until is after now; ErrConflict when the client is disabled.
	RotateOAuthSecret(ctx context.Context, id string, s ClientSecret, until, now time.Time) error
	// DisableOAuthClient sets DisabledAt, once.
	DisableOAuthClient(ctx context.Context, id string, now time.Time) error
	// ListOAuthClients is by ID, bytewise.
	ListOAuthClients(ctx context.Context, p Page) (cs []OAuthClient, next string, err error)
}
