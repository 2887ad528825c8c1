package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func signingKeyExpireCases() []signingKeyCase {
	return []signingKeyCase{
		{
			name: "expire_signing_key",
			rule: "ExpireSigningKey sets ExpiresAt to now, and nothing else, of this key alone",
			test: expireSigningKey,
		},
		{
			name: "expire_signing_key_never_extends",
			rule: "ExpireSigningKey leaves an ExpiresAt that is earlier than now, and may be repeated",
			test: expireSigningKeyNeverExtends,
		},
		{
			name: "expire_of_a_missing_signing_key",
			rule: "what names one record answers ErrNotFound when there is none",
			test: expireOfAMissingSigningKey,
		},
	}
}

func expireSigningKey(t *testing.T, s store.SigningKeys) {
	now := today()
	keys := addSigningKeys(t, s, newSigningKey("a", now), newSigningKey("b", now), newSigningKey("c", now))
	for i := range keys { // the newest has no end yet
		end := now.Add(time.Duration(i+1)*time.Minute + time.Microsecond)
		must(t, s.ExpireSigningKey(t.Context(), keys[i].ID, end), "ExpireSigningKey %q", keys[i].ID)
		keys[i].ExpiresAt = end
		wantSigningKeys(t, s, now, keys...)
	}
	wantSigningKeys(t, s, keys[0].ExpiresAt, keys[1:]...)
	wantSigningKeys(t, s, keys[2].ExpiresAt)
}

func expireSigningKeyNeverExtends(t *testing.T, s store.SigningKeys) {
	now := today()
	k := newSigningKey("a", now)
	addSigningKey(t, s, k, "", time.Time{})
	k.ExpiresAt = now.Add(time.Hour)
	for _, later := range []time.Duration{0, 0, time.Microsecond, time.Hour, 1000 * day} {
		must(t, s.ExpireSigningKey(t.Context(), "a", now.Add(time.Hour+later)), "ExpireSigningKey")
		wantSigningKeys(t, s, now, k)
	}
	must(t, s.ExpireSigningKey(t.Context(), "a", now.Add(time.Minute)), "ExpireSigningKey, earlier")
	k.ExpiresAt = now.Add(time.Minute)
	wantSigningKeys(t, s, now, k)
	wantErr(t, s.ExpireSigningKey(t.Context(), "a", now.Add(time.Hour)), nil, "ExpireSigningKey of one that has expired")
	wantSigningKeys(t, s, now, k)
}

func expireOfAMissingSigningKey(t *testing.T, s store.SigningKeys) {
	now := today()
	for _, there := range []bool{false, true} {
		what := fmt.Sprintf("other keys: %v", there)
		var keys []store.SigningKey
		if there {
			keys = addSigningKeys(t, s, newSigningKey("a", now), newSigningKey("b", now))
		}
		for _, id := range []string{"missing", "", "A", "a ", "B"} {
			wantErr(t, s.ExpireSigningKey(t.Context(), id, now), store.ErrNotFound, "ExpireSigningKey %q, %s", id, what)
		}
		wantSigningKeys(t, s, now, keys...)
	}
}
