package storetest

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type apiKeyCase = testCase[store.APIKeys]

// apiKeyCases are of the files apikeys_*.go, by theme.
func apiKeyCases() []apiKeyCase {
	return slices.Concat(readCases(), nameCases(), createCases(), capCases(), listCases(), rotateCases(), rotateRaceCases(),
		revokeCases(), useCases(), useRaceCases(), expiringCases(), []apiKeyCase{{
			name: "calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: callsWithAnEndedContext,
		}})
}

// noLimits is of cases that are not about them.
var noLimits store.APIKeyLimits

// newKey is a live key without an end, as package apikey makes them.
func newKey(owner, id string, created time.Time) store.APIKey {
	return store.APIKey{
		ID: id, Owner: owner, Name: "key " + id, Prefix: "acme_live", LastFour: "x9Zz", Digest: digest(id),
		Scopes: []string{"orders:read", "orders:write"}, Metadata: map[string]string{"team": "blue"}, CreatedAt: created,
	}
}

// endingKey is a newKey that expires at end.
func endingKey(owner, id string, created, end time.Time) store.APIKey {
	k := newKey(owner, id, created)
	k.ExpiresAt = end
	return k
}

// create inserts each of keys, or ends the test.
func create(t *testing.T, s store.APIKeys, keys ...store.APIKey) {
	t.Helper()
	for _, k := range keys {
		must(t, s.CreateAPIKey(t.Context(), k, noLimits, k.CreatedAt), "CreateAPIKey of %q", k.ID)
	}
}

// read answers a key that is there, or ends the test.
func read(t *testing.T, s store.APIKeys, owner, id string) store.APIKey {
	t.Helper()
	k, err := s.APIKey(t.Context(), owner, id)
	must(t, err, "APIKey %q of %q", id, owner)
	return k
}

// list answers all keys of owner, or ends the test.
func list(t *testing.T, s store.APIKeys, owner string) []store.APIKey {
	t.Helper()
	keys, next, err := s.ListAPIKeys(t.Context(), owner, store.Page{Limit: 1000})
	must(t, err, "ListAPIKeys of %q", owner)
	if next != "" {
		t.Fatalf("ListAPIKeys of %q: %d keys and a next page, with Limit 1000", owner, len(keys))
	}
	return keys
}

func rotate(t *testing.T, s store.APIKeys, owner, id string, next store.APIKey, until, now time.Time) error {
	t.Helper()
	return s.RotateAPIKey(t.Context(), owner, id, next, until, now)
}

// absent says when k is there by its ID or by its Digest.
func absent(t *testing.T, s store.APIKeys, k store.APIKey) {
	t.Helper()
	_, err := s.APIKey(t.Context(), k.Owner, k.ID)
	wantErr(t, err, store.ErrNotFound, "APIKey %q of %q", k.ID, k.Owner)
	_, err = s.APIKeyByDigest(t.Context(), k.Digest)
	wantErr(t, err, store.ErrNotFound, "APIKeyByDigest of key %q of %q", k.ID, k.Owner)
	if slices.Contains(ids(list(t, s, k.Owner)), k.ID) {
		t.Errorf("key %q is in the list of %q", k.ID, k.Owner)
	}
}

func ids(keys []store.APIKey) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.ID
	}
	return all
}

func wantIDs(t *testing.T, got []store.APIKey, want []string, what string, args ...any) {
	t.Helper()
	if !slices.Equal(ids(got), want) {
		t.Errorf("%s: got keys %q, want %q", fmt.Sprintf(what, args...), ids(got), want)
	}
}

func wantKey(t *testing.T, got, want store.APIKey) {
	t.Helper()
	if d := diff(got, want); d != "" {
		t.Errorf("key %q: %s", want.ID, d)
	}
}

// diff says in which fields got is not want, "" if in none.
func diff(got, want store.APIKey) string {
	var f fields
	f.text("ID", got.ID, want.ID)
	f.text("Owner", got.Owner, want.Owner)
	f.text("Name", got.Name, want.Name)
	f.text("Prefix", got.Prefix, want.Prefix)
	f.text("LastFour", got.LastFour, want.LastFour)
	f.any("Digest", got.Digest == want.Digest, got.Digest, want.Digest)
	f.texts("Scopes", got.Scopes, want.Scopes)
	f.any("Metadata", maps.Equal(got.Metadata, want.Metadata), got.Metadata, want.Metadata)
	f.at("CreatedAt", got.CreatedAt, want.CreatedAt)
	f.at("ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	f.at("RevokedAt", got.RevokedAt, want.RevokedAt)
	f.at("LastUsedAt", got.LastUsedAt, want.LastUsedAt)
	f.text("ReplacedBy", got.ReplacedBy, want.ReplacedBy)
	f.any("LastAddr", got.LastAddr == want.LastAddr, got.LastAddr, want.LastAddr)
	f.any("Uses", got.Uses == want.Uses, got.Uses, want.Uses)
	return f.String()
}

func callsWithAnEndedContext(t *testing.T, s store.APIKeys) {
	now := today()
	create(t, s, newKey("ann", "old", now))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.CreateAPIKey(ctx, newKey("ann", "new", now), noLimits, now)
	_, _ = s.APIKeyByDigest(ctx, digest("old"))
	_, _ = s.APIKey(ctx, "ann", "old")
	_, _, _ = s.ListAPIKeys(ctx, "ann", store.Page{})
	_ = s.RotateAPIKey(ctx, "ann", "old", newKey("ann", "next", now), now.Add(time.Hour), now)
	_, _ = s.RecordAPIKeyUses(ctx, []store.APIKeyUse{{ID: "old", N: 1, At: now, Addr: netip.IPv6Loopback()}})
	_, _ = s.ClaimExpiringAPIKeys(ctx, time.Hour, noLimits, 10, now)
	_ = s.RevokeAPIKey(ctx, "ann", "old", now)
	_ = s.RevokeAPIKeysOf(ctx, "ann", now)
	create(t, s, newKey("ann", "after", now))
	wantKey(t, read(t, s, "ann", "after"), newKey("ann", "after", now))
}
