package storetest

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func readCases() []apiKeyCase {
	return []apiKeyCase{
		{
			name: "keeps_every_field",
			rule: "CreateAPIKey inserts k, all of it; times keep microseconds",
			test: keepsEveryField,
		},
		{
			name: "keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: keepsCopies,
		},
		{
			name: "missing_key_is_not_found",
			rule: "what names one record answers ErrNotFound when there is none",
			test: missingKeyIsNotFound,
		},
		{
			name: "foreign_key_is_not_found",
			rule: "what names one record answers ErrNotFound when it is not this owner's, and does nothing",
			test: foreignKeyIsNotFound,
		},
		{
			name: "dead_keys_are_read",
			rule: "reading answers dead keys, too",
			test: deadKeysAreRead,
		},
		{
			name:   "dead_keys_stay",
			rule:   "dead keys stay: cleaning does not delete them",
			moving: deadKeysStay,
		},
	}
}

func keepsEveryField(t *testing.T, s store.APIKeys) {
	now := today().Truncate(time.Second).Add(time.Microsecond)
	full := newKey("ann", "full", now)
	full.Scopes = []string{"z:last", "a:first", "orders:read,write", "*"} // in this order
	full.Metadata = map[string]string{"team": "blue", "empty": "", "ключ": "🔑"}
	full.CreatedAt = now.Add(-3 * time.Hour).In(time.FixedZone("", 2*60*60))
	full.ExpiresAt = now.Add(time.Hour + 999_998*time.Microsecond)
	full.RevokedAt = now.Add(-time.Hour + 7*time.Microsecond)
	full.LastUsedAt = now.Add(-2*time.Hour + 123_456*time.Microsecond)
	full.ReplacedBy = "successor"
	full.LastAddr = netip.MustParseAddr("2001:db8::8a2e:370:7334")
	full.Uses = 1<<53 + 1 // no float64
	v4 := newKey("ann", "v4", now.Add(time.Microsecond))
	v4.LastAddr = netip.MustParseAddr("192.0.2.7")
	far := endingKey("ann", "far", now.Add(2*time.Microsecond), time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC))
	old := newKey("ann", "old", time.Date(2001, 2, 3, 4, 5, 6, 7_000, time.UTC))
	bare := store.APIKey{ID: "bare", Owner: "ann", Digest: digest("bare"), CreatedAt: now.Add(3 * time.Microsecond)}

	want := []store.APIKey{bare, far, v4, full, old} // newest first
	create(t, s, want...)
	listed := list(t, s, "ann")
	wantIDs(t, listed, ids(want), "ListAPIKeys")
	for i, k := range want {
		wantKey(t, read(t, s, "ann", k.ID), k)
		got, err := s.APIKeyByDigest(t.Context(), k.Digest)
		wantErr(t, err, nil, "APIKeyByDigest of %q", k.ID)
		wantKey(t, got, k)
		if i < len(listed) {
			wantKey(t, listed[i], k)
		}
	}
}

func keepsCopies(t *testing.T, s store.APIKeys) {
	now := today()
	spoil := func(k store.APIKey) {
		k.Scopes[0] = "admin"
		k.Metadata["team"] = "red"
		k.Metadata["more"] = "yes"
	}
	k, next := newKey("ann", "created", now), newKey("ann", "rotated", now)
	create(t, s, k)
	spoil(k)
	wantKey(t, read(t, s, "ann", "created"), newKey("ann", "created", now))

	must(t, rotate(t, s, "ann", "created", next, now.Add(time.Hour), now), "RotateAPIKey")
	spoil(next)
	wantKey(t, read(t, s, "ann", "rotated"), newKey("ann", "rotated", now))
}

