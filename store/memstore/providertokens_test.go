package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// put keeps token i; seven subjects share them.
func put(t *testing.T, s *memstore.Store, i int) error {
	t.Helper()
	return s.PutProviderToken(t.Context(), fmt.Sprint("user ", i%7), fmt.Sprint("provider ", i), fmt.Append(nil, "sealed ", i))
}

// D3: full means refuse. No token is evicted to make room, however long ago it
// was put; one that is there may be put again and replaced, and what is deleted
// makes room, once.
func TestFullOfProviderTokensRefusesAndEvictsNothing(t *testing.T) {
	s, ahead, _ := small(t)
	for i := range 100 {
		want(t, put(t, s, i), nil, "token %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, 10_000 * time.Hour} {
		ahead.Store(int64(at))
		want(t, put(t, s, 100), store.ErrFull, "one token more, %v later", at)
		_, err := s.ProviderToken(t.Context(), "user 2", "provider 100")
		want(t, err, store.ErrNotFound, "the token that was refused")
		want(t, s.PutProviderToken(t.Context(), "new", "provider", []byte("sealed")), store.ErrFull, "the first token of a subject")
		for i := range 100 {
			want(t, put(t, s, i), nil, "token %d again", i+1)
		}
		want(t, s.ReplaceProviderToken(t.Context(), "user 0", "provider 0", []byte("sealed 0"), []byte("next")), nil, "ReplaceProviderToken")
	}
	for range 3 {
		want(t, s.DeleteProviderToken(t.Context(), "user 0", "provider 0"), nil, "DeleteProviderToken")
		want(t, s.DeleteProviderTokensOf(t.Context(), "nobody"), nil, "DeleteProviderTokensOf nobody")
	}
	want(t, put(t, s, 100), nil, "token in the place of a deleted one")
	want(t, put(t, s, 0), store.ErrFull, "one token more")
	for range 3 {
		want(t, s.DeleteProviderTokensOf(t.Context(), "user 1"), nil, "DeleteProviderTokensOf")
	}
	for i := range 15 { // user 1 had as many
		want(t, put(t, s, 1+7*i), nil, "token %d in the place of those of a subject", i+1)
	}
	want(t, put(t, s, 0), store.ErrFull, "one token more")
}
