package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func signingKeyAddCases() []signingKeyCase {
	return []signingKeyCase{
		{
			name: "add_names_the_newest",
			rule: "AddSigningKey inserts k if newest names the newest key, \"\" when there is none: else it answers ErrConflict, and nothing changes",
			test: addNamesTheNewest,
		},
		{
			name: "add_after_the_expired",
			rule: "the newest key is the one added last that has not expired at k.CreatedAt; it is \"\" when all have, and one that has is ErrConflict",
			test: addAfterTheExpired,
		},
		{
			name: "add_ends_its_predecessor",
			rule: "the predecessor signs until k.SignFrom, and expires at expires or when it would have if that is earlier",
			test: addEndsItsPredecessor,
		},
		{
			name: "add_ends_nothing_else",
			rule: "AddSigningKey ends the newest key alone; expires is not looked at if newest is \"\"",
			test: addEndsNothingElse,
		},
		{
			name: "add_refuses_a_known_id",
			rule: "AddSigningKey answers ErrExists when k.ID is there, expired or not, and nothing changes",
			test: addRefusesAKnownID,
		},
		{
			name: "signing_key_ids_compare_bytewise",
			rule: "an ID is unique, compared bytewise",
			test: signingKeyIDsCompareBytewise,
		},
	}
}

func refuseSigningKey(t *testing.T, s store.SigningKeys, k store.SigningKey, newest string, want error) {
	t.Helper()
	err := s.AddSigningKey(t.Context(), k, newest, k.CreatedAt.Add(time.Minute))
	wantErr(t, err, want, "AddSigningKey of %q after %q", k.ID, newest)
}

func addNamesTheNewest(t *testing.T, s store.SigningKeys) {
	now := today()
	a, b, c := newSigningKey("a", now), newSigningKey("b", now), newSigningKey("c", now)
	refuseSigningKey(t, s, a, "missing", store.ErrConflict)
	refuseSigningKey(t, s, b, "b", store.ErrConflict)
	wantSigningKeys(t, s, now)
	keys := addSigningKeys(t, s, a)
	for _, newest := range []string{"", "missing", "A", "a ", "b"} {
		refuseSigningKey(t, s, b, newest, store.ErrConflict)
		wantSigningKeys(t, s, now, keys...)
	}
	addSigningKey(t, s, b, "a", now.Add(day))
	a.SignUntil, a.ExpiresAt = b.SignFrom, now.Add(day)
	for _, newest := range []string{"", "a", "missing"} {
		refuseSigningKey(t, s, c, newest, store.ErrConflict)
		wantSigningKeys(t, s, now, b, a)
	}
}

func addAfterTheExpired(t *testing.T, s store.SigningKeys) {
	now := today()
	end := now.Add(time.Hour)
	a, b := newSigningKey("a", now), newSigningKey("b", now)
	addSigningKey(t, s, a, "", time.Time{})
	addSigningKey(t, s, b, "a", now.Add(day))
	must(t, s.ExpireSigningKey(t.Context(), "b", end), "ExpireSigningKey")

	// While b lives it is the newest, and then a is again.
	refuseSigningKey(t, s, newSigningKey("c", end.Add(-time.Microsecond)), "a", store.ErrConflict)
	refuseSigningKey(t, s, newSigningKey("c", end), "b", store.ErrConflict)
	refuseSigningKey(t, s, newSigningKey("c", end), "", store.ErrConflict)
	c := newSigningKey("c", end)
	addSigningKey(t, s, c, "a", now.Add(2*day))
	a.SignUntil, a.ExpiresAt = c.SignFrom, now.Add(day)
	wantSigningKeys(t, s, end, c, a)

	must(t, s.ExpireSigningKey(t.Context(), "c", end), "ExpireSigningKey")
	must(t, s.ExpireSigningKey(t.Context(), "a", end), "ExpireSigningKey")
	for _, newest := range []string{"a", "b", "c"} {
		refuseSigningKey(t, s, newSigningKey("d", end), newest, store.ErrConflict)
	}
	refuseSigningKey(t, s, newSigningKey("d", end.Add(-time.Microsecond)), "", store.ErrConflict)
	d := newSigningKey("d", end)
	addSigningKey(t, s, d, "", end)
	wantSigningKeys(t, s, end, d)
}

