package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func advanceRaceCases() []tokenCase {
	return []tokenCase{
		{
			name: "advance_race_within_grace",
			rule: "of concurrent uses of one token, with grace, one makes the next generation, and all are answered the same",
			test: advanceRaceWithinGrace,
		},
		{
			name: "advance_race_without_grace",
			rule: "of concurrent uses of one token, without grace, one is answered, one revokes the family and gets ErrConflict, and the others find it dead",
			test: advanceRaceWithoutGrace,
		},
		{
			name: "advance_is_seen_whole",
			rule: "a reader sees all of an advance or nothing",
			test: advanceIsSeenWhole,
		},
		{
			name: "advance_against_revoke_family",
			rule: "of an advance and a concurrent RevokeFamily neither undoes the other: the family is revoked, whichever is first",
			test: advanceAgainstRevokeFamily,
		},
		{
			name: "advance_against_revoke_all",
			rule: "of an advance and a concurrent RevokeTokensOf either is first, and nothing of the old version lives",
			test: advanceAgainstRevokeAll,
		},
		{
			name: "families_race_for_themselves",
			rule: "concurrent uses of tokens of different families do not touch each other",
			test: familiesRaceForThemselves,
		},
	}
}

func advanceRaceWithinGrace(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 4 {
		f := newFamily("ann", fmt.Sprint("family ", round), now)
		createFamilies(t, s, f)
		const n = 50
		answers := make([]store.RefreshFamily, n)
		race(t, n, func(i int) {
			a := use(f, 1)
			a.KeyID, a.Idle = fmt.Sprint("key of ", i), time.Duration(i+1)*time.Hour
			var err error
			answers[i], err = s.AdvanceFamily(t.Context(), f.Ref, a)
			wantErr(t, err, nil, "AdvanceFamily, goroutine %d of %d", i, n)
		})
		kept := readFamily(t, s, f.Ref)
		if kept.Generation != 2 {
			t.Errorf("after %d uses of generation 1 at once the current one is %d, want 2", n, kept.Generation)
		}
		for _, got := range answers {
			wantFamily(t, got, kept)
		}
	}
}

func advanceRaceWithoutGrace(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 4 {
		f := newFamily("ann", fmt.Sprint("family ", round), now)
		createFamilies(t, s, f)
		const n = 50
		answers := make([]store.RefreshFamily, n)
		errs := make([]error, n)
		race(t, n, func(i int) {
			a := use(f, 1)
			a.KeyID, a.Grace = fmt.Sprint("key of ", i), 0
			answers[i], errs[i] = s.AdvanceFamily(t.Context(), f.Ref, a)
		})
		var won, reused int
		kept := readFamily(t, s, f.Ref)
		for i, err := range errs {
			switch {
			case err == nil:
				won++
				live := kept
				live.RevokedAt = time.Time{}
				wantFamily(t, answers[i], live)
			case errors.Is(err, store.ErrConflict):
				reused++
				wantFamily(t, answers[i], kept)
			default:
				wantErr(t, err, store.ErrNotFound, "AdvanceFamily, goroutine %d of %d", i, n)
			}
		}
		if won != 1 || reused != 1 {
			t.Errorf("of %d uses at once without grace %d were answered nil and %d ErrConflict, want 1 and 1", n, won, reused)
		}
		if kept.Generation != 2 || kept.RevokedAt.IsZero() {
			t.Errorf("after %d uses at once without grace the family has generation %d and RevokedAt %v, want 2, and revoked", n, kept.Generation, kept.RevokedAt)
		}
		wantDead(t, s, tokenOf(f), now, store.TokenRevokedByFamily, "a refresh token was used again")
	}
}

