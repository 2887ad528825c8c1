package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func versionCases() []tokenCase {
	return []tokenCase{
		{
			name: "version_is_one_at_first",
			rule: "TokenVersion is 1 at first, whatever proofAge is",
			test: versionIsOneAtFirst,
		},
		{
			name:   "revoke_tokens_of_moves_the_version_on",
			rule:   "RevokeTokensOf moves the version on by one, each time, of this subject alone",
			moving: revokeTokensOfMovesTheVersionOn,
		},
		{
			name:   "token_version_needs_a_later_proof",
			rule:   "TokenVersion answers ErrConflict when RevokeTokensOf was called proofAge ago or less, by the store's clock",
			moving: tokenVersionNeedsALaterProof,
		},
		{
			name:   "last_revocation_counts_for_the_proof",
			rule:   "TokenVersion looks at the last of several RevokeTokensOf",
			moving: lastRevocationCountsForTheProof,
		},
		{
			name:   "proof_age_is_not_negative",
			rule:   "a proofAge below 0 counts as 0",
			moving: proofAgeIsNotNegative,
		},
		{
			name: "token_of_another_version_is_dead",
			rule: "a token is dead by its subject when its Version is over 0 and not the subject's, lower or higher, and by nothing else than that: not by IssuedAt",
			test: tokenOfAnotherVersionIsDead,
		},
		{
			name:   "foreign_token_is_dead_by_its_issue",
			rule:   "a token of Version 0 is dead by its subject when RevokeTokensOf was called at IssuedAt or later, by the store's clock",
			moving: foreignTokenIsDeadByItsIssue,
		},
		{
			name:   "slow_clock_undoes_no_revocation",
			rule:   "RevokeTokensOf at a clock that has been set back does not bring back what one before it ended",
			moving: slowClockUndoesNoRevocation,
		},
		{
			name: "subjects_compare_bytewise",
			rule: "subjects compare bytewise, up to 255 bytes",
			test: subjectsCompareBytewise,
		},
		{
			name: "subjects_of_one_tag_are_apart",
			rule: "many subjects may share one tag: what is done to one is not done to another",
			test: subjectsOfOneTagAreApart,
		},
		{
			name:   "versions_are_never_forgotten",
			rule:   "a version is never forgotten: what RevokeTokensOf ended stays dead",
			moving: versionsAreNeverForgotten,
		},
	}
}

func revokeTokensOf(t *testing.T, s store.Tokens, subject string) {
	t.Helper()
	must(t, s.RevokeTokensOf(t.Context(), subject), "RevokeTokensOf %q", subject)
}

func wantNoVersion(t *testing.T, s store.Tokens, subject string, proofAge time.Duration) {
	t.Helper()
	v, err := s.TokenVersion(t.Context(), subject, proofAge)
	wantErr(t, err, store.ErrConflict, "TokenVersion of %q, proven %v ago, answered %d", subject, proofAge, v)
}

func versionIsOneAtFirst(t *testing.T, s store.Tokens) {
	createFamilies(t, s, newFamily("bob", "f", today()))
	for _, subject := range []string{"ann", "bob", strings.Repeat("s", 255)} {
		for _, age := range []time.Duration{0, -time.Hour, time.Hour, 10_000 * time.Hour} {
			wantVersion(t, s, subject, age, 1)
		}
	}
}

func revokeTokensOfMovesTheVersionOn(t *testing.T, s store.Tokens, c *clock) {
	for i := range 5 {
		revokeTokensOf(t, s, "ann")
		c.set(time.Duration(i+1) * time.Hour)
		wantVersion(t, s, "ann", time.Minute, int64(i+2))
	}
	wantVersion(t, s, "bob", time.Hour, 1)
}

