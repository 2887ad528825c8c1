package storetest_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenAdvances = []brokenStore{
	{"the successor has the old key", "Tokens/advance_moves_the_generation_on", advancedThen(func(f *store.RefreshFamily, _ use) { f.KeyID = "key 1" })},
	{"rotated by the machine's clock", "Tokens/advance_moves_the_generation_on", advancedThen(func(f *store.RefreshFamily, _ use) { f.RotatedAt = time.Now() })},
	{"refreshes twice", "Tokens/advance_again_and_again", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation > 2 {
			return store.RefreshFamily{}, store.ErrConflict
		}
		return s.advance(u)
	})},
	{"idle outlasts the family", "Tokens/idle_ends_with_the_family", advancedThen(func(f *store.RefreshFamily, u use) { f.IdleUntil = f.RotatedAt.Add(u.Idle) })},
	{"idle never moves back", "Tokens/idle_ends_with_the_family", advancedThen(func(f *store.RefreshFamily, u use) {
		if f.IdleUntil.Before(u.was.IdleUntil) {
			f.IdleUntil = u.was.IdleUntil
		}
	})},
	{"a later generation is a reuse", "Tokens/advance_of_a_later_generation", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation > u.was.Generation {
			u.Generation = 0
		}
		return s.advance(u)
	})},
	{"any client", "Tokens/advance_of_another_client", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		u.ClientID = u.was.ClientID
		return s.advance(u)
	})},
	{"any certificate", "Tokens/advance_of_another_client", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		u.Confirm = u.was.Confirm
		return s.advance(u)
	})},
	{"a reuse before the client", "Tokens/advance_of_another_client", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation < u.was.Generation-1 {
			u.ClientID, u.Confirm = u.was.ClientID, u.was.Confirm
		}
		return s.advance(u)
	})},
	{"a reuse is refused and no more", "Tokens/reuse_revokes_the_family", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation < u.was.Generation-1 {
			return u.was, store.ErrConflict
		}
		return s.advance(u)
	})},
	{"a reuse answers no family", "Tokens/reuse_revokes_the_family", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		f, err := s.advance(u)
		if err != nil {
			f = store.RefreshFamily{}
		}
		return f, err
	})},
	{"a reuse is rolled back with its error", "Tokens/reuse_ends_everything_of_the_family", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation < u.was.Generation-1 {
			u.was.RevokedAt = s.now()
			return u.was, store.ErrConflict
		}
		return s.advance(u)
	})},
	{"a use in grace writes its key", "Tokens/advance_within_grace_changes_nothing", graceThen(func(f *store.RefreshFamily, u use) { f.KeyID = u.KeyID })},
	{"a use in grace extends", "Tokens/advance_within_grace_changes_nothing", graceThen(func(f *store.RefreshFamily, u use) { f.IdleUntil = f.IdleUntil.Add(u.Idle) })},
	{"a use in grace begins it again", "Tokens/advance_within_grace_changes_nothing", graceThen(func(f *store.RefreshFamily, _ use) { f.RotatedAt = f.RotatedAt.Add(time.Second) })},
	{"grace ends late", "Tokens/grace_ends", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		u.Grace += 30 * time.Second
		return s.advance(u)
	})},
	{"no grace is a moment", "Tokens/grace_of_zero_is_none", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		u.Grace = max(u.Grace, 1)
		return s.advance(u)
	})},
	{"grace for all that is spent", "Tokens/grace_ends_with_the_next_use", advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		if u.Generation < u.was.Generation && u.Grace > 0 {
			return u.was, nil
		}
		return s.advance(u)
	})},
	{"advances the revoked", "Tokens/advance_of_a_revoked_family", revives(func(_ *edited, f store.RefreshFamily) bool { return !f.RevokedAt.IsZero() })},
	{"advances the outdated", "Tokens/advance_of_an_outdated_family", revives(outdated)},
	{"advances the idle", "Tokens/advance_of_an_idle_family", revives(func(s *edited, f store.RefreshFamily) bool { return s.now().After(f.IdleUntil) })},
	{"idle ends by the machine's clock", "Tokens/advance_of_an_idle_family", revives(func(_ *edited, f store.RefreshFamily) bool { return time.Now().Before(f.IdleUntil) })},
	{"advances the expired", "Tokens/advance_of_an_expired_family", revives(func(s *edited, f store.RefreshFamily) bool { return s.now().After(f.ExpiresAt) })},
	{"reads, then advances", "Tokens/advance_race_within_grace", func(s *edited) any { return &advanceRace{edited: s} }},
	{"reads, then advances, without grace", "Tokens/advance_race_without_grace", func(s *edited) any { return &advanceRace{edited: s} }},
	{"advances in two writes", "Tokens/advance_is_seen_whole", func(s *edited) any { return advancesInTwo{s} }},
	{"advance writes the whole row", "Tokens/advance_against_revoke_family", func(s *edited) any { return &advanceUndoes{edited: s} }},
	{"revoke-all marks the families that it sees", "Tokens/advance_against_revoke_all", func(s *edited) any { return &advanceUndoes{edited: s, marks: true} }},
	{"one buffer for all families", "Tokens/families_race_for_themselves", func(s *edited) any { return &oneBuffer{edited: s} }},
}

