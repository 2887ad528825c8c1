package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

const day = 24 * time.Hour

func expiringCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "expiring_within_d",
			rule: "ClaimExpiringAPIKeys answers keys that end within d, the last moment included, and of all owners",
			test: expiringWithinD,
		},
		{
			name: "expiring_are_live",
			rule: "ClaimExpiringAPIKeys answers live keys: not those that are revoked or at their end",
			test: expiringAreLive,
		},
		{
			name: "expiring_have_no_successor",
			rule: "ClaimExpiringAPIKeys answers keys that have no successor",
			test: expiringHaveNoSuccessor,
		},
		{
			name: "expiring_by_age",
			rule: "a key ends at ExpiresAt or CreatedAt + MaxAge, whichever comes first",
			test: expiringByAge,
		},
		{
			name: "expiring_once_for_d",
			rule: "ClaimExpiringAPIKeys answers each key once: not again for this d, nor for a longer one",
			test: expiringOnceForD,
		},
		{
			name: "expiring_again_for_a_shorter_d",
			rule: "ClaimExpiringAPIKeys answers a key again for a shorter d than before, once",
			test: expiringAgainForAShorterD,
		},
		{
			name: "expiring_up_to_limit",
			rule: "ClaimExpiringAPIKeys answers up to limit keys; the rest comes with the next call",
			test: expiringUpToLimit,
		},
		{
			name: "expiring_to_one_caller",
			rule: "ClaimExpiringAPIKeys answers each key once, whoever calls",
			test: expiringToOneCaller,
		},
	}
}

// wantExpiring claims and says when the answer is not want, in any order.
func wantExpiring(t *testing.T, s store.APIKeys, d time.Duration, l store.APIKeyLimits, now time.Time, want ...string) []store.APIKey {
	t.Helper()
	keys, err := s.ClaimExpiringAPIKeys(t.Context(), d, l, 100, now)
	wantErr(t, err, nil, "ClaimExpiringAPIKeys within %v", d)
	got := ids(keys)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("ClaimExpiringAPIKeys within %v: got %q, want %q", d, got, want)
	}
	return keys
}

func expiringWithinD(t *testing.T, s store.APIKeys) {
	now := today()
	end := now.Add(7 * day)
	create(t, s,
		endingKey("ann", "at the edge", now, end),
		endingKey("ann", "outside", now, end.Add(time.Microsecond)),
		endingKey("bob", "inside", now, end.Add(-time.Microsecond)),
		endingKey("eve", "soon", now, now.Add(time.Microsecond)),
		endingKey("eve", "far", now, now.Add(365*day)),
		newKey("ann", "endless", now.Add(-1000*day)),
	)
	got := wantExpiring(t, s, 7*day, noLimits, now, "at the edge", "inside", "soon")
	for _, k := range got {
		if k.ID == "at the edge" {
			wantKey(t, k, endingKey("ann", "at the edge", now, end))
		}
	}
	wantExpiring(t, s, 7*day, noLimits, now.Add(time.Microsecond), "outside")
}

func expiringAreLive(t *testing.T, s store.APIKeys) {
	now := today()
	end := now.Add(time.Hour)
	create(t, s,
		endingKey("ann", "expired", now.Add(-day), now.Add(-time.Microsecond)),
		endingKey("ann", "expires now", now.Add(-day), now),
		endingKey("ann", "revoked", now, end),
		endingKey("bob", "revoked with all", now, end),
		newKey("ann", "aged", now.Add(-30*day)),
		endingKey("ann", "live", now, end),
	)
	must(t, s.RevokeAPIKey(t.Context(), "ann", "revoked", now), "RevokeAPIKey")
	must(t, s.RevokeAPIKeysOf(t.Context(), "bob", now), "RevokeAPIKeysOf")
	wantExpiring(t, s, day, store.APIKeyLimits{MaxAge: 30 * day}, now, "live")
}

func expiringHaveNoSuccessor(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, endingKey("ann", "old", now, now.Add(2*time.Hour)), endingKey("ann", "warned", now, now.Add(2*time.Hour)),
		endingKey("ann", "other", now, now.Add(3*day)))
	must(t, rotate(t, s, "ann", "old", endingKey("ann", "successor", now, now.Add(3*time.Hour)), now.Add(time.Hour), now), "RotateAPIKey")
	wantExpiring(t, s, day, noLimits, now, "warned", "successor")
	// The successor of a key that was claimed has not been claimed.
	must(t, rotate(t, s, "ann", "warned", endingKey("ann", "its successor", now, now.Add(3*time.Hour)), now.Add(time.Hour), now), "RotateAPIKey")
	wantExpiring(t, s, day, noLimits, now, "its successor")
	wantExpiring(t, s, 3*day, noLimits, now, "other")
}

