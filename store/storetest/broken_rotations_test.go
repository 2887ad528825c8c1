package storetest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenRotations = []brokenStore{
	{"successor without a name", "APIKeys/rotate_inserts_the_successor", func(s *edited) any { return forgetsSuccessor{s} }},
	{"rotation extends", "APIKeys/rotate_never_extends", func(s *edited) any { return extends{s} }},
	{"rotates the dead", "APIKeys/rotate_of_a_dead_or_replaced_key", func(s *edited) any { return rotatesDead{s} }},
	{"rotates at the deadline", "APIKeys/rotate_at_the_deadline", func(s *edited) any { return rotatesAtEnd{s} }},
	{"rotates once", "APIKeys/rotate_again_and_again", func(s *edited) any { return rotatesOnce{s} }},
	{"rotation without a transaction", "APIKeys/failed_rotate_changes_nothing", func(s *edited) any { return endsFirst{s} }},
	{"looks, then rotates", "APIKeys/rotate_has_one_winner", func(s *edited) any { return &rotateRace{edited: s} }},
	{"rotates in two writes", "APIKeys/rotate_is_seen_whole", func(s *edited) any { return rotatesInTwo{s, false} }},
	{"rotates in two writes, the old key first", "APIKeys/rotate_is_seen_whole", func(s *edited) any { return rotatesInTwo{s, true} }},
	{"revoke-all misses a rotation", "APIKeys/rotate_against_revoke_all", func(s *edited) any { return &missesRotation{edited: s} }},
	{"rotation writes the whole row", "APIKeys/rotate_keeps_a_revocation", func(s *edited) any { return &undoesRevocation{edited: s} }},
}

// replace makes id read as replaced by next.
func (s *edited) replace(id string, next store.APIKey, until time.Time) {
	s.edit(id, func(k *store.APIKey) { k.ReplacedBy, k.ExpiresAt = next.ID, until })
}

// replaceable is the check of a rotation alone.
func (s *edited) replaceable(ctx context.Context, owner, id string, now time.Time) (store.APIKey, error) {
	k, err := s.APIKey(ctx, owner, id)
	if err == nil && (k.ReplacedBy != "" || !k.Live(0, now)) {
		err = store.ErrConflict
	}
	return k, err
}

type forgetsSuccessor struct{ *edited }

func (s forgetsSuccessor) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	s.edit(id, func(k *store.APIKey) { k.ReplacedBy = "" })
	return s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
}

type extends struct{ *edited }

func (s extends) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	err := s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
	if err == nil {
		s.replace(id, next, until)
	}
	return err
}

type rotatesDead struct{ *edited }

func (s rotatesDead) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	k, err := s.APIKey(ctx, owner, id)
	if err == nil && !k.RevokedAt.IsZero() {
		return s.CreateAPIKey(ctx, next, store.APIKeyLimits{}, now)
	}
	return s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
}

type rotatesAtEnd struct{ *edited }

func (s rotatesAtEnd) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	return s.edited.RotateAPIKey(ctx, owner, id, next, until, now.Add(-time.Microsecond))
}

// rotatesOnce takes any key of a chain for one that was replaced.
type rotatesOnce struct{ *edited }

func (s rotatesOnce) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	for _, k := range s.keysOf(ctx, owner) {
		if k.ReplacedBy == id {
			return store.ErrConflict
		}
	}
	return s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
}

// endsFirst does not roll back when the successor cannot be inserted.
type endsFirst struct{ *edited }

func (s endsFirst) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	err := s.edited.RotateAPIKey(ctx, owner, id, next, until, now)
	if errors.Is(err, store.ErrExists) {
		s.edit(id, func(k *store.APIKey) { k.ExpiresAt = until })
	}
	return err
}

type rotateRace struct {
	*edited
	meeting
}

func (s *rotateRace) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	if _, err := s.replaceable(ctx, owner, id, now); err != nil {
		return err
	}
	s.wait()
	s.replace(id, next, until)
	return s.CreateAPIKey(ctx, next, store.APIKeyLimits{}, now)
}

type rotatesInTwo struct {
	*edited
	oldFirst bool
}

func (s rotatesInTwo) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	if _, err := s.replaceable(ctx, owner, id, now); err != nil {
		return err
	}
	if s.oldFirst {
		s.replace(id, next, until)
		s.waitForReaders()
	}
	err := s.CreateAPIKey(ctx, next, store.APIKeyLimits{}, now)
	if !s.oldFirst {
		s.waitForReaders()
		s.replace(id, next, until)
	}
	return err
}

// missesRotation inserts a successor that a revocation has not seen.
type missesRotation struct {
	*edited
	revoked atomic.Int64
}

func (s *missesRotation) RevokeAPIKeysOf(ctx context.Context, owner string, now time.Time) error {
	defer s.revoked.Add(1)
	return s.edited.RevokeAPIKeysOf(ctx, owner, now)
}

func (s *missesRotation) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	before := s.revoked.Load()
	if _, err := s.replaceable(ctx, owner, id, now); err != nil {
		return err
	}
	yieldUntil(func() bool { return s.revoked.Load() > before })
	s.replace(id, next, until)
	return s.CreateAPIKey(ctx, next, store.APIKeyLimits{}, now)
}

// undoesRevocation writes back all of what it has read.
type undoesRevocation struct {
	*edited
	revoked atomic.Int64
}

func (s *undoesRevocation) RevokeAPIKey(ctx context.Context, owner, id string, now time.Time) error {
	defer s.revoked.Add(1)
	return s.edited.RevokeAPIKey(ctx, owner, id, now)
}

func (s *undoesRevocation) RotateAPIKey(ctx context.Context, owner, id string, next store.APIKey, until, now time.Time) error {
	before := s.revoked.Load()
	row, err := s.replaceable(ctx, owner, id, now)
	if err != nil {
		return err
	}
	yieldUntil(func() bool { return s.revoked.Load() > before })
	row.ReplacedBy, row.ExpiresAt = next.ID, until
	s.edit(id, func(k *store.APIKey) { *k = row })
	return s.CreateAPIKey(ctx, next, store.APIKeyLimits{}, now)
}
