package memstore_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// small is a store of 100 records of a kind, whose clock is moved.
func small(t *testing.T) (s *memstore.Store, ahead *atomic.Int64, now time.Time) {
	t.Helper()
	ahead = new(atomic.Int64)
	s = memstore.New(memstore.Config{
		MaxRecords:  100,
		ClockOffset: func() time.Duration { return time.Duration(ahead.Load()) },
	})
	return s, ahead, time.Now()
}

func token(i int) store.TokenRef {
	return store.TokenRef{Issuer: "https://issuer.example", ID: fmt.Sprint("jti ", i), Subject: fmt.Sprint("subject ", i), Version: 1}
}

func family(i int, now time.Time) store.RefreshFamily {
	subject := fmt.Sprint("subject ", i)
	return store.RefreshFamily{
		Ref: store.FamilyRef{Tag: store.TagOf(subject), ID: fmt.Sprint("family ", i)}, Subject: subject,
		Identity: authn.Identity{Subject: subject, Kind: authn.KindUser},
		Version:  1, Generation: 1, KeyID: "k", RotatedAt: now, IdleUntil: now.Add(time.Hour), ExpiresAt: now.Add(10 * time.Hour),
	}
}

func wantReason(t *testing.T, s *memstore.Store, ref store.TokenRef, now time.Time, want, what string) {
	t.Helper()
	reason, err := s.TokenRevoked(t.Context(), ref, now)
	if err != nil || reason != want {
		t.Errorf("%s: TokenRevoked of %+v is %q and error %v, want %q", what, ref, reason, err, want)
	}
}

// D3: full means refuse. A revoked token stays for a day after until by the
// store's own clock, and then it makes room.
func TestFullOfRevokedTokensRefusesForADay(t *testing.T) {
	s, ahead, now := small(t)
	end := now.Add(time.Hour)
	for i := range 100 {
		want(t, s.RevokeToken(t.Context(), token(i), end), nil, "RevokeToken, %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, time.Hour, 24 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.RevokeToken(t.Context(), token(100), end), store.ErrFull, "one token more, %v later", at)
		wantReason(t, s, token(100), now, "", "the token that was refused")
		for i := range 100 {
			wantReason(t, s, token(i), now, store.TokenRevokedByID, "in the full store")
		}
	}
	want(t, s.RevokeToken(t.Context(), token(0), end.Add(time.Hour)), nil, "a token that is there: it takes no more room")
	want(t, s.CreateFamily(t.Context(), family(0, now)), nil, "families have their own room")

	ahead.Store(int64(25*time.Hour + time.Minute))
	later := now.Add(100 * time.Hour)
	for i := range 99 {
		want(t, s.RevokeToken(t.Context(), token(1000+i), later), nil, "RevokeToken, %d of the next 99, a day after until", i+1)
	}
	want(t, s.RevokeToken(t.Context(), token(2000), later), store.ErrFull, "one token more")
	wantReason(t, s, token(0), end, store.TokenRevokedByID, "the token whose until was moved")
}

// D3: full means refuse. No family leaves before the day after its end; one
// that is revoked stays for its access tokens.
func TestFullOfFamiliesRefusesForADay(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.CreateFamily(t.Context(), family(i, now)), nil, "family %d of 100", i+1)
	}
	want(t, s.RevokeFamily(t.Context(), family(0, now).Ref, now), nil, "RevokeFamily")
	used, err := s.AdvanceFamily(t.Context(), family(1, now).Ref, store.FamilyAdvance{Generation: 1, Idle: 9 * time.Hour})
	want(t, err, nil, "AdvanceFamily")
	_, err = s.AdvanceFamily(t.Context(), family(2, now).Ref, store.FamilyAdvance{Generation: 1, Idle: time.Hour})
	want(t, err, nil, "AdvanceFamily")
	_, err = s.AdvanceFamily(t.Context(), family(2, now).Ref, store.FamilyAdvance{Generation: 1, Idle: time.Hour})
	want(t, err, store.ErrConflict, "AdvanceFamily of the generation before")
	for _, at := range []time.Duration{0, time.Hour, 24 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.CreateFamily(t.Context(), family(100, now)), store.ErrFull, "one family more, %v later", at)
		_, err := s.Family(t.Context(), family(100, now).Ref)
		want(t, err, store.ErrNotFound, "the family that was refused")
		for i := range 100 {
			_, err := s.Family(t.Context(), family(i, now).Ref)
			want(t, err, nil, "family %d of the full store, %v later", i+1, at)
		}
	}
	want(t, s.CreateFamily(t.Context(), store.RefreshFamily{Subject: "subject 1", Version: 2}), store.ErrConflict, "a family of another version")

	ahead.Store(int64(25*time.Hour + time.Minute))
	for i := range 97 {
		want(t, s.CreateFamily(t.Context(), family(1000+i, now.Add(25*time.Hour))), nil, "family %d of the next 97, a day after the end of the first", i+1)
	}
	want(t, s.CreateFamily(t.Context(), family(2000, now)), store.ErrFull, "one family more")
	f, err := s.Family(t.Context(), used.Ref)
	if err != nil || f.Generation != 2 {
		t.Errorf("the family whose end was moved has generation %d and error %v", f.Generation, err)
	}
	for i, how := range map[int]string{0: "RevokeFamily", 2: "a generation that was used twice"} {
		f, err = s.Family(t.Context(), family(i, now).Ref)
		if err != nil || f.RevokedAt.IsZero() {
			t.Errorf("the family that is revoked by %s has RevokedAt %v and error %v", how, f.RevokedAt, err)
		}
	}
}

