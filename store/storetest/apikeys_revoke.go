package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func revokeCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "revoke_sets_the_time_once",
			rule: "RevokeAPIKey sets RevokedAt, once: it may be repeated, and the first time stays",
			test: revokeSetsTheTimeOnce,
		},
		{
			name: "revoke_race_sets_the_time_once",
			rule: "of concurrent revocations of one key one sets RevokedAt, and no other changes it",
			test: revokeRaceSetsTheTimeOnce,
		},
		{
			name: "revoke_all_covers_every_key",
			rule: "RevokeAPIKeysOf revokes all keys of owner; those that are revoked keep their time",
			test: revokeAllCoversEveryKey,
		},
		{
			name: "revoke_all_covers_more_than_a_page",
			rule: "RevokeAPIKeysOf revokes all keys of owner, however many",
			test: revokeAllCoversMoreThanAPage,
		},
		{
			name: "revoke_all_spares_others",
			rule: "RevokeAPIKeysOf revokes the keys of owner and nobody else's",
			test: revokeAllSparesOthers,
		},
		{
			name: "revoke_all_of_nobody",
			rule: "RevokeAPIKeysOf: there may be no keys",
			test: revokeAllOfNobody,
		},
		{
			name: "revoke_all_is_seen_whole",
			rule: "RevokeAPIKeysOf is atomic: a reader that has seen one key revoked sees all of them revoked",
			test: revokeAllIsSeenWhole,
		},
	}
}

func revokeSetsTheTimeOnce(t *testing.T, s store.APIKeys) {
	now := today()
	k, sibling := newKey("ann", "k", now), newKey("ann", "sibling", now)
	expired := endingKey("ann", "expired", now.Add(-time.Hour), now.Add(-time.Minute))
	create(t, s, k, sibling, expired)
	for i, at := range []time.Time{now, now, now.Add(time.Hour), now.Add(-time.Hour)} {
		for _, want := range []store.APIKey{k, expired} {
			wantErr(t, s.RevokeAPIKey(t.Context(), "ann", want.ID, at), nil, "RevokeAPIKey of %q, call %d", want.ID, i+1)
			want.RevokedAt = now
			wantKey(t, read(t, s, "ann", want.ID), want)
		}
	}
	wantErr(t, s.RevokeAPIKeysOf(t.Context(), "bob", now), nil, "RevokeAPIKeysOf of another owner")
	wantKey(t, read(t, s, "ann", "sibling"), sibling)
}

func revokeRaceSetsTheTimeOnce(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 8 {
		id := fmt.Sprint("k", round)
		create(t, s, newKey("ann", id, now))
		seen := make([]time.Time, 10)
		race(t, len(seen), func(i int) {
			at := now.Add(time.Duration(i) * time.Second)
			wantErr(t, s.RevokeAPIKey(t.Context(), "ann", id, at), nil, "RevokeAPIKey")
			k, err := s.APIKey(t.Context(), "ann", id)
			wantErr(t, err, nil, "APIKey")
			seen[i] = k.RevokedAt
		})
		last := read(t, s, "ann", id).RevokedAt
		for i, at := range seen {
			if at.IsZero() || !at.Equal(last) {
				t.Errorf("goroutine %d read RevokedAt %v after its RevokeAPIKey, and later it was %v", i, at, last)
			}
		}
	}
}

func revokeAllCoversEveryKey(t *testing.T, s store.APIKeys) {
	now := today()
	earlier := now.Add(-time.Minute)
	revoked := newKey("ann", "revoked", now.Add(-time.Hour))
	create(t, s, newKey("ann", "live", now), revoked,
		endingKey("ann", "ending", now, now.Add(time.Hour)),
		endingKey("ann", "expired", now.Add(-time.Hour), now.Add(-time.Second)),
		newKey("ann", "replaced", now), newKey("ann", "ahead", now.Add(time.Hour)))
	must(t, rotate(t, s, "ann", "replaced", newKey("ann", "successor", now), now.Add(time.Hour), now), "RotateAPIKey")
	must(t, s.RevokeAPIKey(t.Context(), "ann", "revoked", earlier), "RevokeAPIKey")
	want := list(t, s, "ann")
	for i := range want {
		want[i].RevokedAt = now
		if want[i].ID == "revoked" {
			want[i].RevokedAt = earlier
		}
	}
	for _, at := range []time.Time{now, now.Add(time.Minute)} {
		must(t, s.RevokeAPIKeysOf(t.Context(), "ann", at), "RevokeAPIKeysOf")
		got := list(t, s, "ann")
		wantIDs(t, got, ids(want), "ListAPIKeys")
		for i := range min(len(got), len(want)) {
			wantKey(t, got[i], want[i])
		}
		for _, k := range want {
			k2, err := s.APIKeyByDigest(t.Context(), k.Digest)
			wantErr(t, err, nil, "APIKeyByDigest of %q", k.ID)
			wantKey(t, k2, k)
		}
	}
}

