package store

import (
	"context"
	"time"
)

// OneTimeToken is what a link in a mail stands for. Its secret is not in it.
type OneTimeToken struct {
	Digest Digest
	// Purpose is 1 to 64 bytes, Subject at most 255.
	Purpose, Subject string
	// Bound is what the token is good for besides: an e-mail address, a digest of
	// the password hash that it may replace. At most 512 bytes.
	Bound string
	// Both are set.
	CreatedAt, ExpiresAt time.Time
}

// OneTime keeps tokens until they expire, are claimed or revoked.
type OneTime interface {
	// CreateOneTime answers ErrLimit when t's subject has max live tokens of t's
	// purpose (0: no cap), and ErrExists when the Digest is there. The cap is
	// exact under races.
	CreateOneTime(ctx context.Context, t OneTimeToken, max int, now time.Time) error
	OneTimeByDigest(ctx context.Context, d Digest, now time.Time) (OneTimeToken, error)
	// ClaimOneTime answers a live token to one caller, for whom it is used up,
	// and ErrNotFound to all others.
	ClaimOneTime(ctx context.Context, d Digest, now time.Time) (OneTimeToken, error)
	// RevokeOneTimeOf ends all tokens of subject, of whatever purpose.
	RevokeOneTimeOf(ctx context.Context, subject string) error
}
