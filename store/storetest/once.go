package storetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func onceCases() []testCase[store.Once] {
	return []testCase[store.Once]{
		{
			name: "first_claim_wins",
			rule: "ClaimOnce answers nil to one caller and ErrExists to all others",
			test: firstClaimWins,
		},
		{
			name: "claim_race_has_one_winner",
			rule: "of concurrent claims one wins, the others get ErrExists",
			test: claimRaceHasOneWinner,
		},
		{
			name: "claims_are_by_purpose_and_digest",
			rule: "a claim is of a purpose and a digest: another purpose or another digest is another claim",
			test: claimsAreByPurposeAndDigest,
		},
		{
			name: "purposes_compare_bytewise",
			rule: "a purpose is at most 64 bytes, and all of them count, as they are",
			test: purposesCompareBytewise,
		},
		{
			name: "claimed_digests_compare_bytewise",
			rule: "a digest is 32 bytes, and all of them count",
			test: claimedDigestsCompareBytewise,
		},
		{
			name: "claim_ends_at_until",
			rule: "a claim is live while now, the caller's, is before until; at until it may be made again",
			test: claimEndsAtUntil,
		},
		{
			name: "refused_claim_changes_nothing",
			rule: "a claim that is refused does not move the end of the one that was made",
			test: refusedClaimChangesNothing,
		},
		{
			name: "claim_that_is_over_blocks_nobody",
			rule: "ErrExists is answered while now is before until, and until may be past when the claim is made",
			test: claimThatIsOverBlocksNobody,
		},
		{
			name: "claim_may_last_for_ages",
			rule: "until may be as far away as the year 9999, as some write never: the claim holds",
			test: claimMayLastForAges,
		},
		{
			name: "renewed_claim_has_one_winner",
			rule: "of concurrent claims of what was claimed before and is over one wins, the others get ErrExists",
			test: renewedClaimHasOneWinner,
		},
		{
			name:   "cleaning_spares_live_claims",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesLiveClaims,
		},
		{
			name: "claim_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: claimWithAnEndedContext,
		},
	}
}

func digest(secret string) store.Digest { return store.DigestOf(secret) }

func claim(t *testing.T, s store.Once, purpose string, d store.Digest, until, now time.Time) error {
	t.Helper()
	return s.ClaimOnce(t.Context(), purpose, d, until, now)
}

func firstClaimWins(t *testing.T, s store.Once) {
	now := today()
	wantErr(t, claim(t, s, "jti", digest("a"), now.Add(time.Hour), now), nil, "first claim")
	wantErr(t, claim(t, s, "jti", digest("a"), now.Add(time.Hour), now), store.ErrExists, "the same again")
	wantErr(t, claim(t, s, "jti", digest("a"), now.Add(2*time.Hour), now), store.ErrExists, "again until later")
	wantErr(t, claim(t, s, "jti", digest("a"), now.Add(time.Minute), now), store.ErrExists, "again until earlier")
	wantErr(t, claim(t, s, "jti", digest("a"), now.Add(time.Hour), now.Add(-time.Minute)), store.ErrExists, "again, by a slow clock")
}

func claimRaceHasOneWinner(t *testing.T, s store.Once) {
	now := today()
	for round := range 3 {
		d := digest(fmt.Sprint("race ", round))
		won := winners(t, 100, store.ErrExists, func(int) error { return claim(t, s, "race", d, now.Add(time.Hour), now) })
		if len(won) != 1 {
			t.Errorf("%d of 100 claims at once were answered nil, want 1", len(won))
		}
	}
}

// claimAll claims each pair, and each again.
func claimAll(t *testing.T, s store.Once, purposes []string, digests []store.Digest) {
	t.Helper()
	now := today()
	for _, want := range []error{nil, store.ErrExists} {
		for _, p := range purposes {
			for _, d := range digests {
				wantErr(t, claim(t, s, p, d, now.Add(time.Hour), now), want, "claim of %q and %v", p, d)
			}
		}
	}
}

func claimsAreByPurposeAndDigest(t *testing.T, s store.Once) {
	a, b := digest("a"), digest("b")
	// Purposes that end or begin as a digest may be written.
	purposes := []string{
		"dpop", "dpop:", "dpop:" + a.String()[:8], "dpop:" + b.String()[:32], a.String(), b.String(),
		a.String()[:63], "dpo", "p", ":", "dpop:*", "dpop?",
	}
	claimAll(t, s, purposes, []store.Digest{a, b})
}

func purposesCompareBytewise(t *testing.T, s store.Once) {
	long := strings.Repeat("p", 63)
	claimAll(t, s, []string{
		"reset", "Reset", "RESET", "reset ", " reset", "réset", "re\u0301set", "reset\t", "'; DROP TABLE authn_once; --",
		long + "a", long + "b", long, strings.Repeat("é", 32), strings.Repeat("é", 31) + "è",
	}, []store.Digest{digest("a")})
}

