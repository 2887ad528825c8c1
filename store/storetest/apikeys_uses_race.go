package storetest

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func useRaceCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "uses_add_up_in_a_race",
			rule: "of concurrent batches of uses none is lost, and the last use is the latest of all",
			test: usesAddUpInARace,
		},
		{
			name: "first_use_is_answered_to_one",
			rule: "of concurrent batches one is answered an id as first used",
			test: firstUseIsAnsweredToOne,
		},
		{
			name: "uses_are_seen_whole",
			rule: "RecordAPIKeyUses is one write: a reader that has seen one use of a batch sees all of them",
			test: usesAreSeenWhole,
		},
		{
			name: "uses_keep_a_revocation",
			rule: "of concurrent uses and a revocation neither undoes the other",
			test: usesKeepARevocation,
		},
	}
}

// keysOfMany creates n keys of n owners.
func keysOfMany(t *testing.T, s store.APIKeys, prefix string, n int, created time.Time) []store.APIKey {
	t.Helper()
	var keys []store.APIKey
	for i := range n {
		keys = append(keys, newKey(fmt.Sprint(prefix, " owner ", i), fmt.Sprint(prefix, " ", i), created))
	}
	create(t, s, keys...)
	return keys
}

func usesAddUpInARace(t *testing.T, s store.APIKeys) {
	now := today()
	const goroutines, batches = 10, 12
	keys := keysOfMany(t, s, "k", 3, now)
	race(t, goroutines, func(g int) {
		for b := range batches {
			at := now.Add(time.Duration(b*goroutines+g) * time.Second) // unlike all others
			addr := home
			if at.Equal(now.Add((goroutines*batches - 1) * time.Second)) {
				addr = away // of the very last
			}
			var uses []store.APIKeyUse
			for i := range keys {
				// Batches do not agree on an order.
				uses = append(uses, store.APIKeyUse{ID: keys[(i+g)%len(keys)].ID, N: int64(b + 1), At: at, Addr: addr})
			}
			_, err := s.RecordAPIKeyUses(t.Context(), uses)
			wantErr(t, err, nil, "RecordAPIKeyUses")
		}
	})
	for _, k := range keys {
		k.Uses = goroutines * batches * (batches + 1) / 2
		k.LastUsedAt, k.LastAddr = now.Add((goroutines*batches-1)*time.Second), away
		wantKey(t, read(t, s, k.Owner, k.ID), k)
	}
}

func firstUseIsAnsweredToOne(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 12 {
		keys := keysOfMany(t, s, fmt.Sprint("round ", round), 4, now)
		const n = 10
		answers := make([][]string, n)
		race(t, n, func(g int) {
			var uses []store.APIKeyUse
			for i := range keys {
				uses = append(uses, store.APIKeyUse{ID: keys[(i+g)%len(keys)].ID, N: 1, At: now, Addr: home})
			}
			var err error
			answers[g], err = s.RecordAPIKeyUses(t.Context(), uses)
			wantErr(t, err, nil, "RecordAPIKeyUses")
		})
		got := slices.Sorted(slices.Values(slices.Concat(answers...)))
		if want := slices.Sorted(slices.Values(ids(keys))); !slices.Equal(got, want) {
			t.Errorf("%d batches at once were answered %q as first used, want each of %q once", n, got, want)
		}
	}
}

func usesAreSeenWhole(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 15 {
		keys := keysOfMany(t, s, fmt.Sprint("round ", round), 4, now)
		var uses []store.APIKeyUse
		for _, k := range keys {
			uses = append(uses, store.APIKeyUse{ID: k.ID, N: 5, At: now, Addr: home})
		}
		backward := slices.Clone(keys)
		slices.Reverse(backward)
		inOrder := func(order []store.APIKey) func() {
			return func() {
				seen := ""
				for _, k := range order {
					got, err := s.APIKeyByDigest(t.Context(), k.Digest)
					wantErr(t, err, nil, "APIKeyByDigest")
					if got.Uses != 0 {
						seen = k.ID
					} else if seen != "" {
						t.Errorf("key %q was unused after %q of the same batch had been seen used", k.ID, seen)
					}
				}
			}
		}
		during(t,
			func() {
				_, err := s.RecordAPIKeyUses(t.Context(), uses)
				wantErr(t, err, nil, "RecordAPIKeyUses")
			},
			inOrder(keys), inOrder(backward),
		)
	}
}

func usesKeepARevocation(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 20 {
		k := newKey("ann", fmt.Sprint("k", round), now)
		create(t, s, k)
		const n = 6
		var uses atomic.Int64
		race(t, n, func(g int) {
			if g == round%n {
				wantErr(t, s.RevokeAPIKey(t.Context(), "ann", k.ID, now), nil, "RevokeAPIKey")
				return
			}
			for range 2 {
				_, err := s.RecordAPIKeyUses(t.Context(), []store.APIKeyUse{{ID: k.ID, N: 1, At: now, Addr: home}})
				wantErr(t, err, nil, "RecordAPIKeyUses")
				uses.Add(1)
			}
		})
		k.RevokedAt, k.Uses, k.LastUsedAt, k.LastAddr = now, uses.Load(), now, home
		wantKey(t, read(t, s, "ann", k.ID), k)
	}
}
