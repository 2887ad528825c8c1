package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func capCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "cap_refuses_one_more",
			rule: "CreateAPIKey answers ErrLimit when the owner has MaxLive live keys or more; zero is no limit",
			test: capRefusesOneMore,
		},
		{
			name: "cap_is_of_one_owner",
			rule: "MaxLive is how many live keys an owner may have: those of others do not count",
			test: capIsOfOneOwner,
		},
		{
			name: "cap_counts_live_keys",
			rule: "a key is live until RevokedAt, ExpiresAt or CreatedAt + MaxAge, and MaxLive counts live ones",
			test: capCountsLiveKeys,
		},
		{
			name: "cap_counts_to_the_deadline",
			rule: "a key is live while now, the caller's, is before its end; at the end it is dead",
			test: capCountsToTheDeadline,
		},
		{
			name: "cap_counts_replaced_keys",
			rule: "a key that was replaced is live until it ends, and counts",
			test: capCountsReplacedKeys,
		},
		{
			name: "cap_holds_in_a_race",
			rule: "of concurrent creates no more win than MaxLive has room for, the others get ErrLimit",
			test: capHoldsInARace,
		},
	}
}

// room says when creating a key for owner at now is not answered want.
func room(t *testing.T, s store.APIKeys, owner string, l store.APIKeyLimits, now time.Time, want error, what string) {
	t.Helper()
	k := newKey(owner, fmt.Sprint("one more of ", owner, " at ", now.UnixMicro()), now)
	wantErr(t, s.CreateAPIKey(t.Context(), k, l, now), want, "one more key for %s, %s", owner, what)
}

func capRefusesOneMore(t *testing.T, s store.APIKeys) {
	now := today()
	for i := range 3 {
		k := newKey("ann", fmt.Sprint("k", i), now)
		must(t, s.CreateAPIKey(t.Context(), k, store.APIKeyLimits{MaxLive: 3}, now), "key %d of 3", i+1)
	}
	for most := 1; most <= 3; most++ {
		room(t, s, "ann", store.APIKeyLimits{MaxLive: most}, now, store.ErrLimit, fmt.Sprintf("who has 3 of %d", most))
	}
	if n := len(list(t, s, "ann")); n != 3 {
		t.Errorf("%d keys are there, want 3", n)
	}
	room(t, s, "ann", store.APIKeyLimits{MaxLive: 4}, now, nil, "who has 3 of 4")
	room(t, s, "ann", noLimits, now.Add(time.Second), nil, "without a limit")
	room(t, s, "ann", store.APIKeyLimits{MaxAge: time.Hour}, now.Add(2*time.Second), nil, "with a limit of age only")
}

func capIsOfOneOwner(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, newKey("ann", "a1", now), newKey("ann", "a2", now))
	one := store.APIKeyLimits{MaxLive: 1}
	room(t, s, "bob", one, now, nil, "who has none")
	room(t, s, "bob", one, now.Add(time.Second), store.ErrLimit, "who has one")
	room(t, s, "ann", one, now, store.ErrLimit, "who has two")
}

func capCountsLiveKeys(t *testing.T, s store.APIKeys) {
	now := today()
	l := store.APIKeyLimits{MaxLive: 1, MaxAge: 24 * time.Hour}
	revoked := newKey("revoked", "r", now)
	revoked.RevokedAt = now.Add(-time.Minute)
	create(t, s,
		revoked,
		endingKey("expired", "e", now.Add(-time.Hour), now.Add(-time.Minute)),
		newKey("aged", "a", now.Add(-25*time.Hour)),
		endingKey("aged early", "ae", now.Add(-25*time.Hour), now.Add(time.Hour)),
		newKey("revoked now", "rn", now),
		newKey("live", "l", now.Add(-23*time.Hour)),
		endingKey("expiring", "x", now.Add(-23*time.Hour), now.Add(time.Hour)),
	)
	must(t, s.RevokeAPIKey(t.Context(), "revoked now", "rn", now), "RevokeAPIKey")
	for _, dead := range []string{"revoked", "expired", "aged", "aged early", "revoked now"} {
		room(t, s, dead, l, now, nil, "who has a dead one")
		room(t, s, dead, l, now.Add(time.Second), store.ErrLimit, "who has a dead and a live one")
	}
	for _, live := range []string{"live", "expiring"} {
		room(t, s, live, l, now, store.ErrLimit, "who has a live one")
	}
	// Without MaxAge the aged key is live.
	room(t, s, "aged", store.APIKeyLimits{MaxLive: 2}, now.Add(time.Minute), store.ErrLimit, "who has two, one of them old")
}

func capCountsToTheDeadline(t *testing.T, s store.APIKeys) {
	now := today()
	end := now.Add(time.Hour)
	create(t, s, endingKey("expiring", "e", now, end), newKey("aging", "a", now), endingKey("both", "b", now.Add(-time.Hour), end))
	for owner, l := range map[string]store.APIKeyLimits{
		"expiring": {MaxLive: 1},
		"aging":    {MaxLive: 1, MaxAge: time.Hour},
		"both":     {MaxLive: 1, MaxAge: 2 * time.Hour},
	} {
		room(t, s, owner, l, end.Add(-time.Microsecond), store.ErrLimit, "a microsecond before the end of the first")
		room(t, s, owner, l, end, nil, "at the end of the first")
	}
}

func capCountsReplacedKeys(t *testing.T, s store.APIKeys) {
	now := today()
	end := now.Add(time.Hour)
	create(t, s, newKey("ann", "old", now))
	must(t, rotate(t, s, "ann", "old", newKey("ann", "next", now), end, now), "RotateAPIKey")
	two := store.APIKeyLimits{MaxLive: 2}
	room(t, s, "ann", two, end.Add(-time.Microsecond), store.ErrLimit, "who has a replaced key and its successor")
	room(t, s, "ann", two, end, nil, "whose replaced key has ended")
}

func capHoldsInARace(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 8 {
		owner := fmt.Sprint("owner ", round)
		l := store.APIKeyLimits{MaxLive: 5}
		dead := newKey(owner, owner+" dead", now)
		dead.RevokedAt = now
		create(t, s, dead, newKey(owner, owner+" first", now))
		won := winners(t, 20, store.ErrLimit, func(i int) error {
			return s.CreateAPIKey(t.Context(), newKey(owner, fmt.Sprint(owner, " ", i), now), l, now)
		})
		if len(won) != 4 {
			t.Errorf("%d of 20 creates at once were answered nil, want 4: MaxLive is 5 and one key was live", len(won))
		}
		if n := len(list(t, s, owner)); n != 6 {
			t.Errorf("%d keys are there, want 6: one dead and 5 live ones", n)
		}
	}
}