// nearDigests differ in little: the letters of one case, an end that some
// databases pad, a bit, and bytes that are no UTF-8.
func nearDigests() []store.Digest {
	fill := func(first, last byte) (d store.Digest) {
		for i := range d {
			d[i] = 'x'
		}
		d[0], d[len(d)-1] = first, last
		return d
	}
	return []store.Digest{
		fill('a', 'a'), fill('A', 'a'), fill('a', 'A'), fill('a', 0), fill('a', ' '), fill(0, 'a'), fill(' ', 'a'),
		fill('a', 0xff), fill('a', 0xfe), fill(0xff, 'a'),
		{},
		{31: 1},
		{0: 1},
		{16: 1},
		{15: 1},
	}
}

func claimedDigestsCompareBytewise(t *testing.T, s store.Once) {
	claimAll(t, s, []string{"near"}, nearDigests())
}

func claimEndsAtUntil(t *testing.T, s store.Once) {
	now := today()
	end := now.Add(time.Hour)
	d := digest("a")
	must(t, claim(t, s, "end", d, end, now), "first claim")
	wantErr(t, claim(t, s, "end", d, end.Add(time.Hour), end.Add(-time.Microsecond)), store.ErrExists, "a microsecond before the end")
	wantErr(t, claim(t, s, "end", d, end.Add(time.Hour), end), nil, "at the end")
	wantErr(t, claim(t, s, "end", d, end.Add(2*time.Hour), end), store.ErrExists, "at the end, once more")
	wantErr(t, claim(t, s, "end", d, end.Add(3*time.Hour), end.Add(time.Hour-time.Microsecond)), store.ErrExists, "before the second end")
	wantErr(t, claim(t, s, "end", d, end.Add(3*time.Hour), end.Add(time.Hour+time.Microsecond)), nil, "after the second end")
}

func refusedClaimChangesNothing(t *testing.T, s store.Once) {
	now := today()
	end := now.Add(time.Hour)
	for what, until := range map[string]time.Time{"later": end.Add(time.Hour), "earlier": end.Add(-30 * time.Minute)} {
		d := digest(what)
		must(t, claim(t, s, "refused", d, end, now), "first claim")
		wantErr(t, claim(t, s, "refused", d, until, now), store.ErrExists, "second claim, until %s", what)
		wantErr(t, claim(t, s, "refused", d, until, end.Add(-time.Microsecond)), store.ErrExists, "before the end, after one until %s was refused", what)
		wantErr(t, claim(t, s, "refused", d, end.Add(2*time.Hour), end), nil, "at the end, after one until %s was refused", what)
	}
}

func claimThatIsOverBlocksNobody(t *testing.T, s store.Once) {
	now := today()
	for _, until := range []time.Time{now, now.Add(-time.Microsecond), now.Add(-time.Hour)} {
		d := digest(until.String())
		wantErr(t, claim(t, s, "over", d, until, now), nil, "claim until %v before now", now.Sub(until))
		wantErr(t, claim(t, s, "over", d, now.Add(time.Hour), now), nil, "claim after one until %v before now", now.Sub(until))
		wantErr(t, claim(t, s, "over", d, now.Add(time.Hour), now), store.ErrExists, "the same again")
	}
}

func claimMayLastForAges(t *testing.T, s store.Once) {
	now := today()
	for _, year := range []int{2262, 2400, 9999} {
		until := time.Date(year, 12, 31, 0, 0, 0, 0, time.UTC)
		d := digest(until.String())
		wantErr(t, claim(t, s, "ages", d, until, now), nil, "claim until the year %d", year)
		for _, later := range []time.Time{now, now.AddDate(100, 0, 0), until.AddDate(0, 0, -1)} {
			wantErr(t, claim(t, s, "ages", d, until, later), store.ErrExists, "the same again in the year %d", later.Year())
		}
	}
}

func renewedClaimHasOneWinner(t *testing.T, s store.Once) {
	now := today()
	later := now.Add(time.Hour)
	for round := range 4 {
		d := digest(fmt.Sprint("renewed ", round))
		must(t, claim(t, s, "renewed", d, later, now), "first claim")
		won := winners(t, 50, store.ErrExists, func(int) error { return claim(t, s, "renewed", d, later.Add(time.Hour), later) })
		if len(won) != 1 {
			t.Errorf("%d of 50 claims at once of what was over were answered nil, want 1", len(won))
		}
	}
}

// cleaningSparesLiveClaims: the store's clock is fast, not wrong by a day.
func cleaningSparesLiveClaims(t *testing.T, s store.Once, c *clock) {
	now := today()
	ends := []time.Duration{time.Second, time.Minute, 12 * time.Hour, 30 * time.Hour}
	for _, end := range ends {
		must(t, claim(t, s, "live", digest(end.String()), now.Add(end), now), "first claim")
	}
	c.set(23 * time.Hour)
	clean(t, s)
	for i := range 200 { // some stores delete when they insert
		must(t, claim(t, s, "other", digest(fmt.Sprint(i)), now.Add(time.Hour), now), "another claim")
	}
	for _, end := range ends {
		wantErr(t, claim(t, s, "live", digest(end.String()), now.Add(end), now), store.ErrExists, "claim that ends in %v, the store's clock being 23 h fast", end)
	}
}

func claimWithAnEndedContext(t *testing.T, s store.Once) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	now := today()
	_ = s.ClaimOnce(ctx, "ended", digest("a"), now.Add(time.Hour), now)
	wantErr(t, claim(t, s, "ended", digest("b"), now.Add(time.Hour), now), nil, "the next claim")
}
