package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/gatehouse-go/authn/store"
)

func createCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "create_refuses_a_known_id",
			rule: "CreateAPIKey answers ErrExists when the ID is there already, whoever's it is",
			test: createRefusesAKnownID,
		},
		{
			name: "create_refuses_a_known_digest",
			rule: "CreateAPIKey answers ErrExists when the Digest is there already, whoever's it is",
			test: createRefusesAKnownDigest,
		},
		{
			name: "failed_create_leaves_nothing",
			rule: "a method is atomic: a CreateAPIKey that fails inserts nothing and changes nothing",
			test: failedCreateLeavesNothing,
		},
		{
			name: "ids_are_unique_in_a_race",
			rule: "of concurrent creates with one ID one wins, the others get ErrExists",
			test: idsAreUniqueInARace,
		},
		{
			name: "digests_are_unique_in_a_race",
			rule: "of concurrent creates with one Digest one wins, the others get ErrExists",
			test: digestsAreUniqueInARace,
		},
		{
			name: "create_is_seen_whole",
			rule: "a reader sees all of a key that is being created or nothing",
			test: createIsSeenWhole,
		},
	}
}

func createRefusesAKnownID(t *testing.T, s store.APIKeys) {
	now := today()
	k := newKey("ann", "k", now)
	create(t, s, k)
	for _, dead := range []bool{false, true} {
		if dead {
			must(t, s.RevokeAPIKey(t.Context(), "ann", "k", now), "RevokeAPIKey")
			k.RevokedAt = now
		}
		for _, owner := range []string{"ann", "bob"} {
			second := newKey(owner, "k", now)
			second.Name, second.Digest = "second", digest("second of "+owner)
			wantErr(t, s.CreateAPIKey(t.Context(), second, noLimits, now), store.ErrExists, "key of %q with a known ID (dead: %v)", owner, dead)
		}
		wantKey(t, read(t, s, "ann", "k"), k)
	}
}

func createRefusesAKnownDigest(t *testing.T, s store.APIKeys) {
	now := today()
	k := newKey("ann", "k", now)
	create(t, s, k)
	for _, dead := range []bool{false, true} {
		if dead {
			must(t, s.RevokeAPIKey(t.Context(), "ann", "k", now), "RevokeAPIKey")
			k.RevokedAt = now
		}
		for _, owner := range []string{"ann", "bob"} {
			second := newKey(owner, "second of "+owner, now)
			second.Digest = k.Digest
			wantErr(t, s.CreateAPIKey(t.Context(), second, noLimits, now), store.ErrExists, "key of %q with a known Digest (dead: %v)", owner, dead)
		}
		got, err := s.APIKeyByDigest(t.Context(), k.Digest)
		wantErr(t, err, nil, "APIKeyByDigest")
		wantKey(t, got, k)
	}
}

func failedCreateLeavesNothing(t *testing.T, s store.APIKeys) {
	now := today()
	ann, bob := newKey("ann", "anns", now), newKey("bob", "bobs", now)
	create(t, s, ann, bob)

	sameID := newKey("bob", "anns", now)
	sameID.Digest = digest("fresh")
	wantErr(t, s.CreateAPIKey(t.Context(), sameID, noLimits, now), store.ErrExists, "key with a known ID")
	sameDigest := newKey("bob", "fresh", now)
	sameDigest.Digest = ann.Digest
	wantErr(t, s.CreateAPIKey(t.Context(), sameDigest, noLimits, now), store.ErrExists, "key with a known Digest")
	overCap := newKey("bob", "over", now)
	wantErr(t, s.CreateAPIKey(t.Context(), overCap, store.APIKeyLimits{MaxLive: 1}, now), store.ErrLimit, "key over the cap")

	_, err := s.APIKeyByDigest(t.Context(), digest("fresh"))
	wantErr(t, err, store.ErrNotFound, "Digest of the key with a known ID")
	_, err = s.APIKey(t.Context(), "bob", "fresh")
	wantErr(t, err, store.ErrNotFound, "ID of the key with a known Digest")
	absent(t, s, overCap)
	wantIDs(t, list(t, s, "bob"), []string{"bobs"}, "ListAPIKeys")
	wantKey(t, read(t, s, "ann", "anns"), ann)
	wantKey(t, read(t, s, "bob", "bobs"), bob)
	// What failed holds no ID, no Digest and no place.
	two := store.APIKeyLimits{MaxLive: 2}
	wantErr(t, s.CreateAPIKey(t.Context(), newKey("bob", "fresh", now), two, now), nil, "key with the fresh ID and Digest")
}

func idsAreUniqueInARace(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 5 {
		const n = 16
		keys := make([]store.APIKey, n)
		for i := range keys {
			keys[i] = newKey(fmt.Sprint("owner ", round, i%4), fmt.Sprint("id ", round), now)
			keys[i].Digest = digest(fmt.Sprint(round, " ", i))
		}
		won := winners(t, n, store.ErrExists, func(i int) error { return s.CreateAPIKey(t.Context(), keys[i], noLimits, now) })
		if len(won) != 1 {
			t.Fatalf("%d of %d creates at once with one ID were answered nil, want 1", len(won), n)
		}
		for i, k := range keys {
			got, err := s.APIKeyByDigest(t.Context(), k.Digest)
			if i == won[0] {
				wantErr(t, err, nil, "Digest of the winner")
				wantKey(t, got, k)
			} else {
				wantErr(t, err, store.ErrNotFound, "Digest of a loser")
			}
		}
	}
}

func digestsAreUniqueInARace(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 5 {
		const n = 16
		keys := make([]store.APIKey, n)
		for i := range keys {
			keys[i] = newKey(fmt.Sprint("owner ", round, i%4), fmt.Sprint("id ", round, " ", i), now)
			keys[i].Digest = digest(fmt.Sprint("round ", round))
		}
		won := winners(t, n, store.ErrExists, func(i int) error { return s.CreateAPIKey(t.Context(), keys[i], noLimits, now) })
		if len(won) != 1 {
			t.Fatalf("%d of %d creates at once with one Digest were answered nil, want 1", len(won), n)
		}
		for i, k := range keys {
			got, err := s.APIKey(t.Context(), k.Owner, k.ID)
			if i == won[0] {
				wantErr(t, err, nil, "ID of the winner")
				wantKey(t, got, k)
			} else {
				wantErr(t, err, store.ErrNotFound, "ID of a loser")
			}
		}
	}
}

func createIsSeenWhole(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 15 {
		k := newKey("ann", fmt.Sprint("k", round), now)
		whole := func(got store.APIKey, err error) {
			if errors.Is(err, store.ErrNotFound) {
				return
			}
			wantErr(t, err, nil, "reading what is being created")
			wantKey(t, got, k)
		}
		during(t,
			func() { wantErr(t, s.CreateAPIKey(t.Context(), k, noLimits, now), nil, "CreateAPIKey") },
			func() { whole(s.APIKeyByDigest(t.Context(), k.Digest)) },
			func() { whole(s.APIKey(t.Context(), "ann", k.ID)) },
		)
	}
}
