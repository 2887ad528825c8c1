package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type oneTimeCase = testCase[store.OneTime]

// oneTimeCases are of the files onetime_*.go, by theme.
func oneTimeCases() []oneTimeCase {
	return slices.Concat(oneTimeCapCases(), oneTimeClaimCases(), []oneTimeCase{
		{
			name: "one_time_token_keeps_every_field",
			rule: "OneTimeByDigest answers a live token as it was made, again and again, and ClaimOneTime once more",
			test: oneTimeTokenKeepsEveryField,
		},
		{
			name: "missing_one_time_tokens",
			rule: "a digest that is not there is ErrNotFound, and all its 32 bytes count",
			test: missingOneTimeTokens,
		},
		{
			name: "create_one_time_refuses_a_known_digest",
			rule: "CreateOneTime answers ErrExists when the Digest is there, whoever's it is, and changes nothing",
			test: createOneTimeRefusesAKnownDigest,
		},
		{
			name: "revoke_one_time_of",
			rule: "RevokeOneTimeOf ends all tokens of subject, of whatever purpose; those that are made later are good",
			test: revokeOneTimeOf,
		},
		{
			name: "revoke_one_time_of_nobody_else",
			rule: "RevokeOneTimeOf ends nobody else's tokens; subjects compare bytewise",
			test: revokeOneTimeOfNobodyElse,
		},
		{
			name:   "cleaning_spares_one_time_tokens",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesOneTimeTokens,
		},
		{
			name: "one_time_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: oneTimeCallsWithAnEndedContext,
		},
	})
}

