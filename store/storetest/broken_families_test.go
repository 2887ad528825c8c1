package storetest_test

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenFamilies = []brokenStore{
	{"family times of seconds", "Tokens/family_keeps_every_field", created(func(_ *edited, f *store.RefreshFamily) { f.IdleUntil = f.IdleUntil.Truncate(time.Second) })},
	{"generations of JavaScript", "Tokens/family_keeps_every_field", created(func(_ *edited, f *store.RefreshFamily) { f.Generation = int64(float64(f.Generation)) })},
	{"a family forgets what is owed", "Tokens/family_keeps_every_field", created(func(_ *edited, f *store.RefreshFamily) { f.Identity.Pending = nil })},
	{"a family keeps all of an identity", "Tokens/family_keeps_no_verified_at", created(func(s *edited, f *store.RefreshFamily) {
		at := f.Identity.VerifiedAt
		s.families.add(f.Ref.ID, func(row *store.RefreshFamily) { row.Identity.VerifiedAt = at })
	})},
	{"a family keeps the caller's slices", "Tokens/family_keeps_copies", created(func(s *edited, f *store.RefreshFamily) {
		scopes := f.Scopes
		s.families.add(f.Ref.ID, func(row *store.RefreshFamily) { row.Scopes = scopes })
	})},
	{"a family keeps the caller's attributes", "Tokens/family_keeps_copies", created(func(s *edited, f *store.RefreshFamily) {
		attributes := f.Identity.Attributes
		s.families.add(f.Ref.ID, func(row *store.RefreshFamily) { row.Identity.Attributes = attributes })
	})},
	{"no family is no error", "Tokens/missing_family_is_not_found", func(s *edited) any { return noFamilyNoError{s} }},
	{"no family is revoked", "Tokens/missing_family_is_not_found", func(s *edited) any { return revokesNoFamily{s} }},
	{"families are read by id alone", "Tokens/family_of_another_tag_is_not_found", func(s *edited) any { return readsAnyTag{s} }},
	{"families are revoked by id alone", "Tokens/family_of_another_tag_is_not_found", func(s *edited) any { return revokesAnyTag{s} }},
	{"families are advanced by id alone", "Tokens/family_of_another_tag_is_not_found", func(s *edited) any { return advancesAnyTag{s} }},
	{"hides dead families", "Tokens/dead_families_are_read", func(s *edited) any { return hidesDeadFamilies{s} }},
	{"a second family is no error", "Tokens/create_family_refuses_a_known_id", func(s *edited) any { return createsAgain{s} }},
	{"families of an earlier version", "Tokens/create_family_refuses_another_version", created(func(s *edited, f *store.RefreshFamily) { f.Version = max(f.Version, s.version(f.Subject)) })},
	{"families of a later version", "Tokens/create_family_refuses_another_version", created(func(s *edited, f *store.RefreshFamily) { f.Version = min(f.Version, s.version(f.Subject)) })},
	{"looks for the id, then creates", "Tokens/family_ids_are_unique_in_a_race", func(s *edited) any { return &createRace{edited: s} }},
	{"cleans families without a margin", "Tokens/cleaning_spares_families", func(s *edited) any { return cleansFamilies{s} }},
	{"clients of 191 bytes", "Tokens/family_keeps_awkward_text", created(func(_ *edited, f *store.RefreshFamily) { f.ClientID = f.ClientID[:min(len(f.ClientID), 191)] })},
	{"scopes in one text", "Tokens/family_keeps_awkward_text", created(func(_ *edited, f *store.RefreshFamily) { f.Scopes = strings.Fields(strings.Join(f.Scopes, " ")) })},
	{"family ids without case", "Tokens/family_ids_compare_bytewise", func(s *edited) any { return foldsFamilies{s} }},
	{"revoking moves the revocation", "Tokens/revoke_family_once", func(s *edited) any { return revokesFamilyAgain{s} }},
	{"a family that is not there", "Tokens/token_of_a_family", func(s *edited) any { return missingLives{s} }},
	{"anybody's family will do", "Tokens/token_of_a_family", func(s *edited) any { return anybodysFamily{s} }},
	{"no family is a missing one", "Tokens/token_of_a_family", func(s *edited) any { return noFamilyIsMissing{s} }},
	{"an idle family is revoked", "Tokens/expired_family_is_no_revocation", func(s *edited) any { return idleIsRevoked{s} }},
	{"families outlive their subject's version", "Tokens/revoke_tokens_of_ends_families", revives(outdated)},
	{"all of a second are revoked", "Tokens/login_after_revoke_tokens_of", func(s *edited) any { return revokesTheSecond{s} }},
}

