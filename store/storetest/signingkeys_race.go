package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func signingKeyRaceCases() []signingKeyCase {
	return []signingKeyCase{
		{
			name: "first_signing_key_has_one_winner",
			rule: "of concurrent AddSigningKey of a first key one wins, the others get ErrConflict",
			test: firstSigningKeyHasOneWinner,
		},
		{
			name: "next_signing_key_has_one_winner",
			rule: "of concurrent AddSigningKey after one key one wins, the others get ErrConflict",
			test: nextSigningKeyHasOneWinner,
		},
		{
			name: "add_is_seen_whole",
			rule: "a reader sees all of AddSigningKey or nothing: the predecessor has its end when the successor is there, and not before",
			test: addIsSeenWhole,
		},
		{
			name: "add_keeps_an_expiry",
			rule: "of AddSigningKey and a concurrent ExpireSigningKey of its predecessor neither undoes the other: the earlier end counts",
			test: addKeepsAnExpiry,
		},
	}
}

func firstSigningKeyHasOneWinner(t *testing.T, s store.SigningKeys) {
	now := today()
	for round := range 4 {
		const n = 50
		key := func(i int) store.SigningKey { return newSigningKey(fmt.Sprint("key ", round, " ", i), now) }
		won := winners(t, n, store.ErrConflict, func(i int) error { return s.AddSigningKey(t.Context(), key(i), "", time.Time{}) })
		if len(won) != 1 {
			t.Fatalf("%d of %d first keys at once were answered nil, want 1", len(won), n)
		}
		wantSigningKeys(t, s, now, key(won[0]))
		must(t, s.ExpireSigningKey(t.Context(), key(won[0]).ID, now), "ExpireSigningKey")
	}
}

func nextSigningKeyHasOneWinner(t *testing.T, s store.SigningKeys) {
	now := today()
	newest := newSigningKey("first", now)
	addSigningKey(t, s, newest, "", time.Time{})
	want := []store.SigningKey{newest}
	for round := range 4 {
		const n = 50
		key := func(i int) store.SigningKey {
			k := newSigningKey(fmt.Sprint("key ", round, " ", i), now)
			k.SignFrom = now.Add(time.Duration(i) * time.Minute)
			return k
		}
		expires := func(i int) time.Time { return now.Add(day + time.Duration(i)*time.Minute) }
		won := winners(t, n, store.ErrConflict, func(i int) error { return s.AddSigningKey(t.Context(), key(i), want[0].ID, expires(i)) })
		if len(won) != 1 {
			t.Fatalf("%d of %d keys at once after one were answered nil, want 1", len(won), n)
		}
		want[0].SignUntil, want[0].ExpiresAt = key(won[0]).SignFrom, expires(won[0])
		want = append([]store.SigningKey{key(won[0])}, want...)
		wantSigningKeys(t, s, now, want...)
	}
}

func addIsSeenWhole(t *testing.T, s store.SigningKeys) {
	now := today()
	newest := newSigningKey("first", now)
	addSigningKey(t, s, newest, "", time.Time{})
	for round := range 15 {
		k := newSigningKey(fmt.Sprint("key ", round), now)
		read := func() {
			keys, err := s.ListSigningKeys(t.Context(), now)
			wantErr(t, err, nil, "ListSigningKeys")
			want := []store.SigningKey{newest}
			if len(keys) > 0 && keys[0].ID == k.ID {
				ended := newest
				ended.SignUntil, ended.ExpiresAt = k.SignFrom, now.Add(day)
				want = []store.SigningKey{k, ended}
			}
			for i := range want {
				if i >= len(keys) {
					t.Errorf("ListSigningKeys has %q, want %q first", kids(keys), kids(want))
				} else if d := diffSigningKey(keys[i], want[i]); d != "" {
					t.Errorf("signing key %q beside AddSigningKey: %s", want[i].ID, d)
				}
			}
		}
		during(t,
			func() { wantErr(t, s.AddSigningKey(t.Context(), k, newest.ID, now.Add(day)), nil, "AddSigningKey") },
			read, read,
		)
		newest = k
	}
}

func addKeepsAnExpiry(t *testing.T, s store.SigningKeys) {
	now := today()
	end := now.Add(time.Hour)
	newest := newSigningKey("first", now)
	addSigningKey(t, s, newest, "", time.Time{})
	for round := range 40 {
		k := newSigningKey(fmt.Sprint("key ", round), now)
		var added, expired error
		race(t, 2, func(i int) {
			if i == round%2 {
				added = s.AddSigningKey(t.Context(), k, newest.ID, end.Add(time.Duration(round%3-1)*time.Minute))
			} else {
				expired = s.ExpireSigningKey(t.Context(), newest.ID, end)
			}
		})
		wantErr(t, errors.Join(added, expired), nil, "AddSigningKey and ExpireSigningKey of its predecessor")
		newest.SignUntil, newest.ExpiresAt = k.SignFrom, end
		if round%3 == 0 {
			newest.ExpiresAt = end.Add(-time.Minute)
		}
		keys, err := s.ListSigningKeys(t.Context(), now)
		wantErr(t, err, nil, "ListSigningKeys")
		if len(keys) != round+2 {
			t.Fatalf("%d signing keys are there, want %d", len(keys), round+2)
		}
		if d := diffSigningKey(keys[1], newest); d != "" {
			t.Errorf("signing key %q: %s", newest.ID, d)
		}
		newest = k
	}
}
