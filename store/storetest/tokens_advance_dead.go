package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func advanceDeadCases() []tokenCase {
	return []tokenCase{
		{
			name: "advance_of_a_revoked_family",
			rule: "a family that is revoked answers ErrNotFound to each generation, and nothing changes",
			test: advanceOfARevokedFamily,
		},
		{
			name: "advance_of_an_outdated_family",
			rule: "a family of an earlier version of its subject answers ErrNotFound to each generation, and nothing changes",
			test: advanceOfAnOutdatedFamily,
		},
		{
			name:   "advance_of_an_idle_family",
			rule:   "a family answers ErrNotFound to each generation from IdleUntil on, by the store's clock, and nothing changes",
			moving: advanceOfAnIdleFamily,
		},
		{
			name:   "advance_of_an_expired_family",
			rule:   "a family answers ErrNotFound to each generation from ExpiresAt on, by the store's clock, however lately it was used, and nothing changes",
			moving: advanceOfAnExpiredFamily,
		},
	}
}

// usedTwice creates a family at whose third generation it is.
func usedTwice(t *testing.T, s store.Tokens, f store.RefreshFamily) store.RefreshFamily {
	t.Helper()
	createFamilies(t, s, f)
	a := use(f, 1)
	a.Idle = f.IdleUntil.Sub(f.RotatedAt)
	advance(t, s, f.Ref, a)
	a.Generation = 2
	return advance(t, s, f.Ref, a)
}

// refuseAll says when a use of any generation of a dead family is answered
// otherwise than with ErrNotFound, or changes it.
func refuseAll(t *testing.T, s store.Tokens, f store.RefreshFamily, what string) {
	t.Helper()
	for generation := int64(1); generation <= f.Generation+1; generation++ {
		for _, grace := range []time.Duration{0, 1000 * day} {
			a := use(f, generation)
			a.Grace = grace
			refuseAdvance(t, s, f.Ref, a, store.ErrNotFound, what)
		}
	}
	wantUnchanged(t, s, f)
}

func advanceOfARevokedFamily(t *testing.T, s store.Tokens) {
	now := today()
	for id, at := range map[string]time.Time{"now": now, "by a fast clock": now.Add(time.Hour), "by a slow clock": now.Add(-time.Hour)} {
		f := usedTwice(t, s, newFamily("ann", id, now))
		must(t, s.RevokeFamily(t.Context(), f.Ref, at), "RevokeFamily")
		f.RevokedAt = at
		refuseAll(t, s, f, "the family is revoked "+id)
	}
}

func advanceOfAnOutdatedFamily(t *testing.T, s store.Tokens) {
	f := usedTwice(t, s, newFamily("ann", "f", today()))
	for range 2 {
		revokeTokensOf(t, s, "ann")
		f.RevokedAt = readFamily(t, s, f.Ref).RevokedAt // a store may set it
		refuseAll(t, s, f, "the subject's version has moved on")
	}
}

func advanceOfAnIdleFamily(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	soon := newFamily("ann", "soon", now)
	soon.IdleUntil = now.Add(time.Hour)
	unused, used := soon, usedTwice(t, s, soon)
	unused.Ref.ID = "unused"
	createFamilies(t, s, unused)

	c.set(time.Hour + time.Minute) // used is idle since a little later than unused
	refuseAll(t, s, unused, "it was idle for too long")
	refuseAll(t, s, used, "it was idle for too long")
	wantLive(t, s, tokenOf(used), now, "an idle family is not revoked")
	c.set(59 * time.Minute)
	advance(t, s, unused.Ref, use(unused, 1))
	advance(t, s, used.Ref, use(used, 3))

	// At the end itself it is over.
	edge := newFamily("ann", "edge", now)
	edge.IdleUntil = now.Add(time.Hour)
	createFamilies(t, s, edge)
	c.set(time.Hour)
	refuseAll(t, s, edge, "IdleUntil is now")
}

func advanceOfAnExpiredFamily(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	f := newFamily("ann", "f", now)
	f.ExpiresAt = f.IdleUntil
	f = usedTwice(t, s, f)
	c.set(idle - time.Minute)
	f = advance(t, s, f.Ref, use(f, 3))
	c.set(idle)
	refuseAll(t, s, f, "it has expired")
	wantLive(t, s, tokenOf(f), now, "an expired family is not revoked")
}
