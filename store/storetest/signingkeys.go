package storetest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type signingKeyCase = testCase[store.SigningKeys]

// signingKeyCases are of the files signingkeys_*.go, by theme.
func signingKeyCases() []signingKeyCase {
	return slices.Concat(signingKeyListCases(), signingKeyAddCases(), signingKeyRaceCases(), signingKeyExpireCases(), []signingKeyCase{{
		name: "signing_key_calls_with_an_ended_context",
		rule: "a context that has ended is no reason to panic; any answer will do",
		test: signingKeyCallsWithAnEndedContext,
	}})
}

// newSigningKey is a key that signs an hour after it was created.
func newSigningKey(id string, created time.Time) store.SigningKey {
	return store.SigningKey{
		ID: id, Algorithm: "ES256", Public: []byte(`{"kty":"EC","kid":"` + id + `"}`), Sealed: []byte("sealed " + id),
		CreatedAt: created, SignFrom: created.Add(time.Hour),
	}
}

// addSigningKey adds k after newest, which expires at expires, or ends the
// test.
func addSigningKey(t *testing.T, s store.SigningKeys, k store.SigningKey, newest string, expires time.Time) {
	t.Helper()
	must(t, s.AddSigningKey(t.Context(), k, newest, expires), "AddSigningKey of %q after %q", k.ID, newest)
}

// addSigningKeys adds keys one after the other, each of which expires a day
// after its successor signs, or ends the test. It answers them as they are
// then, newest first.
func addSigningKeys(t *testing.T, s store.SigningKeys, keys ...store.SigningKey) []store.SigningKey {
	t.Helper()
	newest := ""
	for i, k := range keys {
		addSigningKey(t, s, k, newest, k.SignFrom.Add(day))
		if i > 0 {
			keys[i-1].SignUntil, keys[i-1].ExpiresAt = k.SignFrom, k.SignFrom.Add(day)
		}
		newest = k.ID
	}
	keys = slices.Clone(keys)
	slices.Reverse(keys)
	return keys
}

// wantSigningKeys says when the list is not want, newest first.
func wantSigningKeys(t *testing.T, s store.SigningKeys, now time.Time, want ...store.SigningKey) {
	t.Helper()
	got, err := s.ListSigningKeys(t.Context(), now)
	wantErr(t, err, nil, "ListSigningKeys")
	if !slices.Equal(kids(got), kids(want)) {
		t.Errorf("ListSigningKeys has %q, want %q", kids(got), kids(want))
		return
	}
	for i := range want {
		if d := diffSigningKey(got[i], want[i]); d != "" {
			t.Errorf("signing key %q: %s", want[i].ID, d)
		}
	}
}

func kids(keys []store.SigningKey) []string {
	all := make([]string, len(keys))
	for i, k := range keys {
		all[i] = k.ID
	}
	return all
}

// diffSigningKey says in which fields got is not want, "" if in none.
func diffSigningKey(got, want store.SigningKey) string {
	var f fields
	f.text("ID", got.ID, want.ID)
	f.text("Algorithm", got.Algorithm, want.Algorithm)
	f.any("Public", bytes.Equal(got.Public, want.Public), short(got.Public), short(want.Public))
	f.any("Sealed", bytes.Equal(got.Sealed, want.Sealed), short(got.Sealed), short(want.Sealed))
	f.at("CreatedAt", got.CreatedAt, want.CreatedAt)
	f.at("SignFrom", got.SignFrom, want.SignFrom)
	f.at("SignUntil", got.SignUntil, want.SignUntil)
	f.at("ExpiresAt", got.ExpiresAt, want.ExpiresAt)
	return f.String()
}

// short is how b is printed.
func short(b []byte) string { return fmt.Sprintf("%d bytes, %.40q", len(b), b) }

func signingKeyCallsWithAnEndedContext(t *testing.T, s store.SigningKeys) {
	now := today()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _ = s.ListSigningKeys(ctx, now)
	_ = s.AddSigningKey(ctx, newSigningKey("a", now), "", time.Time{})
	_ = s.ExpireSigningKey(ctx, "a", now)
	_, err := s.ListSigningKeys(t.Context(), now)
	wantErr(t, err, nil, "the next call")
}
