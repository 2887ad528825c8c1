package store

import "context"

// ProviderTokens keeps, for each subject and provider, the token by which the host
// calls that provider's API. It is sealed: at most 32 KiB, never empty, and never
// the same twice. subject is at most 255 bytes, provider at most 64.
type ProviderTokens interface {
	ProviderToken(ctx context.Context, subject, provider string) (sealed []byte, err error)
	// PutProviderToken keeps sealed in place of whatever is there.
	PutProviderToken(ctx context.Context, subject, provider string, sealed []byte) error
	// ReplaceProviderToken keeps sealed in place of old. ErrConflict when old is
	// not what is there, or nothing is.
	ReplaceProviderToken(ctx context.Context, subject, provider string, old, sealed []byte) error
	DeleteProviderToken(ctx context.Context, subject, provider string) error
	// DeleteProviderTokensOf forgets the tokens of subject at all providers.
	DeleteProviderTokensOf(ctx context.Context, subject string) error
}
