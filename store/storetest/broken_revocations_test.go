package storetest_test

import (
	"context"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenRevocations = []brokenStore{
	{"revokes anew", "APIKeys/revoke_sets_the_time_once", func(s *edited) any { return revokesAnew{s} }},
	{"revoked is an error", "APIKeys/revoke_sets_the_time_once", func(s *edited) any { return revokedIsError{s} }},
	{"looks, then revokes", "APIKeys/revoke_race_sets_the_time_once", func(s *edited) any { return &revokeRace{edited: s} }},
	{"revoke-all skips replaced keys", "APIKeys/revoke_all_covers_every_key", func(s *edited) any { return skipsReplaced{s} }},
	{"revoke-all of one page", "APIKeys/revoke_all_covers_more_than_a_page", func(s *edited) any { return revokesAPage{s} }},
	{"revoke-all by pattern", "APIKeys/revoke_all_spares_others", func(s *edited) any { return revokesLike{s} }},
	{"revoke-all of nobody is an error", "APIKeys/revoke_all_of_nobody", func(s *edited) any { return nobodyIsError{s} }},
	{"revoke-all one by one", "APIKeys/revoke_all_is_seen_whole", func(s *edited) any { return oneByOne{s, false} }},
	{"revoke-all one by one, the oldest first", "APIKeys/revoke_all_is_seen_whole", func(s *edited) any { return oneByOne{s, true} }},
}

type revokesAnew struct{ *edited }

func (s revokesAnew) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	err := s.edited.RevokeAPIKey(ctx, owner, id, now)
	if err == nil {
		s.edit(id, func(k *store.APIKey) { k.RevokedAt = now })
	}
	return err
}

type revokedIsError struct{ *edited }

func (s revokedIsError) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	if k, err := s.APIKey(ctx, owner, id); err == nil && !k.RevokedAt.IsZero() {
		return store.ErrConflict
	}
	return s.edited.RevokeAPIKey(ctx, owner, id, now)
}

type revokeRace struct {
	*edited
	meeting
}

func (s *revokeRace) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	k, err := s.APIKey(ctx, owner, id)
	if err != nil || !k.RevokedAt.IsZero() {
		return err
	}
	s.wait()
	s.edit(id, func(k *store.APIKey) { k.RevokedAt = now })
	return nil
}

type skipsReplaced struct{ *edited }

func (s skipsReplaced) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	for _, k := range s.keysOf(ctx, owner) {
		if k.ReplacedBy == "" {
			_ = s.RevokeAPIKey(ctx, owner, k.ID, now)
		}
	}
	return nil
}

type revokesAPage struct{ *edited }

func (s revokesAPage) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	keys, _, err := s.ListAPIKeys(ctx, owner, store.Page{})
	for _, k := range keys {
		_ = s.RevokeAPIKey(ctx, owner, k.ID, now)
	}
	return err
}

// revokesLike reads an owner as a pattern of LIKE.
type revokesLike struct{ *edited }

func (s revokesLike) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	prefix, _, pattern := strings.Cut(owner, "%")
	for _, k := range s.all(ctx) {
		if k.Owner == owner || pattern && strings.HasPrefix(k.Owner, prefix) {
			_ = s.RevokeAPIKey(ctx, k.Owner, k.ID, now)
		}
	}
	return nil
}

type nobodyIsError struct{ *edited }

func (s nobodyIsError) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	if len(s.keysOf(ctx, owner)) == 0 {
		return store.ErrNotFound
	}
	return s.edited.RevokeAPIKeysOf(ctx, owner, now)
}

type oneByOne struct {
	*edited
	oldestFirst bool
}

func (s oneByOne) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	keys := s.keysOf(ctx, owner)
	for i := range keys {
		if s.oldestFirst {
			i = len(keys) - 1 - i
		}
		_ = s.RevokeAPIKey(ctx, owner, keys[i].ID, now)
		s.waitForReaders()
	}
	return nil
}
