package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func versionRaceCases() []tokenCase {
	return []tokenCase{
		{
			name:   "versions_add_up_in_a_race",
			rule:   "of concurrent RevokeTokensOf none is lost: each moves the version on by one",
			moving: versionsAddUpInARace,
		},
		{
			name: "token_version_against_revoke",
			rule: "TokenVersion is one read: beside RevokeTokensOf it answers the version before it, or ErrConflict, and never the new version to an old proof",
			test: tokenVersionAgainstRevoke,
		},
		{
			name: "revoked_subject_stays_dead",
			rule: "a token that a reader has seen dead by its subject stays dead, and it is dead when RevokeTokensOf has answered",
			test: revokedSubjectStaysDead,
		},
		{
			name: "create_family_against_revoke_all",
			rule: "of CreateFamily and a concurrent RevokeTokensOf either is first, and nothing of the old version lives: the family is dead, or it gets ErrConflict",
			test: createFamilyAgainstRevokeAll,
		},
	}
}

func versionsAddUpInARace(t *testing.T, s store.Tokens, c *clock) {
	const n = 50
	race(t, n, func(int) { wantErr(t, s.RevokeTokensOf(t.Context(), "ann"), nil, "RevokeTokensOf") })
	c.set(time.Hour)
	wantVersion(t, s, "ann", time.Minute, n+1)
	wantVersion(t, s, "bob", time.Minute, 1)
}

func tokenVersionAgainstRevoke(t *testing.T, s store.Tokens) {
	for round := range 8 {
		subject := fmt.Sprint("subject ", round)
		const n = 50
		race(t, n, func(i int) {
			if i == round*n/8 {
				wantErr(t, s.RevokeTokensOf(t.Context(), subject), nil, "RevokeTokensOf")
				return
			}
			v, err := s.TokenVersion(t.Context(), subject, time.Hour)
			if err != nil {
				wantErr(t, err, store.ErrConflict, "TokenVersion")
			} else if v != 1 {
				t.Errorf("TokenVersion is %d for a login that began before RevokeTokensOf", v)
			}
		})
		wantNoVersion(t, s, subject, time.Hour)
	}
}

func revokedSubjectStaysDead(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 10 {
		f := newFamily(fmt.Sprint("subject ", round), fmt.Sprint("family ", round), now)
		createFamilies(t, s, f)
		reader := func(token store.TokenRef) func() {
			seen := false
			return func() {
				reason, err := s.TokenRevoked(t.Context(), token, now)
				wantErr(t, err, nil, "TokenRevoked")
				if reason == "" && seen {
					t.Errorf("a token lives that was dead before: %+v", token)
				}
				seen = seen || reason != ""
			}
		}
		during(t,
			func() { wantErr(t, s.RevokeTokensOf(t.Context(), f.Subject), nil, "RevokeTokensOf") },
			reader(tokenOf(f)), reader(foreignToken(f.Subject, "foreign", now)),
		)
		wantDead(t, s, tokenOf(f), now, store.TokenRevokedBySubject, "RevokeTokensOf has answered")
		wantDead(t, s, foreignToken(f.Subject, "foreign", now.Add(-time.Minute)), now, store.TokenRevokedBySubject, "RevokeTokensOf has answered")
	}
}

func createFamilyAgainstRevokeAll(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 40 {
		subject := fmt.Sprint("subject ", round)
		f := newFamily(subject, fmt.Sprint("family ", round), now)
		var created, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				created = s.CreateFamily(t.Context(), f)
			} else {
				revoked = s.RevokeTokensOf(t.Context(), subject)
			}
		})
		wantErr(t, revoked, nil, "RevokeTokensOf")
		if errors.Is(created, store.ErrConflict) {
			absentFamily(t, s, f.Ref)
		} else {
			wantErr(t, created, nil, "CreateFamily")
			wantUnchanged(t, s, f)
		}
		refuseAdvance(t, s, f.Ref, use(f, 1), store.ErrNotFound, fmt.Sprintf("everything was revoked; CreateFamily answered %v", created))
		if reason, err := s.TokenRevoked(t.Context(), tokenOf(f), now); reason == "" || err != nil {
			t.Errorf("TokenRevoked answers %q and error %v after RevokeTokensOf; CreateFamily answered %v", reason, err, created)
		}
	}
}
