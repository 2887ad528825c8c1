package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func rotateRaceCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "rotate_has_one_winner",
			rule: "of concurrent rotations of one key one wins, the others get ErrConflict",
			test: rotateHasOneWinner,
		},
		{
			name: "rotate_is_seen_whole",
			rule: "a reader sees all of a rotation or nothing: a successor that is named is there, and one that is there is named",
			test: rotateIsSeenWhole,
		},
		{
			name: "rotate_against_revoke_all",
			rule: "of a rotation and a concurrent RevokeAPIKeysOf either is first, and no live key is left: the successor is revoked, too, or the rotation gets ErrConflict",
			test: rotateAgainstRevokeAll,
		},
		{
			name: "rotate_keeps_a_revocation",
			rule: "of a rotation and a concurrent RevokeAPIKey of the key neither undoes the other",
			test: rotateKeepsARevocation,
		},
	}
}

func rotateHasOneWinner(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 4 {
		owner, id := fmt.Sprint("owner ", round), fmt.Sprint("old ", round)
		create(t, s, newKey(owner, id, now.Add(-time.Hour)))
		const n = 50
		until := func(i int) time.Time { return now.Add(time.Duration(i+1) * time.Minute) }
		next := func(i int) store.APIKey { return newKey(owner, fmt.Sprint(id, " next ", i), now) }
		won := winners(t, n, store.ErrConflict, func(i int) error { return rotate(t, s, owner, id, next(i), until(i), now) })
		if len(won) != 1 {
			t.Errorf("%d of %d rotations at once were answered nil, want 1", len(won), n)
		}
		keys := list(t, s, owner)
		if len(keys) != 2 {
			t.Errorf("%d keys are there, want 2: the old one and one successor", len(keys))
		}
		if len(won) == 1 && len(keys) == 2 {
			wantKey(t, keys[0], next(won[0]))
			old := endingKey(owner, id, now.Add(-time.Hour), until(won[0]))
			old.ReplacedBy = next(won[0]).ID
			wantKey(t, keys[1], old)
		}
	}
}

func rotateIsSeenWhole(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 15 {
		old, next := newKey("ann", fmt.Sprint("old ", round), now), newKey("ann", fmt.Sprint("next ", round), now)
		create(t, s, old)
		during(t,
			func() {
				wantErr(t, rotate(t, s, "ann", old.ID, next, now.Add(time.Hour), now), nil, "RotateAPIKey")
			},
			func() { // what is named must be there
				k, err := s.APIKeyByDigest(t.Context(), old.Digest)
				wantErr(t, err, nil, "APIKeyByDigest of the old key")
				if k.ReplacedBy == "" {
					return
				}
				got, err := s.APIKeyByDigest(t.Context(), next.Digest)
				wantErr(t, err, nil, "the successor that the old key names")
				wantKey(t, got, next)
			},
			func() { // what is there must be named
				_, err := s.APIKey(t.Context(), "ann", next.ID)
				if errors.Is(err, store.ErrNotFound) {
					return
				}
				wantErr(t, err, nil, "APIKey of the successor")
				k, err := s.APIKey(t.Context(), "ann", old.ID)
				wantErr(t, err, nil, "APIKey of the old key")
				if k.ReplacedBy != next.ID || k.ExpiresAt.IsZero() {
					t.Errorf("the successor %q is there, and the old key has ReplacedBy %q and ExpiresAt %v", next.ID, k.ReplacedBy, k.ExpiresAt)
				}
			},
		)
	}
}

func rotateAgainstRevokeAll(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 40 {
		owner := fmt.Sprint("owner ", round)
		old, next := newKey(owner, owner+" old", now), newKey(owner, owner+" next", now)
		create(t, s, old)
		var rotated, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				rotated = rotate(t, s, owner, old.ID, next, now.Add(time.Hour), now)
			} else {
				revoked = s.RevokeAPIKeysOf(t.Context(), owner, now)
			}
		})
		wantErr(t, revoked, nil, "RevokeAPIKeysOf")
		want := 2
		if rotated != nil {
			want = 1
			wantErr(t, rotated, store.ErrConflict, "RotateAPIKey")
		}
		keys := list(t, s, owner)
		if len(keys) != want {
			t.Errorf("%d keys are there, want %d: the rotation answered %v", len(keys), want, rotated)
		}
		for _, k := range keys {
			if k.RevokedAt.IsZero() {
				t.Errorf("key %q is live after RevokeAPIKeysOf; the rotation answered %v", k.ID, rotated)
			}
		}
	}
}

func rotateKeepsARevocation(t *testing.T, s store.APIKeys) {
	now := today()
	for round := range 40 {
		old, next := newKey("ann", fmt.Sprint("old ", round), now), newKey("ann", fmt.Sprint("next ", round), now)
		create(t, s, old)
		var rotated, revoked error
		race(t, 2, func(i int) {
			if i == round%2 {
				rotated = rotate(t, s, "ann", old.ID, next, now.Add(time.Hour), now)
			} else {
				revoked = s.RevokeAPIKey(t.Context(), "ann", old.ID, now)
			}
		})
		wantErr(t, revoked, nil, "RevokeAPIKey")
		old.RevokedAt = now
		if rotated == nil {
			old.ReplacedBy, old.ExpiresAt = next.ID, now.Add(time.Hour)
			wantKey(t, read(t, s, "ann", next.ID), next)
		} else {
			wantErr(t, rotated, store.ErrConflict, "RotateAPIKey")
			absent(t, s, next)
		}
		wantKey(t, read(t, s, "ann", old.ID), old)
	}
}
