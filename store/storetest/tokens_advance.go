package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func advanceCases() []tokenCase {
	return []tokenCase{
		{
			name:   "advance_moves_the_generation_on",
			rule:   "a use of the current generation: the next one is current, RotatedAt is now (store's clock), KeyID is a.KeyID, IdleUntil is now + a.Idle, and nothing else changes",
			moving: advanceMovesTheGenerationOn,
		},
		{
			name: "advance_again_and_again",
			rule: "each generation may be used when it is current, one after the other",
			test: advanceAgainAndAgain,
		},
		{
			name: "idle_ends_with_the_family",
			rule: "IdleUntil is now + a.Idle, also when that is earlier than before, but not after ExpiresAt",
			test: idleEndsWithTheFamily,
		},
		{
			name: "advance_of_a_later_generation",
			rule: "a generation later than the current one answers ErrNotFound, and nothing changes",
			test: advanceOfALaterGeneration,
		},
		{
			name: "advance_of_another_client",
			rule: "another ClientID or Confirm than the family's answers ErrNotFound, whatever the generation, and nothing changes: a spent token does not revoke in another's hand",
			test: advanceOfAnotherClient,
		},
		{
			name: "reuse_revokes_the_family",
			rule: "a spent token that comes again revokes the family: the answer is the family, revoked, and ErrConflict",
			test: reuseRevokesTheFamily,
		},
		{
			name: "reuse_ends_everything_of_the_family",
			rule: "after a reuse the family is revoked for good: each of its generations answers ErrNotFound, and its access tokens are dead",
			test: reuseEndsEverythingOfTheFamily,
		},
	}
}

func advanceMovesTheGenerationOn(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	f, other := newFamily("ann", "f", now), newFamily("ann", "other", now)
	createFamilies(t, s, f, other)
	for i := range 3 {
		ahead := time.Duration(i+1) * 10 * time.Minute
		c.set(ahead)
		a := use(f, f.Generation)
		a.KeyID, a.Idle = fmt.Sprint("key ", i+2), 5*day+time.Duration(i)*time.Microsecond
		got := advance(t, s, f.Ref, a)
		wantNear(t, got.RotatedAt, now.Add(ahead), "RotatedAt")
		f.Generation++
		f.KeyID, f.RotatedAt, f.IdleUntil = a.KeyID, got.RotatedAt, got.RotatedAt.Add(a.Idle)
		wantFamily(t, got, f)
		wantUnchanged(t, s, f)
	}
	wantUnchanged(t, s, other)
}

func advanceAgainAndAgain(t *testing.T, s store.Tokens) {
	f := newFamily("ann", "f", today())
	createFamilies(t, s, f)
	for generation := int64(1); generation <= 20; generation++ {
		a := use(f, generation)
		if generation%2 == 0 {
			a.Grace = 0
		}
		if got := advance(t, s, f.Ref, a); got.Generation != generation+1 {
			t.Fatalf("after a use of generation %d the current one is %d", generation, got.Generation)
		}
	}
	wantLive(t, s, tokenOf(f), today(), "refreshing revokes nothing")
}

func idleEndsWithTheFamily(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	f.IdleUntil, f.ExpiresAt = now.Add(2*time.Hour), now.Add(10*time.Hour)
	createFamilies(t, s, f)
	for i, c := range []struct {
		idle   time.Duration
		capped bool
	}{{time.Hour, false}, {9 * time.Hour, false}, {11 * time.Hour, true}, {1000 * day, true}, {time.Minute, false}} {
		a := use(f, int64(i+1))
		a.Idle = c.idle
		got := advance(t, s, f.Ref, a)
		want := got.RotatedAt.Add(c.idle)
		if c.capped {
			want = f.ExpiresAt
		}
		if !got.IdleUntil.Equal(want) || !got.ExpiresAt.Equal(f.ExpiresAt) {
			t.Errorf("with Idle %v at %v IdleUntil is %v and ExpiresAt %v, want %v and %v", c.idle, got.RotatedAt, got.IdleUntil, got.ExpiresAt, want, f.ExpiresAt)
		}
		wantUnchanged(t, s, got)
	}
}