func revokeAllCoversMoreThanAPage(t *testing.T, s store.APIKeys) {
	now := today()
	for i := range 101 {
		create(t, s, newKey("ann", fmt.Sprint("k", i), now))
	}
	must(t, s.RevokeAPIKeysOf(t.Context(), "ann", now), "RevokeAPIKeysOf")
	for _, k := range list(t, s, "ann") {
		if !k.RevokedAt.Equal(now) {
			t.Errorf("key %q: RevokedAt is %v, want %v", k.ID, k.RevokedAt, now)
		}
	}
}

func revokeAllSparesOthers(t *testing.T, s store.APIKeys) {
	now := today()
	others := []string{"ann", "an", "anna", "ANN%", "ann%%", "ann ", "%", "ann*", "ann_", ""}
	for _, owner := range others {
		create(t, s, newKey(owner, "of "+owner, now))
	}
	create(t, s, newKey("ann%", "of ann%", now))
	must(t, s.RevokeAPIKeysOf(t.Context(), "ann%", now), "RevokeAPIKeysOf")
	if read(t, s, "ann%", "of ann%").RevokedAt.IsZero() {
		t.Error("the key of ann% is not revoked")
	}
	for _, owner := range others {
		wantKey(t, read(t, s, owner, "of "+owner), newKey(owner, "of "+owner, now))
	}
}

func revokeAllOfNobody(t *testing.T, s store.APIKeys) {
	now := today()
	wantErr(t, s.RevokeAPIKeysOf(t.Context(), "nobody", now), nil, "RevokeAPIKeysOf in an empty store")
	create(t, s, newKey("ann", "k", now))
	wantErr(t, s.RevokeAPIKeysOf(t.Context(), "nobody", now), nil, "RevokeAPIKeysOf of an owner without keys")
	wantKey(t, read(t, s, "ann", "k"), newKey("ann", "k", now))
	create(t, s, newKey("nobody", "first", now)) // it is no lock on the owner
	wantKey(t, read(t, s, "nobody", "first"), newKey("nobody", "first", now))
}

func revokeAllIsSeenWhole(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 15 {
		owner := fmt.Sprint("owner ", round)
		var keys []store.APIKey
		for i := range 4 {
			keys = append(keys, newKey(owner, fmt.Sprint(owner, " ", i), now))
		}
		create(t, s, keys...)
		backward := slices.Clone(keys)
		slices.Reverse(backward)
		// Once a reader has seen a revoked key, all that it reads are.
		inOrder := func(order []store.APIKey) func() {
			return func() {
				seen := ""
				for _, k := range order {
					got, err := s.APIKeyByDigest(t.Context(), k.Digest)
					wantErr(t, err, nil, "APIKeyByDigest")
					if !got.RevokedAt.IsZero() {
						seen = k.ID
					} else if seen != "" {
						t.Errorf("key %q was live after %q had been seen revoked", k.ID, seen)
					}
				}
			}
		}
		during(t,
			func() { wantErr(t, s.RevokeAPIKeysOf(t.Context(), owner, now), nil, "RevokeAPIKeysOf") },
			inOrder(keys), inOrder(backward),
			func() {
				got, _, err := s.ListAPIKeys(t.Context(), owner, store.Page{})
				wantErr(t, err, nil, "ListAPIKeys")
				live := slices.DeleteFunc(slices.Clone(got), func(k store.APIKey) bool { return !k.RevokedAt.IsZero() })
				if len(live) != 0 && len(live) != len(keys) {
					t.Errorf("one list had %d of %d keys live", len(live), len(keys))
				}
			},
		)
	}
}
