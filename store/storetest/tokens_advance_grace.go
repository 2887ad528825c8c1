package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func advanceGraceCases() []tokenCase {
	return []tokenCase{
		{
			name:   "advance_within_grace_changes_nothing",
			rule:   "the generation before the current one, within grace, answers the family as it is, as often as it comes, and nothing changes",
			moving: advanceWithinGraceChangesNothing,
		},
		{
			name:   "grace_ends",
			rule:   "grace counts from RotatedAt, by the store's clock: when it is over, the generation before the current one is spent",
			moving: graceEnds,
		},
		{
			name:   "grace_of_zero_is_none",
			rule:   "a Grace of 0 is none at all, also when the clock is set back",
			moving: graceOfZeroIsNone,
		},
		{
			name: "grace_ends_with_the_next_use",
			rule: "grace is for the generation before the current one alone: when the current one is used, what was before it is spent",
			test: graceEndsWithTheNextUse,
		},
	}
}

func advanceWithinGraceChangesNothing(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	f := newFamily("ann", "f", now)
	createFamilies(t, s, f)
	f = advance(t, s, f.Ref, use(f, 1))
	for i := range 5 {
		c.set(time.Duration(i) * 10 * time.Minute)
		again := use(f, 1)
		again.KeyID, again.Idle, again.Grace = fmt.Sprint("key ", i+3), time.Duration(i+1)*time.Hour, time.Hour
		wantFamily(t, advance(t, s, f.Ref, again), f)
		wantUnchanged(t, s, f)
	}
	wantLive(t, s, tokenOf(f), now, "a use within grace revokes nothing")
	if got := advance(t, s, f.Ref, use(f, 2)); got.Generation != 3 {
		t.Errorf("after uses within grace and one of generation 2 the current one is %d", got.Generation)
	}
}

func graceEnds(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	for i, grace := range []time.Duration{2 * time.Minute, time.Hour, 30 * time.Hour} {
		for _, in := range []bool{true, false} {
			f := newFamily("ann", fmt.Sprint(grace, in), now)
			c.set(0)
			createFamilies(t, s, f)
			c.set(time.Duration(i) * time.Minute) // RotatedAt is not when the family was created
			f = advance(t, s, f.Ref, use(f, 1))
			again := use(f, 1)
			again.Grace = grace
			if in {
				c.set(time.Duration(i)*time.Minute + grace - time.Minute)
				wantFamily(t, advance(t, s, f.Ref, again), f)
				wantUnchanged(t, s, f)
				continue
			}
			c.set(time.Duration(i)*time.Minute + grace)
			refuseAdvance(t, s, f.Ref, again, store.ErrConflict, fmt.Sprintf("a grace of %v is over", grace))
			wantDead(t, s, tokenOf(f), now, store.TokenRevokedByFamily, "a refresh token was used again after its grace")
		}
	}
}

func graceOfZeroIsNone(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	for _, ahead := range []time.Duration{0, -time.Minute, -time.Hour} {
		f := newFamily("ann", fmt.Sprint("family ", ahead), now)
		createFamilies(t, s, f)
		c.set(0)
		advance(t, s, f.Ref, use(f, 1))
		c.set(ahead)
		again := use(f, 1)
		again.Grace = 0
		refuseAdvance(t, s, f.Ref, again, store.ErrConflict, fmt.Sprintf("no grace, the clock being %v ahead", ahead))
		refuseAdvance(t, s, f.Ref, use(f, 2), store.ErrNotFound, "a refresh token was used again")
	}
}

func graceEndsWithTheNextUse(t *testing.T, s store.Tokens) {
	f := newFamily("ann", "f", today())
	createFamilies(t, s, f)
	long := func(generation int64) store.FamilyAdvance {
		a := use(f, generation)
		a.Grace = time.Hour
		return a
	}
	for generation := int64(1); generation <= 4; generation++ {
		got := advance(t, s, f.Ref, long(generation))
		wantFamily(t, advance(t, s, f.Ref, long(generation)), got)
	}
	refuseAdvance(t, s, f.Ref, long(3), store.ErrConflict, "two before the current one")
	refuseAdvance(t, s, f.Ref, long(4), store.ErrNotFound, "a refresh token was used again")
}
