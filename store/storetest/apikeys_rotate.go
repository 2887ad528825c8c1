package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func rotateCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "rotate_inserts_the_successor",
			rule: "RotateAPIKey inserts next, and lets the key name it as its successor and end at until; nothing else changes",
			test: rotateInsertsTheSuccessor,
		},
		{
			name: "rotate_never_extends",
			rule: "a key that was rotated ends at until, or when it would have ended: whichever is first",
			test: rotateNeverExtends,
		},
		{
			name: "rotate_of_a_dead_or_replaced_key",
			rule: "RotateAPIKey answers ErrConflict when the key has a successor, is revoked or has expired, and does nothing",
			test: rotateOfADeadOrReplacedKey,
		},
		{
			name: "rotate_at_the_deadline",
			rule: "a key may be rotated while now, the caller's, is before its end; at the end it has expired: ErrConflict",
			test: rotateAtTheDeadline,
		},
		{
			name: "rotate_again_and_again",
			rule: "a successor may be rotated as any other key",
			test: rotateAgainAndAgain,
		},
		{
			name: "failed_rotate_changes_nothing",
			rule: "RotateAPIKey answers ErrExists when the ID or the Digest of next is there already, and does nothing",
			test: failedRotateChangesNothing,
		},
	}
}

func rotateInsertsTheSuccessor(t *testing.T, s store.APIKeys) {
	now := today()
	old, other := newKey("ann", "old", now.Add(-time.Hour)), newKey("ann", "other", now.Add(-time.Hour))
	create(t, s, old, other)
	must(t, firstUse(t, s, "old", now), "RecordAPIKeyUses")
	next := endingKey("ann", "next", now, now.Add(30*24*time.Hour+time.Microsecond))
	next.Name, next.Scopes, next.Metadata = "successor", []string{"orders:read"}, nil
	until := now.Add(time.Hour + time.Microsecond)
	must(t, rotate(t, s, "ann", "old", next, until, now), "RotateAPIKey")

	old.Uses, old.LastUsedAt = 1, now
	old.ReplacedBy, old.ExpiresAt = "next", until
	for _, want := range []store.APIKey{old, next, other} {
		wantKey(t, read(t, s, "ann", want.ID), want)
		got, err := s.APIKeyByDigest(t.Context(), want.Digest)
		wantErr(t, err, nil, "APIKeyByDigest of %q", want.ID)
		wantKey(t, got, want)
	}
	wantIDs(t, list(t, s, "ann"), []string{"next", "other", "old"}, "ListAPIKeys")
}

func rotateNeverExtends(t *testing.T, s store.APIKeys) {
	now := today()
	until := now.Add(time.Hour)
	for what, c := range map[string]struct{ end, until, want time.Time }{
		"no end":                         {time.Time{}, until, until},
		"a later end":                    {until.Add(24 * time.Hour), until, until},
		"an end a microsecond later":     {until.Add(time.Microsecond), until, until},
		"the same end":                   {until, until, until},
		"an end a microsecond earlier":   {until.Add(-time.Microsecond), until, until.Add(-time.Microsecond)},
		"an earlier end":                 {now.Add(time.Minute), until, now.Add(time.Minute)},
		"no end, and until now":          {time.Time{}, now, now},
		"a later end, and until is past": {until, now.Add(-time.Minute), now.Add(-time.Minute)},
	} {
		create(t, s, endingKey("ann", what, now.Add(-time.Hour), c.end))
		must(t, rotate(t, s, "ann", what, newKey("ann", "next of "+what, now), c.until, now), "RotateAPIKey")
		if got := read(t, s, "ann", what).ExpiresAt; !got.Equal(c.want) {
			t.Errorf("a key with %s, rotated with until %v, ends at %v, want %v", what, c.until, got, c.want)
		}
	}
}

