package storetest

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/store"
)

type tokenCase = testCase[store.Tokens]

// tokenCases are of the files tokens_*.go, by theme.
func tokenCases() []tokenCase {
	return slices.Concat(tokenRevokeCases(), tokenRevokeRaceCases(), versionCases(), versionRaceCases(),
		familyCases(), familyNameCases(), familyRevokeCases(), advanceCases(), advanceGraceCases(), advanceDeadCases(), advanceRaceCases(),
		[]tokenCase{{
			name: "token_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: tokenCallsWithAnEndedContext,
		}})
}

// idle and life are of newFamily.
const (
	idle = 30 * day
	life = 90 * day
)

// newFamily is a live family, as a login at now makes it. now is the store's,
// too.
func newFamily(subject, id string, now time.Time) store.RefreshFamily {
	return store.RefreshFamily{
		Ref:     store.FamilyRef{Tag: store.TagOf(subject), ID: id},
		Subject: subject, ClientID: "app",
		Identity: authn.Identity{
			Subject: subject, Kind: authn.KindUser, Method: "password",
			Scopes: []string{"orders:read", "orders:write"}, Roles: []string{"clerk"},
			Factors:    []authn.Factor{{Name: "pwd", At: now.Add(-time.Minute)}},
			Attributes: map[string]string{"team": "blue"},
		},
		Scopes: []string{"orders:read"}, Audience: []string{"https://api.example"}, Confirm: "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0",
		Version: 1, Generation: 1, KeyID: "key 1", RotatedAt: now, IdleUntil: now.Add(idle), ExpiresAt: now.Add(life),
	}
}

// createFamilies inserts each of families, or ends the test.
func createFamilies(t *testing.T, s store.Tokens, families ...store.RefreshFamily) {
	t.Helper()
	for _, f := range families {
		must(t, s.CreateFamily(t.Context(), f), "CreateFamily of %q", f.Ref.ID)
	}
}

// readFamily answers a family that is there, or ends the test.
func readFamily(t *testing.T, s store.Tokens, ref store.FamilyRef) store.RefreshFamily {
	t.Helper()
	f, err := s.Family(t.Context(), ref)
	must(t, err, "Family %+v", ref)
	return f
}

// wantUnchanged says when what is kept of want is not want.
func wantUnchanged(t *testing.T, s store.Tokens, want store.RefreshFamily) {
	t.Helper()
	wantFamily(t, readFamily(t, s, want.Ref), want)
}

// absentFamily says when ref is there.
func absentFamily(t *testing.T, s store.Tokens, ref store.FamilyRef) {
	t.Helper()
	_, err := s.Family(t.Context(), ref)
	wantErr(t, err, store.ErrNotFound, "Family %+v", ref)
}

// use is a right use of f's token of a generation, with a minute's grace.
func use(f store.RefreshFamily, generation int64) store.FamilyAdvance {
	return store.FamilyAdvance{
		Generation: generation, ClientID: f.ClientID, Confirm: f.Confirm,
		KeyID: "key 2", Grace: time.Minute, Idle: idle,
	}
}

// advance uses a token that is good, or ends the test.
func advance(t *testing.T, s store.Tokens, ref store.FamilyRef, a store.FamilyAdvance) store.RefreshFamily {
	t.Helper()
	f, err := s.AdvanceFamily(t.Context(), ref, a)
	must(t, err, "AdvanceFamily of %q, generation %d", ref.ID, a.Generation)
	return f
}

// refuseAdvance says when a use is not answered with want.
func refuseAdvance(t *testing.T, s store.Tokens, ref store.FamilyRef, a store.FamilyAdvance, want error, what string) {
	t.Helper()
	_, err := s.AdvanceFamily(t.Context(), ref, a)
	wantErr(t, err, want, "AdvanceFamily of %q, generation %d: %s", ref.ID, a.Generation, what)
}

const issuer = "https://issuer.example"

// tokenOf is an access token of f's login.
func tokenOf(f store.RefreshFamily) store.TokenRef {
	return store.TokenRef{
		Issuer: issuer, ID: "jti of " + f.Ref.ID, Subject: f.Subject,
		Family: f.Ref.ID, Version: f.Version, IssuedAt: f.RotatedAt.Truncate(time.Second),
	}
}

// newToken is an access token of no family, of the subject's first version.
func newToken(subject, id string, now time.Time) store.TokenRef {
	return store.TokenRef{Issuer: issuer, ID: id, Subject: subject, Version: 1, IssuedAt: now.Truncate(time.Second)}
}

// foreignToken has no version.
func foreignToken(subject, id string, issued time.Time) store.TokenRef {
	token := newToken(subject, id, issued)
	token.Version = 0
	return token
}