func advanceIsSeenWhole(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 15 {
		f := newFamily("ann", fmt.Sprint("family ", round), now.Add(-time.Hour))
		createFamilies(t, s, f)
		a := use(f, 1)
		a.Idle = time.Hour
		read := func() {
			got, err := s.Family(t.Context(), f.Ref)
			wantErr(t, err, nil, "Family")
			want := f
			if got.Generation != 1 {
				want.Generation, want.KeyID = 2, a.KeyID
				want.RotatedAt, want.IdleUntil = got.RotatedAt, got.RotatedAt.Add(a.Idle)
				wantNear(t, got.RotatedAt, now, "RotatedAt")
			}
			wantFamily(t, got, want)
		}
		during(t,
			func() {
				_, err := s.AdvanceFamily(t.Context(), f.Ref, a)
				wantErr(t, err, nil, "AdvanceFamily")
			},
			read, read,
		)
	}
}

func advanceAgainstRevokeFamily(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 40 {
		f := newFamily("ann", fmt.Sprint("family ", round), now)
		createFamilies(t, s, f)
		var got store.RefreshFamily
		var advanced, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				got, advanced = s.AdvanceFamily(t.Context(), f.Ref, use(f, 1))
			} else {
				revoked = s.RevokeFamily(t.Context(), f.Ref, now)
			}
		})
		wantErr(t, revoked, nil, "RevokeFamily")
		if advanced == nil {
			f.Generation, f.KeyID, f.RotatedAt, f.IdleUntil = 2, "key 2", got.RotatedAt, got.IdleUntil
			wantFamily(t, got, f)
		} else {
			wantErr(t, advanced, store.ErrNotFound, "AdvanceFamily")
		}
		f.RevokedAt = now
		refuseAll(t, s, f, fmt.Sprintf("the family is revoked; a use beside it answered %v", advanced))
		wantDead(t, s, tokenOf(f), now, store.TokenRevokedByFamily, fmt.Sprintf("the family is revoked; a use beside it answered %v", advanced))
	}
}

func advanceAgainstRevokeAll(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 40 {
		f := newFamily(fmt.Sprint("subject ", round), fmt.Sprint("family ", round), now)
		createFamilies(t, s, f)
		var got store.RefreshFamily
		var advanced, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				got, advanced = s.AdvanceFamily(t.Context(), f.Ref, use(f, 1))
			} else {
				revoked = s.RevokeTokensOf(t.Context(), f.Subject)
			}
		})
		wantErr(t, revoked, nil, "RevokeTokensOf")
		if advanced == nil {
			f.Generation, f.KeyID, f.RotatedAt, f.IdleUntil = 2, "key 2", got.RotatedAt, got.IdleUntil
			wantFamily(t, got, f)
		} else {
			wantErr(t, advanced, store.ErrNotFound, "AdvanceFamily")
		}
		f.RevokedAt = readFamily(t, s, f.Ref).RevokedAt // a store may set it
		refuseAll(t, s, f, fmt.Sprintf("everything was revoked; a use beside it answered %v", advanced))
		if reason, err := s.TokenRevoked(t.Context(), tokenOf(f), now); reason == "" || err != nil {
			t.Errorf("TokenRevoked answers %q and error %v after RevokeTokensOf; AdvanceFamily answered %v", reason, err, advanced)
		}
	}
}

func familiesRaceForThemselves(t *testing.T, s store.Tokens) {
	now := today()
	const n, uses = 10, 8
	families := make([]store.RefreshFamily, n)
	for i := range families {
		families[i] = newFamily(fmt.Sprint("subject ", i%3), fmt.Sprint("family ", i), now)
	}
	createFamilies(t, s, families...)
	race(t, n, func(i int) {
		for generation := int64(1); generation <= uses; generation++ {
			a := use(families[i], generation)
			a.KeyID = fmt.Sprint("key of ", i)
			got, err := s.AdvanceFamily(t.Context(), families[i].Ref, a)
			wantErr(t, err, nil, "AdvanceFamily of family %d", i)
			if got.Generation != generation+1 || got.KeyID != a.KeyID {
				t.Errorf("family %d has generation %d and KeyID %q after a use of generation %d", i, got.Generation, got.KeyID, generation)
			}
		}
	})
	for _, f := range families {
		wantLive(t, s, tokenOf(f), now, "refreshing revokes nothing")
	}
}
