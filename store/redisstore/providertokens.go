package redisstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/gatehouse-go/authn/store"
)

const (
	maxProvider      = 64
	maxProviderToken = 32 << 10
)

// ProviderToken is of [store.ProviderTokens], as are the methods below. It is one
// HGET.
func (s *Store) ProviderToken(ctx context.Context, subject, provider string) (sealed []byte, err error) {
	if err := checkProvider(subject, provider); err != nil {
		return nil, fmt.Errorf("authn/redisstore: %w: %w", store.ErrNotFound, err)
	}
	sealed, err = s.client.HGet(ctx, s.providerTokens(subject), provider).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, store.ErrNotFound
	}
	return sealed, failed("read a provider's token", err)
}

// providerTokens is the key of all tokens of a subject.
func (s *Store) providerTokens(subject string) string {
	return s.ofTag(store.TagOf(subject)) + "provider-tokens:" + subject
}

func checkProvider(subject, provider string) error {
	return errors.Join(checkText("the subject", subject, maxOwner), checkText("the provider", provider, maxProvider))
}

func (s *Store) PutProviderToken(ctx context.Context, subject, provider string, sealed []byte) error {
	if err := errors.Join(checkProvider(subject, provider), checkSealed("the token", sealed, maxProviderToken)); err != nil {
		return failed("keep a provider's token", err)
	}
	answer, err := remembered(ctx, s.run, putProviderTokenScript, s.declaredOf(store.TagOf(subject)), subject, provider, sealed)
	if err != nil {
		return failed("keep a provider's token", err)
	}
	return refusal(answer)
}

// ReplaceProviderToken replayed by the client answers ErrConflict where another
// call came in between.
func (s *Store) ReplaceProviderToken(ctx context.Context, subject, provider string, old, sealed []byte) error {
	if err := checkSealed("the token", sealed, maxProviderToken); err != nil {
		return failed("replace a provider's token", err)
	}
	if err := checkProvider(subject, provider); err != nil {
		return fmt.Errorf("authn/redisstore: %w: %w", store.ErrConflict, err)
	}
	answer, err := s.deny(ctx, replaceProviderTokenScript, []string{s.providerTokens(subject)}, provider, old, sealed)
	if err != nil {
		return failed("replace a provider's token", err)
	}
	return refusal(answer)
}

func (s *Store) DeleteProviderToken(ctx context.Context, subject, provider string) error {
	if checkProvider(subject, provider) != nil {
		return nil // there can be none
	}
	return s.deleteProviderTokens(ctx, subject, provider)
}

func (s *Store) DeleteProviderTokensOf(ctx context.Context, subject string) error {
	if checkProvider(subject, "") != nil {
		return nil // there can be none
	}
	return s.deleteProviderTokens(ctx, subject)
}

// deleteProviderTokens deletes that of the provider, or all.
func (s *Store) deleteProviderTokens(ctx context.Context, subject string, provider ...any) error {
	answer, err := remembered(ctx, s.deny, deleteProviderTokensScript, s.declaredOf(store.TagOf(subject)), append([]any{subject}, provider...)...)
	if err != nil {
		return failed("delete provider's tokens", err)
	}
	return refusal(answer)
}
