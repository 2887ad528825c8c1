package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func tokenRevokeCases() []tokenCase {
	return []tokenCase{
		{
			name: "token_of_which_nothing_is_revoked_lives",
			rule: "TokenRevoked answers \"\" when nothing of the token is revoked, whoever its subject is",
			test: tokenOfWhichNothingIsRevokedLives,
		},
		{
			name: "revoked_token_is_dead",
			rule: "a token is dead by its id when RevokeToken was called for its Issuer and ID, and may be revoked again",
			test: revokedTokenIsDead,
		},
		{
			name: "tokens_are_named_by_issuer_and_id",
			rule: "Issuer and ID together name a token: with another issuer or another ID it is another one, and neither lends the other a byte",
			test: tokensAreNamedByIssuerAndID,
		},
		{
			name: "token_names_compare_bytewise",
			rule: "Issuer and ID compare bytewise, and all of them counts, however long they are",
			test: tokenNamesCompareBytewise,
		},
		{
			name: "only_name_and_subject_of_a_token_matter",
			rule: "only Issuer, ID and Subject matter to RevokeToken",
			test: onlyNameAndSubjectOfATokenMatter,
		},
		{
			name: "revoked_token_ends_at_until",
			rule: "a token is dead by its id while now, the caller's, is before until",
			test: revokedTokenEndsAtUntil,
		},
		{
			name: "later_until_counts",
			rule: "of several untils the latest counts: an earlier one does not shorten, whichever comes first",
			test: laterUntilCounts,
		},
		{
			name: "revoked_token_may_be_over",
			rule: "until may be past when RevokeToken is called: then it has no effect, and a later until has its own",
			test: revokedTokenMayBeOver,
		},
		{
			name: "revoked_token_may_last_for_ages",
			rule: "until may be as far away as the year 9999: the token stays dead",
			test: revokedTokenMayLastForAges,
		},
		{
			name:   "cleaning_spares_revoked_tokens",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesRevokedTokens,
		},
	}
}

func revokeToken(t *testing.T, s store.Tokens, token store.TokenRef, until time.Time) {
	t.Helper()
	must(t, s.RevokeToken(t.Context(), token, until), "RevokeToken of %+v", token)
}

func tokenOfWhichNothingIsRevokedLives(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	for _, others := range []bool{false, true} {
		what := fmt.Sprintf("others revoked: %v", others)
		if others {
			revokeToken(t, s, newToken("bob", "another", now), now.Add(time.Hour))
			revokeToken(t, s, newToken("ann", "another", now), now.Add(time.Hour))
			must(t, s.RevokeTokensOf(t.Context(), "bob"), "RevokeTokensOf")
			createFamilies(t, s, f, newFamily("ann", "revoked", now))
			must(t, s.RevokeFamily(t.Context(), newFamily("ann", "revoked", now).Ref, now), "RevokeFamily")
			wantLive(t, s, tokenOf(f), now, what)
		}
		wantLive(t, s, newToken("ann", "a", now), now, what)
		wantLive(t, s, newToken("eve", "a", now), now, what)
		wantLive(t, s, foreignToken("ann", "a", now.Add(-time.Hour)), now, what)
		wantLive(t, s, newToken("ann", "a", now.Add(-time.Hour)), now.Add(1000*time.Hour), what)
	}
}

func revokedTokenIsDead(t *testing.T, s store.Tokens) {
	now := today()
	for i, token := range []store.TokenRef{
		newToken("ann", "versioned", now), foreignToken("ann", "foreign", now), newToken(strings.Repeat("s", 255), "of a long subject", now),
	} {
		wantLive(t, s, token, now, "before RevokeToken")
		for range 2 {
			revokeToken(t, s, token, now.Add(time.Hour))
			wantDead(t, s, token, now, store.TokenRevokedByID, "RevokeToken was called")
		}
		wantLive(t, s, newToken("ann", fmt.Sprint("other ", i), now), now, "another token was revoked")
	}
}

func tokensAreNamedByIssuerAndID(t *testing.T, s store.Tokens) {
	now := today()
	apart(t, s, now, [][2]string{
		{"https://a", "b"},
		{"https://ab", ""},
		{"https://", "ab"},
		{"", "https://ab"},
		{"https://a", "c"},
		{"https://b", "b"},
		{"https://a:", "b"},
		{"https://a", ":b"},
		{"https://a|", "b"},
		{"https://a", "|b"},
		{"https://a ", "b"},
		{"https://a", " b"},
		{"b", "https://a"},
	})
}

// apart revokes one after the other of names that differ, each an Issuer and
// an ID, and says when that touches those that are still to come.
func apart(t *testing.T, s store.Tokens, now time.Time, names [][2]string) {
	t.Helper()
	ref := func(name [2]string) store.TokenRef {
		token := newToken("ann", name[1], now)
		token.Issuer = name[0]
		return token
	}
	for i, name := range names {
		wantLive(t, s, ref(name), now, "only others were revoked")
		revokeToken(t, s, ref(name), now.Add(time.Hour))
		wantDead(t, s, ref(name), now, store.TokenRevokedByID, "RevokeToken was called")
		if i > 0 {
			wantDead(t, s, ref(names[i-1]), now, store.TokenRevokedByID, "another was revoked after it")
		}
	}
}

