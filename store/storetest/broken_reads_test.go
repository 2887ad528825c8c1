package storetest_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenReads = []brokenStore{
	{"times of seconds", "APIKeys/keeps_every_field", func(s *edited) any { return secondsOnly{s} }},
	{"numbers of JavaScript", "APIKeys/keeps_every_field", func(s *edited) any { return floatUses{s} }},
	{"keeps the caller's slices", "APIKeys/keeps_copies", func(s *edited) any { return aliasing{s} }},
	{"keeps the caller's slices at rotation", "APIKeys/keeps_copies", func(s *edited) any { return aliasingNext{s} }},
	{"no row is no error", "APIKeys/missing_key_is_not_found", func(s *edited) any { return noRowsNoError{s} }},
	{"reads by id alone", "APIKeys/foreign_key_is_not_found", func(s *edited) any { return readsForeign{s} }},
	{"revokes by id alone", "APIKeys/foreign_key_is_not_found", func(s *edited) any { return revokesForeign{s} }},
	{"rotates by id alone", "APIKeys/foreign_key_is_not_found", func(s *edited) any { return rotatesForeign{s} }},
	{"hides dead keys", "APIKeys/dead_keys_are_read", func(s *edited) any { return hidesDead{s} }},
	{"rows expire", "APIKeys/dead_keys_stay", func(s *edited) any { return rowsExpire{s} }},
	{"panics without a context", "APIKeys/calls_with_an_ended_context", func(s *edited) any { return panicsOnCancel{s} }},
}

var brokenNames = []brokenStore{
	{"text of 191 bytes", "APIKeys/keeps_awkward_text", func(s *edited) any { return cutsText{s} }},
	{"text without emoji", "APIKeys/keeps_awkward_text", func(s *edited) any { return noEmoji{s} }},
	{"owners without case", "APIKeys/owners_compare_bytewise", func(s *edited) any { return foldsOwners{s} }},
	{"owners without trailing spaces", "APIKeys/owners_compare_bytewise", func(s *edited) any { return trimsOwners{s} }},
	{"ids without case", "APIKeys/ids_compare_bytewise", func(s *edited) any { return foldsIDs{s} }},
	{"digests without case", "APIKeys/digests_compare_bytewise", func(s *edited) any { return foldsDigests{s} }},
}

type secondsOnly struct{ *edited }

func (s secondsOnly) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	k.ExpiresAt = k.ExpiresAt.Truncate(time.Second)
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type floatUses struct{ *edited }

func (s floatUses) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	k.Uses = int64(float64(k.Uses))
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type aliasing struct{ *edited }

func (s aliasing) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	s.edit(k.ID, func(row *store.APIKey) { row.Scopes, row.Metadata = k.Scopes, k.Metadata })
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type aliasingNext struct{ *edited }

func (s aliasingNext) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	s.edit(next.ID, func(row *store.APIKey) { row.Scopes, row.Metadata = next.Scopes, next.Metadata })
	return s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
}

type noRowsNoError struct{ *edited }

func (s noRowsNoError) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	k, err := s.edited.APIKeyByDigest(ctx, d)
	if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	return k, err
}

type readsForeign struct{ *edited }

func (s readsForeign) APIKey(ctx context.Context, _, id string) (store.APIKey, error) {
	return s.edited.APIKey(ctx, s.ownerOf(id), id)
}

type revokesForeign struct{ *edited }

func (s revokesForeign) RevokeAPIKey(ctx context.Context, _, id string, now time.Time) error {
	return s.edited.RevokeAPIKey(ctx, s.ownerOf(id), id, now)
}

type rotatesForeign struct{ *edited }

func (s rotatesForeign) RotateAPIKey(ctx context.Context, _, id string, next store.APIKey, until, now time.Time) error {
	return s.edited.RotateAPIKey(ctx, s.ownerOf(id), id, next, until, now)
}

type hidesDead struct{ *edited }

func (s hidesDead) APIKeyByDigest(ctx context.Context, d store.Digest) (store.APIKey, error) {
	k, err := s.edited.APIKeyByDigest(ctx, d)
	if err == nil && !k.RevokedAt.IsZero() {
		return store.APIKey{}, store.ErrNotFound
	}
	return k, err
}

// rowsExpire is a table with a time to live.
type rowsExpire struct{ *edited }

func (s rowsExpire) APIKey(ctx context.Context, owner, id string) (store.APIKey, error) {
	k, err := s.edited.APIKey(ctx, owner, id)
	if gone := time.Now().Add(s.offset() - 24*time.Hour); err == nil && !k.ExpiresAt.IsZero() && k.ExpiresAt.Before(gone) {
		return store.APIKey{}, store.ErrNotFound
	}
	return k, err
}

type panicsOnCancel struct{ *edited }

func (s panicsOnCancel) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

// cutsText is an index on utf8mb4 columns.
type cutsText struct{ *edited }

func (s cutsText) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	k.Name = k.Name[:min(len(k.Name), 191)]
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

// noEmoji is a column of three bytes a character.
type noEmoji struct{ *edited }

func (s noEmoji) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	k.Name = strings.ReplaceAll(k.Name, "🔑", "?")
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type foldsOwners struct{ *edited }

func (s foldsOwners) APIKey(ctx context.Context, owner, id string) (store.APIKey, error) {
	if mine := s.ownerOf(id); strings.EqualFold(owner, mine) {
		owner = mine
	}
	return s.edited.APIKey(ctx, owner, id)
}

type trimsOwners struct{ *edited }

func (s trimsOwners) ListAPIKeys(ctx context.Context, owner string, p store.Page) ([]store.APIKey, string, error) {
	return s.edited.ListAPIKeys(ctx, strings.TrimRight(owner, " "), p)
}

type foldsIDs struct{ *edited }

func (s foldsIDs) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	for _, there := range s.all(ctx) {
		if strings.EqualFold(there.ID, k.ID) {
			return store.ErrExists
		}
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}

type foldsDigests struct{ *edited }

func (s foldsDigests) CreateAPIKey(ctx context.Context, k store.APIKey, l store.APIKeyLimits, now time.Time) error {
	for _, there := range s.all(ctx) {
		if bytes.EqualFold(there.Digest[:], k.Digest[:]) {
			return store.ErrExists
		}
	}
	return s.edited.CreateAPIKey(ctx, k, l, now)
}