func rotateOfADeadOrReplacedKey(t *testing.T, s store.APIKeys) {
	now := today()
	revoked, replaced := newKey("ann", "revoked", now), newKey("ann", "replaced", now)
	revokedAll := newKey("bob", "revoked with all", now)
	expired := endingKey("ann", "expired", now.Add(-time.Hour), now.Add(-time.Minute))
	create(t, s, revoked, replaced, revokedAll, expired)
	must(t, s.RevokeAPIKey(t.Context(), "ann", "revoked", now), "RevokeAPIKey")
	must(t, s.RevokeAPIKeysOf(t.Context(), "bob", now), "RevokeAPIKeysOf")
	must(t, rotate(t, s, "ann", "replaced", newKey("ann", "first", now), now.Add(time.Hour), now), "first rotation")

	for _, k := range []store.APIKey{revoked, replaced, revokedAll, expired} {
		before := read(t, s, k.Owner, k.ID)
		next := newKey(k.Owner, "next of "+k.ID, now)
		wantErr(t, rotate(t, s, k.Owner, k.ID, next, now.Add(time.Minute), now), store.ErrConflict, "RotateAPIKey of a key that is %s", k.ID)
		wantKey(t, read(t, s, k.Owner, k.ID), before)
		absent(t, s, next)
	}
}

func rotateAtTheDeadline(t *testing.T, s store.APIKeys) {
	now := today()
	end := now.Add(time.Hour)
	for what, c := range map[string]struct {
		at   time.Time
		want error
	}{
		"a microsecond before the end": {end.Add(-time.Microsecond), nil},
		"at the end":                   {end, store.ErrConflict},
		"a microsecond after the end":  {end.Add(time.Microsecond), store.ErrConflict},
	} {
		k := endingKey("ann", what, now, end)
		create(t, s, k)
		next := newKey("ann", "next of "+what, c.at)
		wantErr(t, rotate(t, s, "ann", what, next, c.at.Add(time.Hour), c.at), c.want, "RotateAPIKey %s", what)
		if c.want != nil {
			wantKey(t, read(t, s, "ann", what), k)
			absent(t, s, next)
		}
	}
}

func rotateAgainAndAgain(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, newKey("ann", "k0", now))
	for i := range 5 {
		now = now.Add(time.Minute)
		next := newKey("ann", fmt.Sprint("k", i+1), now)
		must(t, rotate(t, s, "ann", fmt.Sprint("k", i), next, now.Add(time.Hour), now), "rotation %d", i+1)
	}
	keys := list(t, s, "ann")
	wantIDs(t, keys, []string{"k5", "k4", "k3", "k2", "k1", "k0"}, "ListAPIKeys")
	newer := ""
	for _, k := range keys {
		if k.ReplacedBy != newer {
			t.Errorf("key %q: ReplacedBy is %q, want %q", k.ID, k.ReplacedBy, newer)
		}
		newer = k.ID
	}
}

func failedRotateChangesNothing(t *testing.T, s store.APIKeys) {
	now := today()
	old := endingKey("ann", "old", now, now.Add(24*time.Hour))
	create(t, s, old, newKey("ann", "sibling", now), newKey("bob", "bobs", now))
	for what, known := range map[string]string{"its own": "old", "a sibling's": "sibling", "another owner's": "bobs"} {
		sameID := newKey("ann", known, now)
		sameID.Digest = digest("fresh")
		wantErr(t, rotate(t, s, "ann", "old", sameID, now.Add(time.Hour), now), store.ErrExists, "rotation to a key with %s ID", what)
		sameDigest := newKey("ann", "fresh", now)
		sameDigest.Digest = digest(known)
		wantErr(t, rotate(t, s, "ann", "old", sameDigest, now.Add(time.Hour), now), store.ErrExists, "rotation to a key with %s Digest", what)
	}
	wantKey(t, read(t, s, "ann", "old"), old)
	wantKey(t, read(t, s, "bob", "bobs"), newKey("bob", "bobs", now))
	absent(t, s, newKey("ann", "fresh", now))
	wantIDs(t, list(t, s, "ann"), []string{"sibling", "old"}, "ListAPIKeys")

	wantErr(t, rotate(t, s, "ann", "old", newKey("ann", "fresh", now), now.Add(time.Hour), now), nil, "rotation to a fresh key, after those that failed")
	old.ReplacedBy, old.ExpiresAt = "fresh", now.Add(time.Hour)
	wantKey(t, read(t, s, "ann", "old"), old)
}