func tokenVersionNeedsALaterProof(t *testing.T, s store.Tokens, c *clock) {
	revokeTokensOf(t, s, "ann")
	for _, ago := range []time.Duration{time.Hour, 30 * day} {
		c.set(ago)
		wantNoVersion(t, s, "ann", ago+time.Minute)
		wantNoVersion(t, s, "ann", 1000*ago)
		wantVersion(t, s, "ann", ago-time.Microsecond, 2)
		wantVersion(t, s, "ann", time.Minute, 2)
		wantVersion(t, s, "bob", 1000*ago, 1)
	}
}

func lastRevocationCountsForTheProof(t *testing.T, s store.Tokens, c *clock) {
	revokeTokensOf(t, s, "ann")
	c.set(2 * time.Hour)
	revokeTokensOf(t, s, "ann")
	c.set(3 * time.Hour)
	wantNoVersion(t, s, "ann", time.Hour+time.Minute)
	wantVersion(t, s, "ann", time.Hour-time.Minute, 3)
}

// proofAgeIsNotNegative: a caller may have measured the age of its proof with
// a clock that has been set back, and so may the store.
func proofAgeIsNotNegative(t *testing.T, s store.Tokens, c *clock) {
	c.set(2 * time.Hour)
	revokeTokensOf(t, s, "ann")
	c.set(3 * time.Hour)
	wantVersion(t, s, "ann", -24*time.Hour, 2)
	c.set(time.Hour)
	wantNoVersion(t, s, "ann", 0)
	wantNoVersion(t, s, "ann", -24*time.Hour)
}

func tokenOfAnotherVersionIsDead(t *testing.T, s store.Tokens) {
	now := today()
	version := func(subject string, n int64, issued time.Time) store.TokenRef {
		token := newToken(subject, "a", issued)
		token.Version = n
		return token
	}
	for current := int64(1); current <= 3; current++ {
		for _, issued := range []time.Time{now.Add(-time.Hour), now, now.Add(time.Hour)} {
			for n := int64(1); n <= 5; n++ {
				want := store.TokenRevokedBySubject
				if n == current {
					want = ""
				}
				wantDead(t, s, version("ann", n, issued), now, want, fmt.Sprintf("ver is %d, the subject's %d", n, current))
			}
			wantDead(t, s, version("ann", 1<<53+current, issued), now, store.TokenRevokedBySubject, "ver is huge")
			wantLive(t, s, version("bob", 1, issued), now, "another's tokens were revoked")
		}
		revokeTokensOf(t, s, "ann")
	}
}

func foreignTokenIsDeadByItsIssue(t *testing.T, s store.Tokens, c *clock) {
	c.set(2 * time.Hour)
	before := today().Add(2 * time.Hour).Truncate(time.Second) // this second or, when the clock ticks, the one before
	revokeTokensOf(t, s, "ann")
	after := today().Add(2 * time.Hour).Truncate(time.Second).Add(time.Second)
	for _, now := range []time.Time{before, before.Add(-2 * time.Hour), after.Add(time.Hour)} {
		for _, ago := range []time.Duration{0, time.Second, time.Hour, 1000 * time.Hour} {
			wantDead(t, s, foreignToken("ann", "a", before.Add(-ago)), now, store.TokenRevokedBySubject, fmt.Sprintf("issued %v before the revocation, in whole seconds", ago))
		}
		for _, later := range []time.Duration{time.Second, time.Hour} {
			wantLive(t, s, foreignToken("ann", "a", after.Add(later)), now, fmt.Sprintf("issued over %v after the revocation", later))
		}
		wantLive(t, s, foreignToken("bob", "a", before.Add(-time.Hour)), now, "another's tokens were revoked")
	}
	wantLive(t, s, foreignToken("ann", "a", after), after, "issued in the second after the revocation")
}

func slowClockUndoesNoRevocation(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	c.set(2 * time.Hour)
	revokeTokensOf(t, s, "ann")
	token := foreignToken("ann", "a", now.Add(time.Hour))
	wantDead(t, s, token, now, store.TokenRevokedBySubject, "issued before the revocation")
	c.set(0)
	revokeTokensOf(t, s, "ann")
	wantDead(t, s, token, now, store.TokenRevokedBySubject, "issued before the first revocation, after the second by a slow clock")
	c.set(3 * time.Hour)
	wantNoVersion(t, s, "ann", 90*time.Minute)
	wantVersion(t, s, "ann", 30*time.Minute, 3)
}