func tokenNamesCompareBytewise(t *testing.T, s store.Tokens) {
	now := today()
	long := strings.Repeat("x", 2000)
	names := [][2]string{
		{issuer, long},
		{issuer, long + "a"},
		{issuer, long + "b"},
		{issuer, long + "b "},
		{long + "a", "id"},
		{long + "b", "id"},
		{"'; DROP TABLE authn_revoked_tokens; --", `{"json":[true]}`},
	}
	for _, pair := range alike {
		names = append(names, [2]string{issuer, pair[0]}, [2]string{issuer, pair[1]}, [2]string{pair[0], "id"}, [2]string{pair[1], "id"})
	}
	apart(t, s, now, names)
}

func onlyNameAndSubjectOfATokenMatter(t *testing.T, s store.Tokens) {
	now := today()
	f := newFamily("ann", "f", now)
	createFamilies(t, s, f)
	token := tokenOf(f)
	bare := store.TokenRef{Issuer: token.Issuer, ID: token.ID, Subject: token.Subject}
	revokeToken(t, s, bare, now.Add(time.Hour))
	wantDead(t, s, token, now, store.TokenRevokedByID, "revoked by Issuer, ID and Subject alone")

	odd := newToken("ann", "odd", now)
	odd.Family, odd.Version, odd.IssuedAt = "missing", 7, now.Add(1000*time.Hour)
	revokeToken(t, s, odd, now.Add(time.Hour))
	wantDead(t, s, newToken("ann", "odd", now), now, store.TokenRevokedByID, "revoked with another Family, Version and IssuedAt")
	wantLive(t, s, newToken("ann", "another", now), now, "RevokeToken is of one token")
	wantUnchanged(t, s, f)
	wantVersion(t, s, "ann", time.Hour, 1)
}

func revokedTokenEndsAtUntil(t *testing.T, s store.Tokens) {
	now := today()
	for _, until := range []time.Time{now.Add(time.Hour), now.Add(time.Hour).Truncate(time.Second).Add(999_999 * time.Microsecond)} {
		token := newToken("ann", until.String(), now)
		revokeToken(t, s, token, until)
		wantDead(t, s, token, now.Add(-time.Hour), store.TokenRevokedByID, "by a slow clock")
		wantDead(t, s, token, until.Add(-time.Microsecond), store.TokenRevokedByID, "a microsecond before until")
		wantLive(t, s, token, until, "until is now")
		wantLive(t, s, token, until.Add(time.Microsecond), "a microsecond after until")
	}
}

func laterUntilCounts(t *testing.T, s store.Tokens) {
	now := today()
	end := now.Add(time.Hour)
	for what, untils := range map[string][]time.Duration{
		"an earlier one comes later":   {0, -30 * time.Minute},
		"an earlier one comes first":   {-30 * time.Minute, 0},
		"the same twice":               {0, 0},
		"a microsecond earlier, later": {0, -time.Microsecond},
		"a microsecond earlier, first": {-time.Microsecond, 0},
		"one is past":                  {0, -2 * time.Hour},
	} {
		token := newToken("ann", what, now)
		for _, d := range untils {
			revokeToken(t, s, token, end.Add(d))
		}
		wantDead(t, s, token, end.Add(-time.Microsecond), store.TokenRevokedByID, "before the later until, when "+what)
		wantLive(t, s, token, end, "at the later until, when "+what)
	}
}

func revokedTokenMayBeOver(t *testing.T, s store.Tokens) {
	now := today()
	for _, ago := range []time.Duration{0, time.Microsecond, time.Hour, 400 * day} {
		token := newToken("ann", ago.String(), now)
		wantErr(t, s.RevokeToken(t.Context(), token, now.Add(-ago)), nil, "RevokeToken until %v before now", ago)
		wantLive(t, s, token, now, fmt.Sprintf("until was %v before now", ago))
		revokeToken(t, s, token, now.Add(time.Hour))
		wantDead(t, s, token, now, store.TokenRevokedByID, fmt.Sprintf("revoked again, after an until %v before now", ago))
	}
}

func revokedTokenMayLastForAges(t *testing.T, s store.Tokens) {
	now := today()
	for _, year := range []int{2262, 2400, 9999} {
		until := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		token := newToken("ann", until.String(), now)
		revokeToken(t, s, token, until)
		for _, later := range []time.Time{now, now.AddDate(100, 0, 0), until.AddDate(0, 0, -1)} {
			wantDead(t, s, token, later, store.TokenRevokedByID, fmt.Sprintf("until the year %d, in the year %d", year, later.Year()))
		}
	}
}

// cleaningSparesRevokedTokens: the store's clock is fast, not wrong by a day.
func cleaningSparesRevokedTokens(t *testing.T, s store.Tokens, c *clock) {
	now := today()
	ends := []time.Duration{time.Second, time.Minute, 12 * time.Hour, 30 * time.Hour}
	for _, end := range ends {
		revokeToken(t, s, newToken("ann", end.String(), now), now.Add(end))
	}
	// Its end has been moved from one that is long over.
	revokeToken(t, s, newToken("ann", "moved", now), now.Add(-3*day))
	revokeToken(t, s, newToken("ann", "moved", now), now.Add(time.Minute))
	c.set(23 * time.Hour)
	clean(t, s)
	for i := range 200 { // some stores delete when they insert
		revokeToken(t, s, newToken("ann", fmt.Sprint(i), now), now.Add(time.Hour))
	}
	for _, end := range ends {
		wantDead(t, s, newToken("ann", end.String(), now), now, store.TokenRevokedByID, fmt.Sprintf("until in %v, the store's clock being 23 h fast", end))
	}
	wantDead(t, s, newToken("ann", "moved", now), now, store.TokenRevokedByID, "until in a minute, moved from one that was over")
}
