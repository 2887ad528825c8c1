package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func signingKey(i int, now time.Time) store.SigningKey {
	return store.SigningKey{ID: fmt.Sprint("kid ", i), Algorithm: "ES256", CreatedAt: now, SignFrom: now}
}

// D3: full means refuse. A signing key stays for a day after its end by the
// store's own clock; one that is refused ends nothing.
func TestFullOfSigningKeysRefusesForADay(t *testing.T) {
	s, ahead, now := small(t)
	end := now.Add(time.Hour)
	newest := ""
	for i := range 100 {
		want(t, s.AddSigningKey(t.Context(), signingKey(i, now), newest, end), nil, "signing key %d of 100", i+1)
		newest = signingKey(i, now).ID
	}
	for _, at := range []time.Duration{0, time.Hour, 24 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.AddSigningKey(t.Context(), signingKey(100, now), newest, end), store.ErrFull, "one signing key more, %v later", at)
		keys, err := s.ListSigningKeys(t.Context(), now)
		if err != nil || len(keys) != 100 || keys[0].ID != newest || !keys[0].SignUntil.IsZero() || !keys[0].ExpiresAt.IsZero() {
			t.Errorf("the full store lists %d keys and error %v, want 100, the newest without an end", len(keys), err)
		}
	}
	ahead.Store(int64(25*time.Hour + time.Minute))
	want(t, s.AddSigningKey(t.Context(), signingKey(100, now), newest, end.Add(1000*time.Hour)), nil, "a signing key, a day after the end of the others")
	if keys, err := s.ListSigningKeys(t.Context(), now); err != nil || len(keys) != 2 {
		t.Errorf("%d keys are listed and error %v, want 2", len(keys), err)
	}
}