func subjectsCompareBytewise(t *testing.T, s store.Tokens) {
	now := today()
	long := strings.Repeat("x", 254)
	pairs := append(alike[:len(alike):len(alike)], [2]string{long + "a", long + "b"}, [2]string{long, long + "b"})
	for i, pair := range pairs {
		mine, theirs := pair[0], pair[1]
		f := newFamily(theirs, fmt.Sprint("family ", i), now)
		createFamilies(t, s, f)
		revokeTokensOf(t, s, mine)
		wantNoVersion(t, s, mine, time.Hour)
		wantVersion(t, s, theirs, time.Hour, 1)
		wantDead(t, s, newToken(mine, "a", now), now, store.TokenRevokedBySubject, "its subject's tokens were revoked")
		wantLive(t, s, newToken(theirs, "a", now), now, fmt.Sprintf("the tokens of %q were revoked", mine))
		wantLive(t, s, tokenOf(f), now, fmt.Sprintf("the tokens of %q were revoked", mine))
		other := tokenOf(f)
		other.Subject, other.Version = mine, 2
		wantDead(t, s, other, now, store.TokenRevokedByFamily, fmt.Sprintf("the family is of %q", theirs))
		advance(t, s, f.Ref, use(f, 1))
	}
}

// oneTag are two subjects of which TagOf is the same.
var oneTag = [2]string{"user-9688866", "user-16259611"}

func subjectsOfOneTagAreApart(t *testing.T, s store.Tokens) {
	now := today()
	mine, theirs := newFamily(oneTag[0], "mine", now), newFamily(oneTag[1], "theirs", now)
	if mine.Ref.Tag != theirs.Ref.Tag {
		t.Fatalf("the tags are %q and %q, want one", mine.Ref.Tag, theirs.Ref.Tag)
	}
	createFamilies(t, s, mine, theirs)
	second := newFamily(oneTag[1], "mine", now)
	wantErr(t, s.CreateFamily(t.Context(), second), store.ErrExists, "CreateFamily with the ID of another subject's")
	wantUnchanged(t, s, mine)

	borrowed := tokenOf(mine)
	borrowed.Subject = theirs.Subject
	wantDead(t, s, borrowed, now, store.TokenRevokedByFamily, "the family is another subject's")

	revokeTokensOf(t, s, mine.Subject)
	wantVersion(t, s, theirs.Subject, time.Hour, 1)
	wantDead(t, s, tokenOf(mine), now, store.TokenRevokedBySubject, "its subject's tokens were revoked")
	wantLive(t, s, tokenOf(theirs), now, "another's tokens were revoked")
	refuseAdvance(t, s, mine.Ref, use(mine, 1), store.ErrNotFound, "its subject's tokens were revoked")
	advance(t, s, theirs.Ref, use(theirs, 1))
}

func versionsAreNeverForgotten(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	revokeTokensOf(t, s, "ann")
	revokeTokensOf(t, s, "ann")
	c.set(4000 * day)
	clean(t, s)
	later := now.Add(4000 * day)
	for i := range 50 { // some stores delete when they insert
		createFamilies(t, s, newFamily("bob", fmt.Sprint("family ", i), later))
		revokeToken(t, s, newToken("ann", fmt.Sprint("token ", i), later), later.Add(time.Hour))
	}
	revokeTokensOf(t, s, "eve")
	wantDead(t, s, newToken("ann", "a", now), later, store.TokenRevokedBySubject, "its subject's tokens were revoked long ago")
	wantDead(t, s, foreignToken("ann", "a", now.Add(-time.Minute)), later, store.TokenRevokedBySubject, "its subject's tokens were revoked long ago")
	wantVersion(t, s, "ann", time.Hour, 3)
}
