package integration_test

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func init() { tortureCases = append(tortureCases, tortureLimits...) }

// Of a window, and attempts before a lock. Both last for longer than any run.
const (
	tortureTakes    = 5
	tortureAttempts = 3
	torturePeriod   = 24 * time.Hour
)

// tortureLimits are of store.Limits: never do more pass than may.
var tortureLimits = []*tortureCase{
	{
		name:  "TakeLimits",
		calls: 12,
		next: func(int64, string) tortureIn {
			if rand.N(6) == 0 {
				return tortureRead
			}
			return tortureIn{Do: "take"}
		},
		do: func(ctx context.Context, s store.Store, key string, in tortureIn) (tortureOut, error) {
			take := store.LimitTake{Policy: "torture", Key: key, Limit: tortureTakes, Period: torturePeriod, Cost: 1, Account: true}
			if in.Do == "read" {
				take.Cost = 0
			}
			states := make([]store.LimitState, 1)
			err := s.TakeLimits(ctx, []store.LimitTake{take}, states)
			if err == nil && states[0].RetryIn > 0 {
				err = store.ErrLimit
			}
			return tortureOut{N: int64(states[0].Remaining)}, err
		},
		contract: func(is tortureState, in tortureIn) (tortureOut, tortureState) {
			switch {
			case in.Do == "read":
				return tortureOut{Answer: tortureOK, N: tortureTakes - is.N}, is
			case is.N == tortureTakes:
				return tortureOut{Answer: tortureLimit}, is
			}
			return tortureOut{Answer: tortureOK, N: tortureTakes - is.N - 1}, tortureState{N: is.N + 1}
		},
		last:   tortureRead,
		count:  func(out tortureOut) int { return tortureTakes - int(out.N) },
		change: tortureEachTake,
		most:   tortureTakes,
		again:  tortureAgain("take"),
	},
	{
		// The last one that passes begins the lock.
		name:  "ReserveAttempts",
		calls: 10,
		next:  func(int64, string) tortureIn { return tortureIn{Do: "take"} },
		do: func(ctx context.Context, s store.Store, key string, _ tortureIn) (tortureOut, error) {
			is, err := s.ReserveAttempts(ctx, []store.AttemptTake{{
				Policy: "torture", Key: key, Account: true,
				Tiers: []store.AttemptTier{{N: tortureAttempts, Period: torturePeriod, Locks: []time.Duration{torturePeriod}}},
			}})
			if err == nil && is.RetryIn > 0 {
				err = store.ErrLimit
			}
			out := tortureOut{}
			if is.First {
				out.S = "first"
			}
			return out, err
		},
		contract: func(is tortureState, _ tortureIn) (tortureOut, tortureState) {
			if is.N == tortureAttempts {
				return tortureOut{Answer: tortureLimit}, is
			}
			is.N++
			if is.N == tortureAttempts {
				return tortureOut{Answer: tortureOK, S: "first"}, is
			}
			return tortureOut{Answer: tortureOK}, is
		},
		last: tortureIn{Do: "take"},
		count: func(out tortureOut) int {
			switch {
			case out.Answer == tortureLimit:
				return tortureAttempts
			case out.S == "first":
				return tortureAttempts - 1
			}
			return tortureAttempts - 2 // or none
		},
		change: tortureEachTake,
		most:   tortureAttempts,
		again:  tortureAgain("take"),
	},
}

// tortureEachTake is a change that each call makes.
func tortureEachTake(in tortureIn) (string, bool) {
	if in.Do != "take" {
		return "", false
	}
	return in.ID, true
}

// tortureAgain is a call that counts the same whoever makes it.
func tortureAgain(do string) func(is tortureState) tortureIn {
	return func(tortureState) tortureIn { return tortureIn{Do: do} }
}