// wantDead says when token is dead for another reason than want, "" being
// alive.
func wantDead(t *testing.T, s store.Revocations, token store.TokenRef, now time.Time, want, what string) {
	t.Helper()
	reason, err := s.TokenRevoked(t.Context(), token, now)
	if err != nil || reason != want {
		t.Errorf("TokenRevoked of %+v: got %q and error %v, want %q: %s", token, reason, err, want, what)
	}
}

func wantLive(t *testing.T, s store.Revocations, token store.TokenRef, now time.Time, what string) {
	t.Helper()
	wantDead(t, s, token, now, "", what)
}

// wantVersion says when subject's version, long after its login, is not want.
func wantVersion(t *testing.T, s store.Tokens, subject string, proofAge time.Duration, want int64) {
	t.Helper()
	v, err := s.TokenVersion(t.Context(), subject, proofAge)
	if err != nil || v != want {
		t.Errorf("TokenVersion of %q, proven %v ago: got %d and error %v, want %d", subject, proofAge, v, err, want)
	}
}

// wantNear says when got, by the store's clock, is not within a minute of want.
func wantNear(t *testing.T, got, want time.Time, what string) {
	t.Helper()
	if got.Sub(want).Abs() > time.Minute {
		t.Errorf("%s is %v, want about %v", what, got, want)
	}
}

func wantFamily(t *testing.T, got, want store.RefreshFamily) {
	t.Helper()
	if d := diffFamily(got, want); d != "" {
		t.Errorf("family %q: %s", want.Ref.ID, d)
	}
}

// diffFamily says in which fields got is not want, "" if in none.
func diffFamily(got, want store.RefreshFamily) string {
	var f fields
	f.text("Ref.Tag", got.Ref.Tag, want.Ref.Tag)
	f.text("Ref.ID", got.Ref.ID, want.Ref.ID)
	f.text("Subject", got.Subject, want.Subject)
	f.text("ClientID", got.ClientID, want.ClientID)
	f.identity(got.Identity, want.Identity)
	f.texts("Scopes", got.Scopes, want.Scopes)
	f.texts("Audience", got.Audience, want.Audience)
	f.text("Confirm", got.Confirm, want.Confirm)
	f.any("Version", got.Version == want.Version, got.Version, want.Version)
	f.any("Generation", got.Generation == want.Generation, got.Generation, want.Generation)
	f.text("KeyID", got.KeyID, want.KeyID)
	f.at("RotatedAt", got.RotatedAt, want.RotatedAt)
	f.at("IdleUntil", got.IdleUntil, want.IdleUntil)
	f.at("ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	f.at("RevokedAt", got.RevokedAt, want.RevokedAt)
	return f.String()
}

// identity is of what is kept of an Identity: all but VerifiedAt and
// Credential.
func (f *fields) identity(got, want authn.Identity) {
	f.text("Identity.Subject", got.Subject, want.Subject)
	f.any("Identity.Kind", got.Kind == want.Kind, got.Kind, want.Kind)
	f.text("Identity.Method", got.Method, want.Method)
	f.text("Identity.Issuer", got.Issuer, want.Issuer)
	f.text("Identity.CredentialID", got.CredentialID, want.CredentialID)
	f.texts("Identity.Scopes", got.Scopes, want.Scopes)
	f.texts("Identity.Roles", got.Roles, want.Roles)
	sameFactors := slices.EqualFunc(got.Factors, want.Factors, func(a, b authn.Factor) bool { return a.Name == b.Name && a.At.Equal(b.At) })
	f.any("Identity.Factors", sameFactors, got.Factors, want.Factors)
	f.texts("Identity.Pending", got.Pending, want.Pending)
	f.at("Identity.VerifiedAt", got.VerifiedAt, time.Time{})
	f.at("Identity.ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	f.any("Identity.Attributes", maps.Equal(got.Attributes, want.Attributes), got.Attributes, want.Attributes)
	f.any("Identity.Credential", got.Credential == nil, got.Credential, nil)
}

func tokenCallsWithAnEndedContext(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	createFamilies(t, s, f)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.TokenRevoked(ctx, tokenOf(f), now)
	_ = s.RevokeToken(ctx, tokenOf(f), now.Add(time.Hour))
	_ = s.CreateFamily(ctx, newFamily("ann", "new", now))
	_, _ = s.Family(ctx, f.Ref)
	_, _ = s.AdvanceFamily(ctx, f.Ref, use(f, 1))
	_ = s.RevokeFamily(ctx, f.Ref, now)
	_, _ = s.TokenVersion(ctx, "ann", time.Hour)
	_ = s.RevokeTokensOf(ctx, "ann")
	after := newFamily("bob", "after", now)
	createFamilies(t, s, after)
	wantUnchanged(t, s, after)
}
