package storetest_test

import (
	"context"
	"slices"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// now is the store's clock.
func (s *edited) now() time.Time { return time.Now().Add(s.offset()) }

// refOf is where the family id is, zero if it is unknown.
func (s *edited) refOf(id string) store.FamilyRef {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs[id]
}

// refsOf are the families of subject.
func (s *edited) refsOf(subject string) (refs []store.FamilyRef) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ref := range s.refs {
		if ref.Tag == store.TagOf(subject) {
			refs = append(refs, ref)
		}
	}
	return refs
}

// version is the subject's, however lately it has moved on.
func (s *edited) version(subject string) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return 1 + s.revoked[subject]
}

func (s *edited) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	s.reads.Add(1)
	return s.Store.TokenRevoked(ctx, t, now)
}

func (s *edited) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	err := s.Store.CreateFamily(ctx, f)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refs[f.Ref.ID] = f.Ref
	}
	return err
}

func (s *edited) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	s.reads.Add(1)
	f, err := s.Store.Family(ctx, ref)
	return s.families.view(ref.ID, f), err
}

func (s *edited) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	f, err := s.Store.AdvanceFamily(ctx, ref, a)
	return s.families.view(ref.ID, f), err
}

func (s *edited) RevokeTokensOf(ctx context.Context, subject string) error {
	err := s.Store.RevokeTokensOf(ctx, subject)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.revoked[subject]++
	}
	return err
}

// allSigningKeys answers expired ones, too, newest first.
func (s *edited) allSigningKeys(ctx context.Context) []store.SigningKey {
	keys, _ := s.Store.ListSigningKeys(ctx, time.Time{})
	for i, k := range keys {
		keys[i] = s.ring.view(k.ID, k)
	}
	return keys
}

func (s *edited) ListSigningKeys(ctx context.Context, now time.Time) ([]store.SigningKey, error) {
	s.reads.Add(1)
	return slices.DeleteFunc(s.allSigningKeys(ctx), func(k store.SigningKey) bool { return expired(k, now) }), nil
}

func expired(k store.SigningKey, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}