// use is what AdvanceFamily is called with, and the family before it.
type use struct {
	ctx context.Context
	ref store.FamilyRef
	store.FamilyAdvance
	was store.RefreshFamily
}

// advance is right.
func (s *edited) advance(u use) (store.RefreshFamily, error) {
	return s.AdvanceFamily(u.ctx, u.ref, u.FamilyAdvance)
}

// wrongAdvance uses refresh tokens in another way.
type wrongAdvance struct {
	*edited
	wrong func(s *edited, u use) (store.RefreshFamily, error)
}

func advancedFirst(wrong func(s *edited, u use) (store.RefreshFamily, error)) func(*edited) any {
	return func(s *edited) any { return wrongAdvance{s, wrong} }
}

func (s wrongAdvance) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	was, err := s.Family(ctx, ref)
	if err != nil {
		return was, err
	}
	return s.wrong(s.edited, use{ctx, ref, a, was})
}

// changedBy is a use after which the family reads otherwise, if when says so.
func changedBy(when func(u use) bool, change func(f *store.RefreshFamily, u use)) func(*edited) any {
	return advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		f, err := s.advance(u)
		if err == nil && when(u) {
			change(&f, u)
			wrong := f
			s.families.remove(u.ref.ID)
			s.families.add(u.ref.ID, func(f *store.RefreshFamily) { *f = wrong })
		}
		return f, err
	})
}

func advancedThen(change func(f *store.RefreshFamily, u use)) func(*edited) any {
	return changedBy(func(u use) bool { return u.Generation == u.was.Generation }, change)
}

func graceThen(change func(f *store.RefreshFamily, u use)) func(*edited) any {
	return changedBy(func(u use) bool { return u.Generation == u.was.Generation-1 }, change)
}

// revives answers a use of a dead family as if it lived.
func revives(dead func(s *edited, f store.RefreshFamily) bool) func(*edited) any {
	return advancedFirst(func(s *edited, u use) (store.RefreshFamily, error) {
		f, err := s.advance(u)
		if errors.Is(err, store.ErrNotFound) && dead(s, u.was) {
			return u.was, nil
		}
		return f, err
	})
}

func outdated(s *edited, f store.RefreshFamily) bool { return f.Version != s.version(f.Subject) }

// next is the family after a use of its current generation.
func (u use) next(now time.Time) store.RefreshFamily {
	f := u.was
	f.Generation++
	f.KeyID, f.RotatedAt, f.IdleUntil = u.KeyID, now, now.Add(u.Idle)
	return f
}

type advanceRace struct {
	*edited
	meeting
}

func (s *advanceRace) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	was, err := s.Family(ctx, ref)
	if err != nil || was.Generation != a.Generation {
		return was, err
	}
	s.wait()
	next := use{ctx, ref, a, was}.next(s.now())
	s.families.add(ref.ID, func(f *store.RefreshFamily) { *f = next })
	return next, nil
}

type advancesInTwo struct{ *edited }

func (s advancesInTwo) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	was, err := s.Family(ctx, ref)
	if err != nil {
		return was, err
	}
	s.families.add(ref.ID, func(f *store.RefreshFamily) { f.KeyID = was.KeyID })
	f, err := s.Store.AdvanceFamily(ctx, ref, a)
	s.waitForReaders()
	s.families.remove(ref.ID)
	return f, err
}

// advanceUndoes writes back all of what it has read.
type advanceUndoes struct {
	*edited
	marks       bool // RevokeTokensOf marks families, and moves no version
	revocations atomic.Int64
}

func (s *advanceUndoes) RevokeFamily(_ context.Context, ref store.FamilyRef, now time.Time) error {
	defer s.revocations.Add(1)
	s.families.add(ref.ID, func(f *store.RefreshFamily) { f.RevokedAt = now })
	return nil
}

func (s *advanceUndoes) RevokeTokensOf(ctx context.Context, subject string) error {
	if !s.marks {
		return s.edited.RevokeTokensOf(ctx, subject)
	}
	for _, ref := range s.refsOf(subject) {
		_ = s.RevokeFamily(ctx, ref, s.now())
	}
	return nil
}

func (s *advanceUndoes) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if f, err := s.Family(ctx, s.refOf(t.Family)); err == nil && !f.RevokedAt.IsZero() {
		return store.TokenRevokedByFamily, nil
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

func (s *advanceUndoes) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	before := s.revocations.Load()
	was, err := s.Family(ctx, ref)
	if err != nil || !was.RevokedAt.IsZero() || was.Generation != a.Generation {
		return store.RefreshFamily{}, store.ErrNotFound
	}
	yieldUntil(func() bool { return s.revocations.Load() > before })
	next := use{ctx, ref, a, was}.next(s.now())
	s.families.add(ref.ID, func(f *store.RefreshFamily) { *f = next })
	return next, nil
}

type oneBuffer struct {
	*edited
	meeting
	key atomic.Value
}

func (s *oneBuffer) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	s.key.Store(a.KeyID)
	s.wait()
	a.KeyID = s.key.Load().(string)
	return s.edited.AdvanceFamily(ctx, ref, a)
}
