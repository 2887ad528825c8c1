package storetest_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gatehouse-go/authn/store"
)

var brokenTokens = []brokenStore{
	{"no row is a revoked subject", "Tokens/token_of_which_nothing_is_revoked_lives", func(s *edited) any { return noRowRevoked{s} }},
	{"tokens are revoked once", "Tokens/revoked_token_is_dead", func(s *edited) any { return &revokesTokenOnce{edited: s} }},
	{"tokens by issuer and id in a row", "Tokens/tokens_are_named_by_issuer_and_id", namedBy(func(t store.TokenRef) string { return t.Issuer + t.ID })},
	{"tokens by id alone", "Tokens/tokens_are_named_by_issuer_and_id", namedBy(func(t store.TokenRef) string { return t.ID })},
	{"tokens with a colon between", "Tokens/tokens_are_named_by_issuer_and_id", namedBy(func(t store.TokenRef) string { return t.Issuer + ":" + t.ID })},
	{"token names without case", "Tokens/token_names_compare_bytewise", namedBy(func(t store.TokenRef) string { return strings.ToLower(fmt.Sprintf("%q %q", t.Issuer, t.ID)) })},
	{"token names of 255 bytes", "Tokens/token_names_compare_bytewise", namedBy(func(t store.TokenRef) string { return fmt.Sprintf("%.255q %.255q", t.Issuer, t.ID) })},
	{"tokens by version", "Tokens/only_name_and_subject_of_a_token_matter", namedBy(func(t store.TokenRef) string { return fmt.Sprintf("%q %q %d", t.Issuer, t.ID, t.Version) })},
	{"tokens are dead at until", "Tokens/revoked_token_ends_at_until", func(s *edited) any { return deadAtUntil{s} }},
	{"tokens end by the store's clock", "Tokens/revoked_token_ends_at_until", func(s *edited) any { return endsByStoresClock{s} }},
	{"the last until counts", "Tokens/later_until_counts", untilsOf((*untils).set)},
	{"the first until counts", "Tokens/later_until_counts", untilsOf(func(u *untils, name string, until time.Time) {
		if _, ok := u.get(name); !ok {
			u.set(name, until)
		}
	})},
	{"no time left is no end of a token", "Tokens/revoked_token_may_be_over", untilsOf(func(u *untils, name string, until time.Time) {
		if until.Before(time.Now()) {
			until = time.Now().Add(1000 * time.Hour)
		}
		u.move(name, until)
	})},
	{"untils in nanoseconds since 1970", "Tokens/revoked_token_may_last_for_ages", untilsOf(func(u *untils, name string, until time.Time) {
		u.move(name, time.Unix(0, until.UnixNano()))
	})},
	{"cleans tokens without a margin", "Tokens/cleaning_spares_revoked_tokens", untilsOf(func(u *untils, name string, until time.Time) {
		u.ends.Range(func(name, end any) bool {
			if end.(time.Time).Before(u.now()) {
				u.ends.Delete(name)
			}
			return true
		})
		u.move(name, until)
	})},
	{"reads until, then moves it", "Tokens/latest_until_counts_in_a_race", untilsOf(func(u *untils, name string, until time.Time) {
		end, _ := u.get(name)
		u.wait()
		if until.After(end) {
			u.set(name, until)
		}
	})},
	{"revokes tokens later", "Tokens/revoked_token_is_dead_for_good", func(s *edited) any { return revokesLater{s} }},
	{"replaces a revoked token", "Tokens/revoked_token_is_dead_while_until_moves", untilsOf(func(u *untils, name string, until time.Time) {
		u.ends.Delete(name)
		u.waitForReaders()
		u.set(name, until)
	})},
	{"tokens panic without a context", "Tokens/token_calls_with_an_ended_context", func(s *edited) any { return panicsOnToken{s} }},
}

type noRowRevoked struct{ *edited }

func (s noRowRevoked) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	if s.version(t.Subject) == 1 {
		return store.TokenRevokedBySubject, nil
	}
	return s.edited.TokenRevoked(ctx, t, now)
}

type revokesTokenOnce struct {
	*edited
	done sync.Map
}

func (s *revokesTokenOnce) RevokeToken(ctx context.Context, t store.TokenRef, until time.Time) error {
	if _, again := s.done.LoadOrStore(t.Digest(), true); again {
		return store.ErrExists
	}
	return s.edited.RevokeToken(ctx, t, until)
}

// untils keeps revoked tokens in a map, by a name and with a way to set their
// ends that may be wrong.
type untils struct {
	*edited
	meeting
	ends   sync.Map
	mu     sync.Mutex // of move
	nameOf func(t store.TokenRef) string
	revoke func(u *untils, name string, until time.Time)
}

func rightName(t store.TokenRef) string { return fmt.Sprintf("%q %q", t.Issuer, t.ID) }

func namedBy(name func(t store.TokenRef) string) func(*edited) any {
	return func(s *edited) any { return &untils{edited: s, nameOf: name, revoke: (*untils).move} }
}

func untilsOf(revoke func(u *untils, name string, until time.Time)) func(*edited) any {
	return func(s *edited) any { return &untils{edited: s, nameOf: rightName, revoke: revoke} }
}

func (u *untils) get(name string) (end time.Time, ok bool) {
	v, ok := u.ends.Load(name)
	if ok {
		end = v.(time.Time)
	}
	return end, ok
}

func (u *untils) set(name string, until time.Time) { u.ends.Store(name, until) }

// move is right.
func (u *untils) move(name string, until time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if end, ok := u.get(name); !ok || until.After(end) {
		u.set(name, until)
	}
}

func (u *untils) RevokeToken(_ context.Context, t store.TokenRef, until time.Time) error {
	u.revoke(u, u.nameOf(t), until)
	return nil
}

func (u *untils) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	end, ok := u.get(u.nameOf(t))
	reason, err := u.edited.TokenRevoked(ctx, t, now)
	if ok && now.Before(end) {
		reason = store.TokenRevokedByID
	}
	return reason, err
}

type deadAtUntil struct{ *edited }

func (s deadAtUntil) TokenRevoked(ctx context.Context, t store.TokenRef, now time.Time) (string, error) {
	return s.edited.TokenRevoked(ctx, t, now.Add(-time.Microsecond))
}

type endsByStoresClock struct{ *edited }

func (s endsByStoresClock) TokenRevoked(ctx context.Context, t store.TokenRef, _ time.Time) (string, error) {
	return s.edited.TokenRevoked(ctx, t, s.now())
}

// revokesLater answers before it has revoked.
type revokesLater struct{ *edited }

func (s revokesLater) RevokeToken(ctx context.Context, t store.TokenRef, until time.Time) error {
	go func() {
		s.waitForReaders()
		_ = s.edited.RevokeToken(ctx, t, until)
	}()
	return nil
}

type panicsOnToken struct{ *edited }

func (s panicsOnToken) AdvanceFamily(ctx context.Context, ref store.FamilyRef, a store.FamilyAdvance) (store.RefreshFamily, error) {
	if err := ctx.Err(); err != nil {
		panic(err)
	}
	return s.edited.AdvanceFamily(ctx, ref, a)
}
