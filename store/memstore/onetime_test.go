package memstore_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
	"github.com/gatehouse-go/authn/store/memstore"
)

// link is a token of an hour; seven subjects share them.
func link(i int, now time.Time) store.OneTimeToken {
	return store.OneTimeToken{
		Digest: numbered(i), Purpose: "reset", Subject: fmt.Sprint("user ", i%7),
		CreatedAt: now, ExpiresAt: now.Add(time.Hour),
	}
}

func issue(t *testing.T, s *memstore.Store, i int, now time.Time) error {
	t.Helper()
	return s.CreateOneTime(t.Context(), link(i, now), 0, now)
}

// D3: full means refuse. No live token is evicted to make room; those that
// have ended by the store's clock, were claimed or revoked, make it.
func TestFullOfOneTimeTokensRefusesUntilTheyEnd(t *testing.T) {
	s, ahead, now := small(t)
	for i := range 100 {
		want(t, issue(t, s, i, now), nil, "token %d of 100", i+1)
	}
	for _, at := range []time.Duration{0, 59 * time.Minute} {
		ahead.Store(int64(at))
		want(t, issue(t, s, 100, now.Add(at)), store.ErrFull, "one token more, %v later", at)
		want(t, issue(t, s, 100, now.Add(1000*time.Hour)), store.ErrFull, "one token more, by a clock that is fast")
		for i := range 100 {
			_, err := s.OneTimeByDigest(t.Context(), numbered(i), now)
			want(t, err, nil, "token %d of the full store", i+1)
		}
	}
	_, err := s.ClaimOneTime(t.Context(), numbered(0), now)
	want(t, err, nil, "ClaimOneTime")
	want(t, issue(t, s, 0, now), nil, "token in the place of a claimed one, with its digest")
	want(t, issue(t, s, 101, now), store.ErrFull, "one token more")

	want(t, s.RevokeOneTimeOf(t.Context(), link(1, now).Subject), nil, "RevokeOneTimeOf")
	for i := range 15 { // user 1 had as many
		want(t, issue(t, s, 200+7*i, now), nil, "token %d in the place of a revoked one", i+1)
	}
	want(t, issue(t, s, 101, now), store.ErrFull, "one token more")

	ahead.Store(int64(61 * time.Minute))
	for i := range 100 {
		want(t, issue(t, s, 1000+i, now.Add(2*time.Hour)), nil, "token %d of the next 100, after the end of the first", i+1)
	}
	want(t, issue(t, s, 2000, now.Add(2*time.Hour)), store.ErrFull, "one token more")
}

// D3: what is refused for another reason takes no room.
func TestRefusedOneTimeTokensTakeNoRoom(t *testing.T) {
	now := time.Now()
	s := memstore.New(memstore.Config{MaxRecords: 2})
	want(t, issue(t, s, 0, now), nil, "first token")
	for range 10 {
		want(t, issue(t, s, 0, now), store.ErrExists, "the same again")
		want(t, s.CreateOneTime(t.Context(), link(7, now), 1, now), store.ErrLimit, "one more of its subject than 1")
	}
	want(t, issue(t, s, 1, now), nil, "second token")
	want(t, issue(t, s, 2, now), store.ErrFull, "third token")
}

// D1: Run deletes tokens a day after their end, by the store's clock.
func TestRunDeletesOneTimeTokensThatAreLongOver(t *testing.T) {
	s, ahead, now := small(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range 100 {
		want(t, issue(t, s, i, now), nil, "token")
	}
	for _, c := range []struct {
		at   time.Duration
		want error
	}{{24 * time.Hour, nil}, {26 * time.Hour, store.ErrNotFound}} {
		ahead.Store(int64(c.at))
		want(t, s.Run(ended), nil, "Run")
		for i := range 100 {
			_, err := s.OneTimeByDigest(t.Context(), numbered(i), now)
			want(t, err, c.want, "token after Run, %v later, for a clock that is slow", c.at)
		}
	}
}
