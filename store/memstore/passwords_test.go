package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func user(i int) store.Password {
	return store.Password{Subject: fmt.Sprint("u", i), Name: fmt.Sprint("name ", i), Hash: fmt.Sprint("hash ", i)}
}

// D3: full means refuse. No password is evicted to make room, however long
// ago it was made; one that is deleted makes room.
func TestFullOfPasswordsRefusesAndEvictsNothing(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, s.CreatePassword(t.Context(), user(i), now), nil, "password %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, 10_000 * time.Hour} {
		ahead.Store(int64(at))
		want(t, s.CreatePassword(t.Context(), user(100), now.Add(at)), store.ErrFull, "one password more, %v later", at)
		want(t, s.CreatePassword(t.Context(), store.Password{Subject: "new", Name: user(0).Name}, now), store.ErrExists, "a name again")
		want(t, s.ReplacePasswordHash(t.Context(), user(0).Subject, user(0).Hash, user(0).Hash, now), nil, "ReplacePasswordHash")
		for i := range 100 {
			if p, err := s.PasswordByName(t.Context(), user(i).Name); err != nil || p != user(i) {
				t.Errorf("password %d of the full store is %+v, error %v", i+1, p, err)
			}
		}
	}
	want(t, s.DeletePassword(t.Context(), user(7).Subject), nil, "DeletePassword")
	want(t, s.CreatePassword(t.Context(), user(100), now), nil, "password in the place of a deleted one")
	want(t, s.CreatePassword(t.Context(), user(101), now), store.ErrFull, "one password more")
}