func missingKeyIsNotFound(t *testing.T, s store.APIKeys) {
	now := today()
	next := newKey("ann", "next", now)
	for _, there := range []bool{false, true} {
		what := fmt.Sprintf("owner with keys: %v; ", there)
		if there {
			create(t, s, newKey("ann", "another", now))
		}
		_, err := s.APIKeyByDigest(t.Context(), digest("missing"))
		wantErr(t, err, store.ErrNotFound, "%sAPIKeyByDigest", what)
		_, err = s.APIKeyByDigest(t.Context(), store.Digest{})
		wantErr(t, err, store.ErrNotFound, "%sAPIKeyByDigest of zero", what)
		for _, id := range []string{"missing", ""} {
			_, err = s.APIKey(t.Context(), "ann", id)
			wantErr(t, err, store.ErrNotFound, "%sAPIKey %q", what, id)
			wantErr(t, rotate(t, s, "ann", id, next, now.Add(time.Hour), now), store.ErrNotFound, "%sRotateAPIKey %q", what, id)
			wantErr(t, s.RevokeAPIKey(t.Context(), "ann", id, now), store.ErrNotFound, "%sRevokeAPIKey %q", what, id)
		}
		absent(t, s, next)
	}
}

func foreignKeyIsNotFound(t *testing.T, s store.APIKeys) {
	now := today()
	k := newKey("ann", "k", now)
	create(t, s, k, newKey("bob", "bobs", now))
	next := newKey("bob", "next", now)
	for _, owner := range []string{"bob", "nobody", ""} {
		_, err := s.APIKey(t.Context(), owner, "k")
		wantErr(t, err, store.ErrNotFound, "APIKey as %q", owner)
		next.Owner = owner
		wantErr(t, rotate(t, s, owner, "k", next, now.Add(time.Hour), now), store.ErrNotFound, "RotateAPIKey as %q", owner)
		absent(t, s, next)
		wantErr(t, s.RevokeAPIKey(t.Context(), owner, "k", now), store.ErrNotFound, "RevokeAPIKey as %q", owner)
	}
	wantKey(t, read(t, s, "ann", "k"), k)
}

func deadKeysAreRead(t *testing.T, s store.APIKeys) {
	now := today()
	expired := endingKey("ann", "expired", now.Add(-time.Hour), now.Add(-time.Minute))
	revoked := newKey("ann", "revoked", now)
	create(t, s, expired, revoked)
	must(t, s.RevokeAPIKey(t.Context(), "ann", "revoked", now), "RevokeAPIKey")
	revoked.RevokedAt = now
	for _, want := range []store.APIKey{expired, revoked} {
		wantKey(t, read(t, s, "ann", want.ID), want)
		got, err := s.APIKeyByDigest(t.Context(), want.Digest)
		wantErr(t, err, nil, "APIKeyByDigest of %q", want.ID)
		wantKey(t, got, want)
	}
	wantIDs(t, list(t, s, "ann"), []string{"revoked", "expired"}, "ListAPIKeys")
}

func deadKeysStay(t *testing.T, s store.APIKeys, c *clock) {
	now := today()
	expired := endingKey("ann", "expired", now.Add(-time.Hour), now.Add(-time.Minute))
	revoked := newKey("ann", "revoked", now.Add(-time.Hour))
	revoked.RevokedAt = now.Add(-time.Minute)
	live := newKey("ann", "live", now)
	create(t, s, expired, revoked, live)
	c.set(400 * 24 * time.Hour)
	clean(t, s)
	create(t, s, newKey("bob", "other", now))

	for _, k := range []store.APIKey{expired, revoked, live} {
		wantKey(t, read(t, s, "ann", k.ID), k)
		_, err := s.APIKeyByDigest(t.Context(), k.Digest)
		wantErr(t, err, nil, "APIKeyByDigest of %q, a year after its end", k.ID)
	}
	got := ids(list(t, s, "ann"))
	slices.Sort(got)
	if want := []string{"expired", "live", "revoked"}; !slices.Equal(got, want) {
		t.Errorf("a year after their end the list has %q, want %q", got, want)
	}
	wantErr(t, s.CreateAPIKey(t.Context(), endingKey("ann", "expired", now, now.Add(time.Hour)), noLimits, now), store.ErrExists, "a second key with the ID of a dead one")
}
