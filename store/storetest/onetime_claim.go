package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func oneTimeClaimCases() []oneTimeCase {
	return []oneTimeCase{
		{
			name: "claimed_one_time_token_is_used_up",
			rule: "ClaimOneTime answers a token to one caller, for whom it is used up, and no other token",
			test: claimedOneTimeTokenIsUsedUp,
		},
		{
			name: "claim_one_time_has_one_winner",
			rule: "of concurrent ClaimOneTime of one token one gets it, the others get ErrNotFound",
			test: claimOneTimeHasOneWinner,
		},
		{
			name: "one_time_token_ends",
			rule: "a token is live while now, the caller's, is before ExpiresAt; at ExpiresAt it is ErrNotFound",
			test: oneTimeTokenEnds,
		},
		{
			name: "claim_of_what_has_ended_changes_nothing",
			rule: "ClaimOneTime of a token that is not live at now, the caller's, uses nothing up",
			test: claimOfWhatHasEndedChangesNothing,
		},
	}
}

func claimedOneTimeTokenIsUsedUp(t *testing.T, s store.OneTime) {
	now := today()
	k := newOneTime("ann", "a", now)
	others := []store.OneTimeToken{newOneTime("ann", "b", now), oneTimeOf("ann", "magic", "c", now), newOneTime("bob", "d", now)}
	createOneTimes(t, s, k)
	createOneTimes(t, s, others...)
	wantClaimed(t, s, k, now)
	for range 2 {
		noOneTime(t, s, k.Digest, now, "it was claimed")
		noOneTime(t, s, k.Digest, now.Add(-time.Minute), "it was claimed, says a slow clock")
	}
	for _, other := range others {
		wantOneTime(t, s, other, now)
	}
	for _, other := range others {
		wantClaimed(t, s, other, now)
	}
}

func claimOneTimeHasOneWinner(t *testing.T, s store.OneTime) {
	now := today()
	for round := range 4 {
		const n = 50
		k := newOneTime("ann", fmt.Sprint("race ", round), now)
		createOneTimes(t, s, k)
		got := make([]store.OneTimeToken, n)
		won := winners(t, n, store.ErrNotFound, func(i int) (err error) {
			got[i], err = s.ClaimOneTime(t.Context(), k.Digest, now)
			return err
		})
		if len(won) != 1 {
			t.Fatalf("%d of %d claims at once of one token were answered nil, want 1", len(won), n)
		}
		wantSameOneTime(t, got[won[0]], k, "ClaimOneTime in a race")
		noOneTime(t, s, k.Digest, now, "it was claimed")
	}
}

func oneTimeTokenEnds(t *testing.T, s store.OneTime) {
	now := today()
	for i, lives := range []time.Duration{time.Microsecond, time.Second, time.Hour + 123456*time.Microsecond, 24 * time.Hour} {
		k := newOneTime("ann", fmt.Sprint("claimed ", i), now)
		k.ExpiresAt = now.Add(lives)
		createOneTimes(t, s, k)
		noOneTime(t, s, k.Digest, k.ExpiresAt, "it is its end")
		noOneTime(t, s, k.Digest, k.ExpiresAt.Add(time.Microsecond), "it is after its end")
		noOneTime(t, s, k.Digest, k.ExpiresAt.Add(1000*time.Hour), "it is long after its end")
		wantOneTime(t, s, k, k.ExpiresAt.Add(-time.Microsecond))
		wantClaimed(t, s, k, k.ExpiresAt.Add(-time.Microsecond))
	}
	over := newOneTime("ann", "over", now.Add(-2*time.Hour))
	must(t, s.CreateOneTime(t.Context(), over, 0, now), "CreateOneTime of what is over")
	noOneTime(t, s, over.Digest, now, "it was over when it was made")
}

func claimOfWhatHasEndedChangesNothing(t *testing.T, s store.OneTime) {
	now := today()
	k := newOneTime("ann", "a", now)
	createOneTimes(t, s, k)
	for _, at := range []time.Duration{0, time.Minute, 12 * time.Hour} {
		_, err := s.ClaimOneTime(t.Context(), k.Digest, k.ExpiresAt.Add(at))
		wantErr(t, err, store.ErrNotFound, "ClaimOneTime by a clock that is fast, %v after the end", at)
		wantOneTime(t, s, k, now)
	}
	wantErr(t, s.CreateOneTime(t.Context(), newOneTime("ann", "b", now), 1, now), store.ErrLimit, "one token more of 1, after claims of the first that failed")
	wantClaimed(t, s, k, now)
}