// D3: a version is never forgotten, so that the store refuses one more.
func TestFullOfVersionsRefusesForEver(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.RevokeTokensOf(t.Context(), token(i).Subject), nil, "RevokeTokensOf, %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, 10_000 * 24 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.RevokeTokensOf(t.Context(), token(100).Subject), store.ErrFull, "one subject more, %v later", at)
		wantReason(t, s, token(100), now, "", "the subject that was refused")
		for i := range 100 {
			want(t, s.RevokeTokensOf(t.Context(), token(i).Subject), nil, "a subject that is there")
			wantReason(t, s, token(i), now, store.TokenRevokedBySubject, "in the full store")
		}
	}
}

// D3: what is refused for another reason takes no room.
func TestRefusedFamiliesTakeNoRoom(t *testing.T) {
	s, _, now := small(t)
	for i := range 100 {
		want(t, s.CreateFamily(t.Context(), family(i, now)), nil, "family %d of 100", i+1)
		if i < 99 {
			want(t, s.CreateFamily(t.Context(), family(i, now)), store.ErrExists, "the same again")
		}
		outdated := family(1000+i, now)
		outdated.Version = 2
		want(t, s.CreateFamily(t.Context(), outdated), store.ErrConflict, "a family of another version")
	}
}

// D1: Run deletes tokens, families and signing keys that expired over a day
// ago.
func TestRunDeletesTokensThatAreLongOver(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.RevokeToken(t.Context(), token(i), now.Add(time.Hour)), nil, "RevokeToken")
		want(t, s.CreateFamily(t.Context(), family(i, now)), nil, "CreateFamily")
	}
	want(t, s.AddSigningKey(t.Context(), signingKey(0, now), "", time.Time{}), nil, "AddSigningKey")
	want(t, s.ExpireSigningKey(t.Context(), signingKey(0, now).ID, now.Add(time.Hour)), nil, "ExpireSigningKey")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		at     time.Duration
		reason string
		err    error
	}{{24 * time.Hour, store.TokenRevokedByID, nil}, {26 * time.Hour, "", store.ErrNotFound}} {
		ahead.Store(int64(c.at))
		want(t, s.Run(ended), nil, "Run")
		for i := range 100 {
			wantReason(t, s, token(i), now, c.reason, fmt.Sprintf("by a clock that is slow, after Run, %v later", c.at))
			_, err := s.Family(t.Context(), family(i, now).Ref)
			want(t, err, c.err, "Family after Run, %v later", c.at)
			if c.err != nil {
				_, err = s.AdvanceFamily(t.Context(), family(i, now).Ref, store.FamilyAdvance{Generation: 1})
				want(t, err, c.err, "AdvanceFamily after Run, %v later", c.at)
				want(t, s.RevokeFamily(t.Context(), family(i, now).Ref, now), c.err, "RevokeFamily after Run, %v later", c.at)
			}
		}
		want(t, s.ExpireSigningKey(t.Context(), signingKey(0, now).ID, now.Add(2*time.Hour)), c.err, "ExpireSigningKey after Run, %v later", c.at)
	}
}

