package storetest

import (
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func familyRevokeCases() []tokenCase {
	return []tokenCase{
		{
			name: "revoke_family_once",
			rule: "RevokeFamily sets RevokedAt, once, and nothing else; it may be repeated",
			test: revokeFamilyOnce,
		},
		{
			name: "token_of_a_family",
			rule: "a token is dead by its family when that is revoked, is another subject's or is not there; without a family nothing of that counts",
			test: tokenOfAFamily,
		},
		{
			name:   "expired_family_is_no_revocation",
			rule:   "that a token or a family has expired is not a revocation",
			moving: expiredFamilyIsNoRevocation,
		},
		{
			name: "revoke_tokens_of_ends_families",
			rule: "RevokeTokensOf ends all tokens and families of subject, and of nobody else",
			test: revokeTokensOfEndsFamilies,
		},
		{
			name: "login_after_revoke_tokens_of",
			rule: "what is issued with the new version lives, also within the same second",
			test: loginAfterRevokeTokensOf,
		},
	}
}

func revokeFamilyOnce(t *testing.T, s store.Tokens) {
	now := today()
	f, sibling := newFamily("ann", "f", now), newFamily("ann", "sibling", now)
	expired := newFamily("ann", "expired", now.Add(-time.Hour))
	expired.IdleUntil, expired.ExpiresAt = now.Add(-time.Minute), now.Add(-time.Minute)
	createFamilies(t, s, f, sibling, expired)
	for i := range 3 {
		at := now.Add(time.Duration(2-i)*time.Hour + time.Microsecond)
		for _, family := range []*store.RefreshFamily{&f, &expired} {
			wantErr(t, s.RevokeFamily(t.Context(), family.Ref, at), nil, "RevokeFamily, call %d", i+1)
			if i == 0 {
				family.RevokedAt = at
			}
			wantUnchanged(t, s, *family)
		}
	}
	wantUnchanged(t, s, sibling)
	wantLive(t, s, tokenOf(sibling), now, "a sibling is revoked")
	wantVersion(t, s, "ann", time.Hour, 1)
}

func tokenOfAFamily(t *testing.T, s store.Tokens) {
	now := today()
	f, revoked, bobs := newFamily("ann", "f", now), newFamily("ann", "revoked", now), newFamily("bob", "bobs", now)
	createFamilies(t, s, f, revoked, bobs)
	must(t, s.RevokeFamily(t.Context(), revoked.Ref, now), "RevokeFamily")
	for _, version := range []int64{0, 1} {
		token := func(family string) store.TokenRef {
			token := tokenOf(f)
			token.Family, token.Version = family, version
			return token
		}
		wantLive(t, s, token("f"), now, "the family is live")
		wantLive(t, s, token(""), now, "it has no family")
		wantDead(t, s, token("revoked"), now, store.TokenRevokedByFamily, "the family is revoked")
		wantDead(t, s, token("revoked"), now.Add(-time.Hour), store.TokenRevokedByFamily, "the family is revoked, and the caller's clock is slow")
		wantDead(t, s, token("revoked"), now.Add(1000*day), store.TokenRevokedByFamily, "the family is revoked, and the caller's clock is fast")
		wantDead(t, s, token("bobs"), now, store.TokenRevokedByFamily, "the family is another subject's")
		for _, missing := range []string{"missing", "F", "f ", " ", "*"} {
			wantDead(t, s, token(missing), now, store.TokenRevokedByFamily, "the family is not there")
		}
	}
	wantLive(t, s, tokenOf(bobs), now, "the family is live")
}

func expiredFamilyIsNoRevocation(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	idled, expired := newFamily("ann", "idled", now), newFamily("ann", "expired", now)
	idled.IdleUntil = now.Add(time.Minute)
	expired.IdleUntil, expired.ExpiresAt = now.Add(time.Minute), now.Add(time.Minute)
	createFamilies(t, s, idled, expired)
	for _, ahead := range []time.Duration{0, time.Minute, 12 * time.Hour} {
		c.set(ahead)
		for _, at := range []time.Time{now, now.Add(time.Minute), now.Add(12 * time.Hour)} {
			wantLive(t, s, tokenOf(idled), at, "the family has been idle for too long")
			wantLive(t, s, tokenOf(expired), at, "the family has expired")
		}
	}
}

func revokeTokensOfEndsFamilies(t *testing.T, s store.Tokens) {
	now := today()
	first, used, bobs := newFamily("ann", "first", now), newFamily("ann", "used", now), newFamily("bob", "bobs", now)
	createFamilies(t, s, first, used, bobs)
	advance(t, s, used.Ref, use(used, 1))
	revokeTokensOf(t, s, "ann")
	for _, f := range []store.RefreshFamily{first, used} {
		wantDead(t, s, tokenOf(f), now, store.TokenRevokedBySubject, "RevokeTokensOf was called")
		for generation := int64(1); generation <= 3; generation++ {
			refuseAdvance(t, s, f.Ref, use(f, generation), store.ErrNotFound, "RevokeTokensOf was called")
		}
		f.Version = 2
		f.Ref.ID += " again"
		createFamilies(t, s, f) // a login after it
		wantLive(t, s, tokenOf(f), now, "the login was after RevokeTokensOf")
	}
	wantLive(t, s, tokenOf(bobs), now, "another's tokens were revoked")
	advance(t, s, bobs.Ref, use(bobs, 1))
}

func loginAfterRevokeTokensOf(t *testing.T, s store.Tokens) {
	now := today()
	old, later := newFamily("ann", "old", now), newFamily("ann", "later", now)
	createFamilies(t, s, old)
	for version := int64(2); version <= 4; version++ {
		revokeTokensOf(t, s, "ann")
		later.Ref.ID += "+"
		later.Version = version
		createFamilies(t, s, later)
		wantLive(t, s, tokenOf(later), now, "its login was after RevokeTokensOf")
		wantDead(t, s, tokenOf(old), now, store.TokenRevokedBySubject, "its login was before RevokeTokensOf")
		if got := advance(t, s, later.Ref, use(later, 1)); got.Generation != 2 || got.Version != version {
			t.Errorf("a family of the subject's version %d has generation %d and version %d after one use", version, got.Generation, got.Version)
		}
	}
}