func addEndsItsPredecessor(t *testing.T, s store.SigningKeys) {
	now := today()
	first := newSigningKey("first", now)
	addSigningKey(t, s, first, "", time.Time{})
	newest := first
	for i, c := range []struct {
		end, expires time.Duration // of the predecessor; an end of 0 is none
		want         time.Duration
	}{
		{0, 2 * day, 2 * day},
		{day, 2 * day, day},
		{2 * day, day, day},
		{day, day, day},
		{day, day + time.Microsecond, day},
		{day, day - time.Microsecond, day - time.Microsecond},
		{0, time.Microsecond, time.Microsecond},
	} {
		if c.end != 0 {
			must(t, s.ExpireSigningKey(t.Context(), newest.ID, now.Add(c.end)), "ExpireSigningKey")
		}
		k := newSigningKey(fmt.Sprint("key ", i), now)
		k.SignFrom = now.Add(time.Duration(i) * time.Minute)
		addSigningKey(t, s, k, newest.ID, now.Add(c.expires))
		keys, err := s.ListSigningKeys(t.Context(), now)
		wantErr(t, err, nil, "ListSigningKeys")
		if len(keys) < 2 || keys[1].ID != newest.ID {
			t.Fatalf("ListSigningKeys has %q, want %q after the first", kids(keys), newest.ID)
		}
		newest.SignUntil, newest.ExpiresAt = k.SignFrom, now.Add(c.want)
		if d := diffSigningKey(keys[1], newest); d != "" {
			t.Errorf("a key that would expire after %v (0: never), with expires after %v: %s", c.end, c.expires, d)
		}
		newest = k
	}
}

func addEndsNothingElse(t *testing.T, s store.SigningKeys) {
	now := today()
	for _, expires := range []time.Time{now.Add(-time.Hour), {}, now.Add(time.Hour)} {
		only := newSigningKey("only "+expires.String()[:19], now)
		addSigningKey(t, s, only, "", expires)
		wantSigningKeys(t, s, now, only)
		must(t, s.ExpireSigningKey(t.Context(), only.ID, now), "ExpireSigningKey")
	}
	keys := addSigningKeys(t, s, newSigningKey("a", now), newSigningKey("b", now), newSigningKey("c", now))
	d := newSigningKey("d", now)
	addSigningKey(t, s, d, "c", now.Add(time.Minute))
	keys[0].SignUntil, keys[0].ExpiresAt = d.SignFrom, now.Add(time.Minute)
	wantSigningKeys(t, s, now, append([]store.SigningKey{d}, keys...)...)
}

func addRefusesAKnownID(t *testing.T, s store.SigningKeys) {
	now := today()
	end := now.Add(time.Hour)
	a, b := newSigningKey("a", now), newSigningKey("b", now)
	addSigningKey(t, s, a, "", time.Time{})
	addSigningKey(t, s, b, "a", end)
	a.SignUntil, a.ExpiresAt = b.SignFrom, end
	for _, id := range []string{"a", "b"} {
		for _, at := range []time.Time{now, end.Add(-time.Microsecond), end, end.Add(time.Hour)} {
			k := newSigningKey(id, at)
			k.Sealed = []byte("another")
			refuseSigningKey(t, s, k, "b", store.ErrExists)
			wantSigningKeys(t, s, now, b, a)
		}
	}
	must(t, s.ExpireSigningKey(t.Context(), "b", end), "ExpireSigningKey")
	b.ExpiresAt = end
	for _, id := range []string{"a", "b"} {
		refuseSigningKey(t, s, newSigningKey(id, end), "", store.ErrExists)
		wantSigningKeys(t, s, now, b, a)
		wantSigningKeys(t, s, end)
	}
}

func signingKeyIDsCompareBytewise(t *testing.T, s store.SigningKeys) {
	now := today()
	var keys []store.SigningKey
	for _, pair := range alike {
		keys = append(keys, newSigningKey(pair[0], now), newSigningKey(pair[1], now))
	}
	keys = addSigningKeys(t, s, keys...)
	refuseSigningKey(t, s, newSigningKey("next", now), " "+keys[0].ID, store.ErrConflict)
	for i := range keys {
		if i%2 == 1 {
			must(t, s.ExpireSigningKey(t.Context(), keys[i].ID, now.Add(time.Minute)), "ExpireSigningKey")
			keys[i].ExpiresAt = now.Add(time.Minute)
		}
	}
	wantSigningKeys(t, s, now, keys...)
	last := keys[0]
	for _, near := range []string{"07 ", "7", "٠7"} {
		if near != last.ID {
			refuseSigningKey(t, s, newSigningKey("next", now), near, store.ErrConflict)
		}
	}
}
