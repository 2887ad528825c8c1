package storetest

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func signingKeyListCases() []signingKeyCase {
	return []signingKeyCase{
		{
			name: "signing_key_keeps_every_field",
			rule: "AddSigningKey inserts k, all of it: each byte of Public and Sealed, up to 16 KiB; times keep microseconds",
			test: signingKeyKeepsEveryField,
		},
		{
			name: "signing_key_keeps_copies",
			rule: "values are copied when they are written: what the caller does with them afterwards has no effect",
			test: signingKeyKeepsCopies,
		},
		{
			name: "no_signing_keys",
			rule: "ListSigningKeys of none is empty, and no error",
			test: noSigningKeys,
		},
		{
			name: "signing_keys_are_newest_first",
			rule: "ListSigningKeys is newest first, by the order in which keys were added, not by their times or IDs",
			test: signingKeysAreNewestFirst,
		},
		{
			name: "expired_signing_keys_are_left_out",
			rule: "ListSigningKeys answers keys while now, the caller's, is before ExpiresAt",
			test: expiredSigningKeysAreLeftOut,
		},
		{
			name:   "cleaning_spares_signing_keys",
			rule:   "only what expired over a day ago is deleted: the day is a margin for clocks that differ",
			moving: cleaningSparesSigningKeys,
		},
	}
}

func signingKeyKeepsEveryField(t *testing.T, s store.SigningKeys) {
	now := today().Truncate(time.Second).Add(time.Microsecond)
	var all []byte
	for i := range 256 {
		all = append(all, byte(i))
	}
	full := newSigningKey(strings.Repeat("k", 64), now)
	full.Algorithm = "EdDSA"
	full.Public, full.Sealed = bytes.Repeat(all, 64), bytes.Repeat(append(all[1:256:256], 0), 64)
	full.CreatedAt = now.Add(-3*time.Hour + 123_456*time.Microsecond).In(time.FixedZone("", 2*60*60))
	full.SignFrom = now.Add(-time.Hour + 999_999*time.Microsecond)
	far := newSigningKey("'; DROP TABLE authn_signing_keys; --", now)
	far.SignFrom = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
	far.Public, far.Sealed = []byte{0}, []byte{0xff, 0xfe}
	addSigningKey(t, s, full, "", time.Time{})
	wantSigningKeys(t, s, now, full)
	expires := now.Add(time.Hour + 7*time.Microsecond)
	addSigningKey(t, s, far, full.ID, expires)
	full.SignUntil, full.ExpiresAt = far.SignFrom, expires
	wantSigningKeys(t, s, now, far, full)
}

func signingKeyKeepsCopies(t *testing.T, s store.SigningKeys) {
	now := today()
	k := newSigningKey("a", now)
	addSigningKey(t, s, k, "", time.Time{})
	k.Public[0], k.Sealed[0] = 'x', 'x'
	wantSigningKeys(t, s, now, newSigningKey("a", now))
}

func noSigningKeys(t *testing.T, s store.SigningKeys) {
	now := today()
	wantSigningKeys(t, s, now)
	k := newSigningKey("a", now)
	addSigningKey(t, s, k, "", time.Time{})
	must(t, s.ExpireSigningKey(t.Context(), "a", now), "ExpireSigningKey")
	wantSigningKeys(t, s, now)
}

func signingKeysAreNewestFirst(t *testing.T, s store.SigningKeys) {
	now := today()
	b, c, a := newSigningKey("b", now), newSigningKey("c", now.Add(-time.Hour)), newSigningKey("a", now.Add(-time.Minute))
	same := newSigningKey("A", a.CreatedAt)
	wantSigningKeys(t, s, now, addSigningKeys(t, s, b, c, a, same)...)
}

func expiredSigningKeysAreLeftOut(t *testing.T, s store.SigningKeys) {
	now := today()
	keys := addSigningKeys(t, s, newSigningKey("a", now), newSigningKey("b", now.Add(time.Hour)), newSigningKey("c", now.Add(2*time.Hour)))
	end := keys[2].ExpiresAt // of "a"
	wantSigningKeys(t, s, end.Add(-time.Microsecond), keys...)
	wantSigningKeys(t, s, end, keys[:2]...)
	wantSigningKeys(t, s, end.Add(time.Microsecond), keys[:2]...)
	end = keys[1].ExpiresAt
	wantSigningKeys(t, s, end.Add(-time.Microsecond), keys[:2]...)
	wantSigningKeys(t, s, end, keys[:1]...)
	wantSigningKeys(t, s, end.Add(1000*day), keys[:1]...)
	wantSigningKeys(t, s, now, keys...) // another caller's clock may be slower
}

// cleaningSparesSigningKeys: the store's clock is fast, not wrong by a day.
func cleaningSparesSigningKeys(t *testing.T, s store.SigningKeys, c *clock) {
	now := today()
	old, live, gone := newSigningKey("old", now), newSigningKey("live", now), newSigningKey("gone", now)
	addSigningKey(t, s, gone, "", time.Time{})
	must(t, s.ExpireSigningKey(t.Context(), "gone", now.Add(time.Second)), "ExpireSigningKey")
	gone.ExpiresAt = now.Add(time.Second)
	addSigningKey(t, s, old, "gone", now.Add(time.Minute))
	gone.SignUntil = old.SignFrom
	addSigningKey(t, s, live, "old", now.Add(time.Minute))
	old.SignUntil, old.ExpiresAt = live.SignFrom, now.Add(time.Minute)

	c.set(23 * time.Hour)
	clean(t, s)
	next := newSigningKey("next", now)
	addSigningKey(t, s, next, "live", now.Add(100*day)) // some stores delete when they insert
	live.SignUntil, live.ExpiresAt = next.SignFrom, now.Add(100*day)
	wantSigningKeys(t, s, now, next, live, old, gone)
	c.set(90 * day)
	clean(t, s)
	wantSigningKeys(t, s, now.Add(90*day), next, live)
}