func advanceOfALaterGeneration(t *testing.T, s store.Tokens) {
	f := newFamily("ann", "f", today())
	createFamilies(t, s, f)
	for range 2 {
		for _, ahead := range []int64{1, 2, 1 << 40} {
			for _, grace := range []time.Duration{0, time.Hour} {
				a := use(f, f.Generation+ahead)
				a.Grace = grace
				refuseAdvance(t, s, f.Ref, a, store.ErrNotFound, "a later generation")
				wantUnchanged(t, s, f)
			}
		}
		f = advance(t, s, f.Ref, use(f, f.Generation))
	}
}

func advanceOfAnotherClient(t *testing.T, s store.Tokens) {
	now := today()
	bound, free := newFamily("ann", "bound", now), newFamily("ann", "free", now)
	free.ClientID, free.Confirm = "", ""
	createFamilies(t, s, bound, free)
	for _, f := range []store.RefreshFamily{bound, free} {
		f = advance(t, s, f.Ref, use(f, 1))
		f = advance(t, s, f.Ref, use(f, 2))
		clients := []string{"other", strings.ToUpper(f.ClientID), f.ClientID + " ", ""}
		confirms := []string{"other", strings.ToLower(f.Confirm), f.Confirm + " ", ""}
		for generation := int64(1); generation <= 4; generation++ {
			for _, grace := range []time.Duration{0, time.Hour} {
				right := use(f, generation)
				right.Grace = grace
				for i := range clients {
					client, confirm := right, right
					client.ClientID, confirm.Confirm = clients[i], confirms[i]
					for _, a := range []store.FamilyAdvance{client, confirm} {
						if a != right {
							refuseAdvance(t, s, f.Ref, a, store.ErrNotFound, fmt.Sprintf("by client %q with %q", a.ClientID, a.Confirm))
						}
					}
				}
			}
		}
		wantUnchanged(t, s, f)
		wantLive(t, s, tokenOf(f), now, "another's use of a refresh token revokes nothing")
		advance(t, s, f.Ref, use(f, 3))
	}
}

func reuseRevokesTheFamily(t *testing.T, s store.Tokens) {
	now := today()
	for what, c := range map[string]struct {
		spent int64
		grace time.Duration
	}{
		"the one before, without grace": {3, 0},
		"two before, within grace":      {2, time.Hour},
		"two before, without grace":     {2, 0},
		"the first, within grace":       {1, time.Hour},
	} {
		f, sibling := newFamily("ann", what, now), newFamily("ann", "sibling of "+what, now)
		createFamilies(t, s, f, sibling)
		for generation := int64(1); generation <= 3; generation++ {
			f = advance(t, s, f.Ref, use(f, generation))
		}
		a := use(f, c.spent)
		a.Grace, a.KeyID, a.Idle = c.grace, "key 9", time.Hour
		got, err := s.AdvanceFamily(t.Context(), f.Ref, a)
		wantErr(t, err, store.ErrConflict, "AdvanceFamily with a spent token: %s", what)
		wantNear(t, got.RevokedAt, now, "RevokedAt")
		f.RevokedAt = got.RevokedAt
		wantFamily(t, got, f)
		wantUnchanged(t, s, f)
		wantUnchanged(t, s, sibling)
		wantLive(t, s, tokenOf(sibling), now, "a sibling is revoked")
	}
	wantVersion(t, s, "ann", time.Hour, 1)
}

func reuseEndsEverythingOfTheFamily(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	createFamilies(t, s, f)
	for generation := int64(1); generation <= 3; generation++ {
		f = advance(t, s, f.Ref, use(f, generation))
	}
	wantLive(t, s, tokenOf(f), now, "before the reuse")
	refuseAdvance(t, s, f.Ref, use(f, 1), store.ErrConflict, "a spent token")
	f = readFamily(t, s, f.Ref)
	if f.RevokedAt.IsZero() {
		t.Error("RevokedAt is zero after a reuse")
	}
	for generation := int64(1); generation <= 5; generation++ {
		for _, grace := range []time.Duration{0, time.Hour} {
			a := use(f, generation)
			a.Grace = grace
			refuseAdvance(t, s, f.Ref, a, store.ErrNotFound, "after a reuse")
		}
	}
	wantErr(t, s.RevokeFamily(t.Context(), f.Ref, now.Add(time.Hour)), nil, "RevokeFamily after a reuse")
	wantUnchanged(t, s, f)
	wantDead(t, s, tokenOf(f), now, store.TokenRevokedByFamily, "a refresh token was used again")
	wantDead(t, s, tokenOf(f), now.Add(-time.Hour), store.TokenRevokedByFamily, "a refresh token was used again, and the caller's clock is slow")
}