// createdOf changes what is inserted.
type createdOf struct {
	*edited
	change func(s *edited, f *store.RefreshFamily)
}

func created(change func(s *edited, f *store.RefreshFamily)) func(*edited) any {
	return func(s *edited) any { return createdOf{s, change} }
}

func (s createdOf) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	s.change(s.edited, &f)
	return s.edited.CreateFamily(ctx, f)
}

type noFamilyNoError struct{ *edited }

func (s noFamilyNoError) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	f, _ := s.edited.Family(ctx, ref)
	return f, nil
}

type revokesNoFamily struct{ *edited }

func (s revokesNoFamily) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	_ = s.edited.RevokeFamily(ctx, ref, now)
	return nil
}

type readsAnyTag struct{ *edited }

func (s readsAnyTag) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	return s.edited.Family(ctx, s.refOf(ref.ID))
}

type revokesAnyTag struct{ *edited }

func (s revokesAnyTag) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	return s.edited.RevokeFamily(ctx, s.refOf(ref.ID), now)
}

type advancesAnyTag struct{ *edited }

func (s advancesAnyTag) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	return s.edited.AdvanceFamily(ctx, s.refOf(ref.ID), a)
}

type hidesDeadFamilies struct{ *edited }

func (s hidesDeadFamilies) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	f, err := s.edited.Family(ctx, ref)
	if err == nil && !f.RevokedAt.IsZero() {
		return store.RefreshFamily{}, store.ErrNotFound
	}
	return f, err
}

type createsAgain struct{ *edited }

func (s createsAgain) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	err := s.edited.CreateFamily(ctx, f)
	if errors.Is(err, store.ErrExists) {
		return nil
	}
	return err
}

type createRace struct {
	*edited
	meeting
}

func (s *createRace) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	if s.refOf(f.Ref.ID) != (store.FamilyRef{}) {
		return store.ErrExists
	}
	s.wait()
	_ = s.edited.CreateFamily(ctx, f)
	return nil
}

type cleansFamilies struct{ *edited }

func (s cleansFamilies) Family(ctx context.Context, ref store.FamilyRef) (store.RefreshFamily, error) {
	f, err := s.edited.Family(ctx, ref)
	if err == nil && f.IdleUntil.Before(s.now()) {
		return store.RefreshFamily{}, store.ErrNotFound
	}
	return f, err
}

type foldsFamilies struct{ *edited }

func (s foldsFamilies) CreateFamily(ctx context.Context, f store.RefreshFamily) error {
	for _, ref := range s.refsOf(f.Subject) {
		if strings.EqualFold(ref.ID, f.Ref.ID) {
			return store.ErrExists
		}
	}
	return s.edited.CreateFamily(ctx, f)
}

type revokesFamilyAgain struct{ *edited }

func (s revokesFamilyAgain) RevokeFamily(ctx context.Context, ref store.FamilyRef, now time.Time) error {
	s.families.add(ref.ID, func(f *store.RefreshFamily) { f.RevokedAt = now })
	return s.edited.RevokeFamily(ctx, ref, now)
}

type missingLives struct{ *edited }

func (s missingLives) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if s.refOf(t.Family).ID == "" {
		t.Family = ""
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

type anybodysFamily struct{ *edited }

func (s anybodysFamily) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if ref := s.refOf(t.Family); ref.ID != "" && ref.Tag != store.TagOf(t.Subject) {
		t.Family = ""
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

type noFamilyIsMissing struct{ *edited }

func (s noFamilyIsMissing) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if t.Family == "" {
		return store.TokenRevokedByFamily, nil
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

type idleIsRevoked struct{ *edited }

func (s idleIsRevoked) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if f, err := s.Family(ctx, s.refOf(t.Family)); err == nil && !s.now().Before(f.IdleUntil) {
		return store.TokenRevokedByFamily, nil
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

// revokesTheSecond knows the time of a revocation, and no version.
type revokesTheSecond struct{ *edited }

func (s revokesTheSecond) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	t.Version = 0
	return s.edited.TokenRevoked(ctx, t, now)
}
