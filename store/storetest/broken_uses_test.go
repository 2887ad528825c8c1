package storetest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenUses = []brokenStore{
	{"uses are set", "APIKeys/uses_add_up", func(s *edited) any { return setsUses{s} }},
	{"last use is the last written", "APIKeys/last_use_never_goes_back", func(s *edited) any { return lastWritten{s} }},
	{"last address without its time", "APIKeys/last_use_never_goes_back", func(s *edited) any { return keepsAddr{s} }},
	{"every use is the first", "APIKeys/first_use_is_answered", func(s *edited) any { return everyFirst{s} }},
	{"unknown uses are errors", "APIKeys/unknown_uses_are_skipped", func(s *edited) any { return unknownIsError{s} }},
	{"dead keys have no uses", "APIKeys/uses_of_dead_keys_count", func(s *edited) any { return skipsDead{s} }},
	{"statements of 1000 values", "APIKeys/uses_come_in_large_batches", func(s *edited) any { return smallBatches{s} }},
	{"reads uses, then adds", "APIKeys/uses_add_up_in_a_race", func(s *edited) any { return &usesRace{edited: s} }},
	{"looks for the first use, then adds", "APIKeys/first_use_is_answered_to_one", func(s *edited) any { return &firstRace{edited: s} }},
	{"uses one by one", "APIKeys/uses_are_seen_whole", func(s *edited) any { return usesOneByOne{s} }},
	{"uses write the whole row", "APIKeys/uses_keep_a_revocation", func(s *edited) any { return &usesUndo{edited: s} }},
}

// rowOf reads a key by its id alone.
func (s *edited) rowOf(ctx context.Context, id string) (store.APIKey, bool) {
	k, err := s.APIKey(ctx, s.ownerOf(id), id)
	return k, err == nil
}

type setsUses struct{ *edited }

func (s setsUses) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	for _, u := range uses {
		s.edit(u.ID, func(k *store.APIKey) { k.Uses = u.N })
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

type lastWritten struct{ *edited }

func (s lastWritten) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	for _, u := range uses {
		s.edit(u.ID, func(k *store.APIKey) { k.LastUsedAt, k.LastAddr = u.At, u.Addr })
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

// keepsAddr moves LastUsedAt only forward, and forgets the same for LastAddr.
type keepsAddr struct{ *edited }

func (s keepsAddr) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	for _, u := range uses {
		s.edit(u.ID, func(k *store.APIKey) { k.LastAddr = u.Addr })
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

type everyFirst struct{ *edited }

func (s everyFirst) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) (first []string, err error) {
	for _, u := range uses {
		if _, ok := s.rowOf(ctx, u.ID); ok {
			first = append(first, u.ID)
		}
	}
	_, err = s.edited.RecordAPIKeyUses(ctx, uses)
	return first, err
}

type unknownIsError struct{ *edited }

func (s unknownIsError) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	for _, u := range uses {
		if _, ok := s.rowOf(ctx, u.ID); !ok {
			return nil, store.ErrNotFound
		}
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

type skipsDead struct{ *edited }

func (s skipsDead) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	var live []store.APIKeyUse
	for _, u := range uses {
		if k, ok := s.rowOf(ctx, u.ID); ok && k.Live(0, u.At) {
			live = append(live, u)
		}
	}
	return s.edited.RecordAPIKeyUses(ctx, live)
}

type smallBatches struct{ *edited }

func (s smallBatches) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	if len(uses) > 1000 {
		return nil, errors.New("too many values")
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

// usesRace loses an update.
type usesRace struct {
	*edited
	meeting
}

func (s *usesRace) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	for _, u := range uses {
		row, _ := s.rowOf(ctx, u.ID)
		s.wait()
		s.edit(u.ID, func(k *store.APIKey) { k.Uses = row.Uses + u.N })
	}
	return s.edited.RecordAPIKeyUses(ctx, uses)
}

type firstRace struct {
	*edited
	meeting
}

func (s *firstRace) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) (first []string, err error) {
	for _, u := range uses {
		if row, ok := s.rowOf(ctx, u.ID); ok && row.Uses == 0 {
			first = append(first, u.ID)
		}
	}
	s.wait()
	_, err = s.edited.RecordAPIKeyUses(ctx, uses)
	return first, err
}

type usesOneByOne struct{ *edited }

func (s usesOneByOne) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) (first []string, err error) {
	for i := range uses {
		one, err := s.edited.RecordAPIKeyUses(ctx, uses[i:i+1])
		if err != nil {
			return nil, err
		}
		first = append(first, one...)
		s.waitForReaders()
	}
	return first, nil
}

// usesUndo writes back all of what it has read.
type usesUndo struct {
	*edited
	revoked atomic.Int64
}

func (s *usesUndo) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	defer s.revoked.Add(1)
	return s.edited.RevokeAPIKey(ctx, owner, id, now)
}

func (s *usesUndo) RecordAPIKeyUses(ctx context.Context, uses []store.APIKeyUse) ([]string, error) {
	before := s.revoked.Load()
	for _, u := range uses {
		row, ok := s.rowOf(ctx, u.ID)
		if !ok {
			continue
		}
		yieldUntil(func() bool { return s.revoked.Load() > before })
		row.Uses, row.LastUsedAt, row.LastAddr = row.Uses+u.N, u.At, u.Addr
		s.edit(u.ID, func(k *store.APIKey) { *k = row })
	}
	return nil, nil
}
