package storetest

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func tokenRevokeRaceCases() []tokenCase {
	return []tokenCase{
		{
			name: "latest_until_counts_in_a_race",
			rule: "of concurrent RevokeToken of one token the latest until counts",
			test: latestUntilCountsInARace,
		},
		{
			name: "revoked_token_is_dead_for_good",
			rule: "a token that a reader has seen dead stays dead, and it is dead when RevokeToken has answered",
			test: revokedTokenIsDeadForGood,
		},
		{
			name: "revoked_token_is_dead_while_until_moves",
			rule: "a token that is revoked does not live for a moment when its until moves",
			test: revokedTokenIsDeadWhileUntilMoves,
		},
	}
}

func latestUntilCountsInARace(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 4 {
		token := newToken("ann", fmt.Sprint("token ", round), now)
		const n = 50
		// The latest is of another goroutine in each round.
		until := func(i int) time.Time { return now.Add(time.Duration((i+round*17)%n+1) * time.Minute) }
		race(t, n, func(i int) { wantErr(t, s.RevokeToken(t.Context(), token, until(i)), nil, "RevokeToken") })
		end := now.Add(n * time.Minute)
		wantDead(t, s, token, end.Add(-time.Microsecond), store.TokenRevokedByID, "before the latest until")
		wantLive(t, s, token, end, "at the latest until")
	}
}

func revokedTokenIsDeadForGood(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 15 {
		token, other := newToken("ann", fmt.Sprint("token ", round), now), newToken("ann", fmt.Sprint("other ", round), now)
		var answered atomic.Bool
		reader := func() func() {
			seen := false
			return func() {
				must := answered.Load()
				reason, err := s.TokenRevoked(t.Context(), token, now)
				wantErr(t, err, nil, "TokenRevoked")
				if reason == "" && (seen || must) {
					t.Errorf("a revoked token lives (seen dead before: %v; RevokeToken had answered: %v)", seen, must)
				}
				seen = seen || reason != ""
			}
		}
		during(t,
			func() {
				wantErr(t, s.RevokeToken(t.Context(), token, now.Add(time.Hour)), nil, "RevokeToken")
				answered.Store(true)
			},
			reader(), reader(),
			func() { wantLive(t, s, other, now, "another token is being revoked") },
		)
	}
}

func revokedTokenIsDeadWhileUntilMoves(t *testing.T, s store.Tokens) {
	now := today()
	for round := range 6 {
		token := newToken("ann", fmt.Sprint("token ", round), now)
		revokeToken(t, s, token, now.Add(time.Hour))
		read := func() { wantDead(t, s, token, now, store.TokenRevokedByID, "its until is being moved") }
		during(t,
			func() {
				for i := range 5 {
					until := now.Add(time.Duration(i+2) * time.Hour)
					wantErr(t, s.RevokeToken(t.Context(), token, until), nil, "RevokeToken until %v", until)
				}
			},
			read, read,
		)
	}
}