func expiringByAge(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s,
		newKey("ann", "edge", now.Add(-29*day)),
		newKey("ann", "younger", now.Add(-29*day+time.Microsecond)),
		newKey("ann", "older", now.Add(-30*day+time.Microsecond)),
		newKey("ann", "aged", now.Add(-30*day)),
		endingKey("ann", "by age first", now.Add(-29*day), now.Add(5*day)),
		endingKey("ann", "expires first", now.Add(-day), now.Add(time.Hour)),
		endingKey("ann", "expires later", now.Add(-day), now.Add(2*day)),
	)
	wantExpiring(t, s, time.Minute, noLimits, now)
	wantExpiring(t, s, day, store.APIKeyLimits{MaxAge: 30 * day}, now, "edge", "older", "by age first", "expires first")
}

func expiringOnceForD(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, endingKey("ann", "a", now, now.Add(time.Hour)), endingKey("bob", "b", now, now.Add(3*day)))
	wantExpiring(t, s, day, noLimits, now, "a")
	wantExpiring(t, s, day, noLimits, now)
	wantExpiring(t, s, day+time.Microsecond, noLimits, now)
	wantExpiring(t, s, 7*day, noLimits, now, "b")
	wantExpiring(t, s, 7*day, noLimits, now.Add(time.Minute))
	wantExpiring(t, s, 30*day, noLimits, now)
}

func expiringAgainForAShorterD(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, endingKey("ann", "k", now, now.Add(10*day)))
	wantExpiring(t, s, 30*day, noLimits, now, "k")
	wantExpiring(t, s, 7*day, noLimits, now)
	now = now.Add(3 * day)
	wantExpiring(t, s, 7*day, noLimits, now, "k")
	wantExpiring(t, s, 7*day, noLimits, now)
	wantExpiring(t, s, 30*day, noLimits, now)
	now = now.Add(6 * day)
	wantExpiring(t, s, 7*day, noLimits, now)
	wantExpiring(t, s, day+time.Microsecond, noLimits, now, "k")
	wantExpiring(t, s, day, noLimits, now, "k")
	wantExpiring(t, s, day, noLimits, now)
	wantExpiring(t, s, day+time.Microsecond, noLimits, now)
}

func expiringUpToLimit(t *testing.T, s store.APIKeys) {
	now := today()
	var want []string
	for i := range 7 {
		id := fmt.Sprint("k", i)
		create(t, s, endingKey(fmt.Sprint("owner ", i%3), id, now, now.Add(time.Hour)))
		want = append(want, id)
	}
	var got []string
	for call, n := range []int{3, 3, 1, 0} {
		keys, err := s.ClaimExpiringAPIKeys(t.Context(), day, noLimits, 3, now)
		wantErr(t, err, nil, "call %d", call+1)
		if len(keys) != n {
			t.Errorf("call %d with limit 3 answered %d of 7 keys, want %d", call+1, len(keys), n)
		}
		got = append(got, ids(keys)...)
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("all calls together answered %q, want %q", got, want)
	}
}

func expiringToOneCaller(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 6 {
		var want []string
		for i := range 10 {
			id := fmt.Sprint("round ", round, " ", i)
			create(t, s, endingKey(fmt.Sprint("owner ", i%4), id, now, now.Add(time.Hour)))
			want = append(want, id)
		}
		answers := make([][]string, 10)
		race(t, len(answers), func(i int) {
			limit := 100
			if i%2 == 0 {
				limit = 3
			}
			keys, err := s.ClaimExpiringAPIKeys(t.Context(), day, noLimits, limit, now)
			wantErr(t, err, nil, "ClaimExpiringAPIKeys")
			answers[i] = ids(keys)
		})
		// What the racers left, if that was locked while they looked.
		rest, err := s.ClaimExpiringAPIKeys(t.Context(), day, noLimits, 100, now)
		wantErr(t, err, nil, "ClaimExpiringAPIKeys")
		got := slices.Sorted(slices.Values(append(slices.Concat(answers...), ids(rest)...)))
		if !slices.Equal(got, want) {
			t.Errorf("%d calls at once answered %q, want each of %q once", len(answers), got, want)
		}
	}
}