// D1: Run deletes all that a subject has had, of tokens and of families, however
// many there are of the other kind.
func TestRunDeletesAllOfASubject(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct{ tokens, families int }{{100, 1}, {1, 100}} {
		s, ahead, now := small(t)
		ref := func(i int) store.TokenRef { r := token(i); r.Subject = token(0).Subject; return r }
		of := func(i int) store.RefreshFamily { f := family(0, now); f.Ref.ID = family(i, now).Ref.ID; return f }
		for i := range c.tokens {
			want(t, s.RevokeToken(t.Context(), ref(i), now.Add(time.Hour)), nil, "RevokeToken")
		}
		for i := range c.families {
			want(t, s.CreateFamily(t.Context(), of(i)), nil, "CreateFamily")
		}
		ahead.Store(int64(26 * time.Hour))
		want(t, s.Run(ended), nil, "Run")
		for i := range c.tokens {
			wantReason(t, s, ref(i), now, "", fmt.Sprintf("by a clock that is slow, %d of %d", i+1, c.tokens))
		}
		for i := range c.families {
			_, err := s.Family(t.Context(), of(i).Ref)
			want(t, err, store.ErrNotFound, "Family, %d of %d", i+1, c.families)
		}
	}
}

// J24: a proof that is as old as the revocation is too old.
func TestAProofOfTheRevocationsTimeIsTooOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Config{})
		for _, c := range []struct {
			subject string
			later   time.Duration
		}{{"ada", 0}, {"bob", time.Hour}} {
			want(t, s.RevokeTokensOf(t.Context(), c.subject), nil, "RevokeTokensOf")
			time.Sleep(c.later)
			for age, wanted := range map[time.Duration]error{
				c.later: store.ErrConflict, c.later + time.Hour: store.ErrConflict, c.later - 1: nil,
			} {
				if age < 0 { // is 0
					wanted = store.ErrConflict
				}
				_, err := s.TokenVersion(t.Context(), c.subject, age)
				want(t, err, wanted, "TokenVersion %v later with a proof of %v", c.later, age)
			}
		}
	})
}

// J24: verifying costs no allocation, whatever is revoked.
func TestTokenRevokedDoesNotAllocate(t *testing.T) {
	s, now := memstore.New(memstore.Config{}), time.Now()
	f := family(0, now)
	want(t, s.CreateFamily(t.Context(), f), nil, "CreateFamily")
	live := token(0)
	live.Family = f.Ref.ID
	revoked, outdated, foreign := token(1), token(2), token(2)
	foreign.Version, foreign.IssuedAt = 0, now.Add(-time.Hour)
	want(t, s.RevokeToken(t.Context(), revoked, now.Add(time.Hour)), nil, "RevokeToken")
	want(t, s.RevokeTokensOf(t.Context(), outdated.Subject), nil, "RevokeTokensOf")
	missing := live
	missing.Family = "missing"
	ctx := t.Context()
	for _, c := range []struct {
		ref    store.TokenRef
		reason string
	}{
		{live, ""},
		{revoked, store.TokenRevokedByID},
		{missing, store.TokenRevokedByFamily},
		{outdated, store.TokenRevokedBySubject},
		{foreign, store.TokenRevokedBySubject},
	} {
		wantReason(t, s, c.ref, now, c.reason, "before counting")
		if n := testing.AllocsPerRun(100, func() { _, _ = s.TokenRevoked(ctx, c.ref, now) }); n != 0 {
			t.Errorf("TokenRevoked of %+v makes %v allocations, want 0", c.ref, n)
		}
	}
}