// newOneTime is a token of an hour, for resetting subject's password.
func newOneTime(subject, secret string, now time.Time) store.OneTimeToken {
	return store.OneTimeToken{
		Digest: digest(secret), Purpose: "reset", Subject: subject, Bound: "bound to " + secret,
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

// oneTimeOf is a newOneTime for another purpose.
func oneTimeOf(subject, purpose, secret string, now time.Time) store.OneTimeToken {
	t := newOneTime(subject, secret, now)
	t.Purpose = purpose
	return t
}

// createOneTimes inserts each of all without a cap, or ends the test.
func createOneTimes(t *testing.T, s store.OneTime, all ...store.OneTimeToken) {
	t.Helper()
	for _, k := range all {
		must(t, s.CreateOneTime(t.Context(), k, 0, k.CreatedAt), "CreateOneTime for %q of %q", k.Purpose, k.Subject)
	}
}

// wantOneTime says when want is not read as it is.
func wantOneTime(t *testing.T, s store.OneTime, want store.OneTimeToken, now time.Time) {
	t.Helper()
	got, err := s.OneTimeByDigest(t.Context(), want.Digest, now)
	wantErr(t, err, nil, "OneTimeByDigest of a token of %q for %q", want.Subject, want.Purpose)
	wantSameOneTime(t, got, want, "OneTimeByDigest")
}

// wantClaimed says when want cannot be claimed, or is answered otherwise.
func wantClaimed(t *testing.T, s store.OneTime, want store.OneTimeToken, now time.Time) {
	t.Helper()
	got, err := s.ClaimOneTime(t.Context(), want.Digest, now)
	wantErr(t, err, nil, "ClaimOneTime of a token of %q for %q", want.Subject, want.Purpose)
	wantSameOneTime(t, got, want, "ClaimOneTime")
}

func wantSameOneTime(t *testing.T, got, want store.OneTimeToken, what string) {
	t.Helper()
	var f fields
	f.any("Digest", got.Digest == want.Digest, got.Digest, want.Digest)
	f.text("Purpose", got.Purpose, want.Purpose)
	f.text("Subject", got.Subject, want.Subject)
	f.text("Bound", got.Bound, want.Bound)
	f.at("CreatedAt", got.CreatedAt, want.CreatedAt)
	f.at("ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	if d := f.String(); d != "" {
		t.Errorf("%s of a token of %q for %q: %s", what, want.Subject, want.Purpose, d)
	}
}

// noOneTime says when d is there, to be read or to be claimed.
func noOneTime(t *testing.T, s store.OneTime, d store.Digest, now time.Time, why string) {
	t.Helper()
	_, err := s.OneTimeByDigest(t.Context(), d, now)
	wantErr(t, err, store.ErrNotFound, "OneTimeByDigest: %s", why)
	_, err = s.ClaimOneTime(t.Context(), d, now)
	wantErr(t, err, store.ErrNotFound, "ClaimOneTime: %s", why)
}

func revokeOneTimes(t *testing.T, s store.OneTime, subject string) {
	t.Helper()
	must(t, s.RevokeOneTimeOf(t.Context(), subject), "RevokeOneTimeOf %q", subject)
}

func oneTimeTokenKeepsEveryField(t *testing.T, s store.OneTime) {
	now := today()
	texts := []string{
		"'; DROP TABLE authn_one_time; --", `"quoted" \back\slash`, "100%_?*[a-z]", "$1 :name @p1 {ann}", "🔑 ключ 鍵", "e\u0301",
		"line\nbreak\ttab", " spaces around ", "a:b:c{d}", strings.Repeat("é", 32), strings.Repeat("x", 64),
	}
	var all []store.OneTimeToken
	for i, text := range texts {
		all = append(all, store.OneTimeToken{
			Digest: digest(text), Purpose: text, Subject: texts[(i+1)%len(texts)], Bound: texts[(i+2)%len(texts)],
			CreatedAt: now.Add(-time.Duration(i) * time.Microsecond), ExpiresAt: now.Add(time.Hour + time.Duration(i)*time.Microsecond),
		})
	}
	long := newOneTime(strings.Repeat("x", 255), "long", now)
	long.Bound = strings.Repeat("é", 256)
	unbound := newOneTime(strings.Repeat("🔑", 63)+"abc", "unbound", now)
	unbound.Bound = ""
	ages := newOneTime("ann", "ages", now.AddDate(-10, 0, 0))
	ages.ExpiresAt = time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)
	all = append(all, long, unbound, ages)
	createOneTimes(t, s, all...)
	for range 2 {
		for _, k := range all {
			wantOneTime(t, s, k, now)
		}
	}
	for _, k := range all {
		wantClaimed(t, s, k, now)
	}
}

func missingOneTimeTokens(t *testing.T, s store.OneTime) {
	now := today()
	near := nearDigests()
	for _, d := range near {
		noOneTime(t, s, d, now, "nothing is there")
	}
	var all []store.OneTimeToken
	for i, d := range near {
		noOneTime(t, s, d, now, fmt.Sprintf("%d others are there", i))
		k := newOneTime("ann", fmt.Sprint(i), now)
		k.Digest = d
		createOneTimes(t, s, k)
		all = append(all, k)
	}
	for _, k := range all {
		wantOneTime(t, s, k, now)
	}
	for i, k := range all {
		wantClaimed(t, s, k, now)
		for _, other := range all[i+1:] {
			wantOneTime(t, s, other, now)
		}
	}
}

func createOneTimeRefusesAKnownDigest(t *testing.T, s store.OneTime) {
	now := today()
	first := newOneTime("ann", "a", now)
	createOneTimes(t, s, first)
	longer := first
	longer.ExpiresAt = now.Add(2 * time.Hour)
	for what, k := range map[string]store.OneTimeToken{
		"the same again":             first,
		"its digest, living longer":  longer,
		"its digest, of another one": newOneTime("bob", "a", now),
		"its digest, for another":    oneTimeOf("ann", "magic", "a", now),
	} {
		wantErr(t, s.CreateOneTime(t.Context(), k, 0, now), store.ErrExists, "CreateOneTime of %s", what)
	}
	wantOneTime(t, s, first, now)
	// What was refused is of nobody: revoking and counting do not find it.
	revokeOneTimes(t, s, "bob")
	must(t, s.CreateOneTime(t.Context(), newOneTime("bob", "b", now), 1, now), "CreateOneTime, the first of 1")
	must(t, s.CreateOneTime(t.Context(), oneTimeOf("ann", "magic", "m", now), 1, now), "CreateOneTime, the first of 1")
	wantClaimed(t, s, first, now)

	for round := range 3 {
		one := func(i int) store.OneTimeToken {
			return newOneTime(fmt.Sprint("user ", i), fmt.Sprint("race ", round), now)
		}
		won := winners(t, 25, store.ErrExists, func(i int) error { return s.CreateOneTime(t.Context(), one(i), 0, now) })
		if len(won) != 1 {
			t.Fatalf("%d of 25 tokens of one digest at once were answered nil, want 1", len(won))
		}
		wantClaimed(t, s, one(won[0]), now)
	}
}

func revokeOneTimeOf(t *testing.T, s store.OneTime) {
	now := today()
	revokeOneTimes(t, s, "ann") // who has none
	old := []store.OneTimeToken{
		newOneTime("ann", "a", now), newOneTime("ann", "b", now), oneTimeOf("ann", "magic", "c", now), oneTimeOf("ann", "verify-email", "d", now),
	}
	createOneTimes(t, s, old...)
	for range 2 {
		revokeOneTimes(t, s, "ann")
		for _, k := range old {
			noOneTime(t, s, k.Digest, now, "it was revoked")
			noOneTime(t, s, k.Digest, now.Add(-time.Minute), "it was revoked, says a slow clock")
		}
	}
	next := newOneTime("ann", "e", now)
	wantErr(t, s.CreateOneTime(t.Context(), next, 1, now), nil, "CreateOneTime of the first of 1 after RevokeOneTimeOf")
	wantClaimed(t, s, next, now)
}

func revokeOneTimeOfNobodyElse(t *testing.T, s store.OneTime) {
	now := today()
	for i, pair := range alike {
		mine, theirs := newOneTime(pair[0], fmt.Sprint("mine ", i), now), newOneTime(pair[1], fmt.Sprint("theirs ", i), now)
		createOneTimes(t, s, mine, theirs)
		revokeOneTimes(t, s, pair[1])
		noOneTime(t, s, theirs.Digest, now, "it was revoked")
		wantOneTime(t, s, mine, now)
	}
	for _, subject := range []string{"", "%", "*", "reset", "nobody"} {
		revokeOneTimes(t, s, subject)
	}
	for i, pair := range alike {
		wantClaimed(t, s, newOneTime(pair[0], fmt.Sprint("mine ", i), now), now)
	}
}

// cleaningSparesOneTimeTokens: the store's clock is fast, not wrong by a day.
func cleaningSparesOneTimeTokens(t *testing.T, s store.OneTime, c *clock) {
	now := today()
	var all []store.OneTimeToken
	for _, lives := range []time.Duration{time.Second, time.Minute, 12 * time.Hour, 24 * time.Hour} {
		k := newOneTime("ann", lives.String(), now)
		k.ExpiresAt = now.Add(lives)
		all = append(all, k)
	}
	createOneTimes(t, s, all...)
	c.set(23 * time.Hour)
	clean(t, s)
	for i := range 50 { // some stores delete when they insert
		createOneTimes(t, s, newOneTime(fmt.Sprint("other ", i%5), fmt.Sprint("other ", i), now))
	}
	for _, k := range all {
		wantOneTime(t, s, k, now)
	}
	wantErr(t, s.CreateOneTime(t.Context(), newOneTime("ann", "one more", now), len(all), now), store.ErrLimit, "one token more, the store's clock being 23 h fast")
	for _, k := range all {
		wantClaimed(t, s, k, now)
	}
}

func oneTimeCallsWithAnEndedContext(t *testing.T, s store.OneTime) {
	now := today()
	createOneTimes(t, s, newOneTime("ann", "old", now))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.CreateOneTime(ctx, newOneTime("ann", "new", now), 5, now)
	_, _ = s.OneTimeByDigest(ctx, digest("old"), now)
	_, _ = s.ClaimOneTime(ctx, digest("old"), now)
	_ = s.RevokeOneTimeOf(ctx, "ann")
	createOneTimes(t, s, newOneTime("ann", "after", now))
	wantClaimed(t, s, newOneTime("ann", "after", now), now)
}
