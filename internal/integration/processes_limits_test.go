package integration_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func init() { raceCases = append(raceCases, passwordRaces...) }

// passwordRaces are of store.OneTime and store.PasswordTable.
var passwordRaces = []raceCase{
	{
		name:   "ClaimOneTime",
		rounds: 200,
		prepare: func(ctx context.Context, s raceStore, round int) error {
			return s.(store.OneTime).CreateOneTime(ctx, raceLink("claim", round, 0), 1, raceNow)
		},
		run: func(ctx context.Context, s raceStore, round, _ int) error {
			k := raceLink("claim", round, 0)
			got, err := s.(store.OneTime).ClaimOneTime(ctx, k.Digest, raceNow)
			if err == nil && got != k {
				err = fmt.Errorf("claimed %+v, want %+v", got, k)
			}
			return err
		},
		lost: store.ErrNotFound,
	},
	{
		name:   "CreateOneTime at the cap",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			return s.(store.OneTime).CreateOneTime(ctx, raceLink("link cap", round, racer), 1, raceNow)
		},
		lost: store.ErrLimit,
	},
	{
		name:   "ReplacePasswordHash",
		rounds: 200,
		prepare: func(ctx context.Context, s raceStore, round int) error {
			return s.(store.PasswordTable).CreatePassword(ctx, racePassword("replace", round), raceNow)
		},
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			p := racePassword("replace", round)
			return s.(store.PasswordTable).ReplacePasswordHash(ctx, p.Subject, p.Hash, strconv.Itoa(racer), raceNow)
		},
		lost: store.ErrConflict,
		check: func(ctx context.Context, s raceStore, round int) error {
			p, err := s.(store.PasswordTable).PasswordBySubject(ctx, racePassword("replace", round).Subject)
			if err == nil && p.Hash != "0" && p.Hash != "1" {
				err = fmt.Errorf("the hash is %q", p.Hash)
			}
			return err
		},
	},
	{
		name:   "CreatePassword of one name",
		rounds: 200,
		run: func(ctx context.Context, s raceStore, round, racer int) error {
			p := racePassword("name", round)
			p.Subject = fmt.Sprint(p.Subject, " ", racer)
			return s.(store.PasswordTable).CreatePassword(ctx, p, raceNow)
		},
		lost: store.ErrExists,
	},
}

func raceLink(what string, round, racer int) store.OneTimeToken {
	subject := raceOwner(what, round)
	return store.OneTimeToken{
		Digest: store.DigestOf(fmt.Sprint("link ", subject, " ", racer)), Purpose: "reset", Subject: subject, Bound: "ann@example.com",
		CreatedAt: raceNow, ExpiresAt: raceNow.Add(time.Hour),
	}
}

func racePassword(what string, round int) store.Password {
	subject := raceOwner("password "+what, round)
	return store.Password{Subject: subject, Name: "name of " + subject, Hash: "old"}
}

const (
	crowdProcs  = 3
	crowdEach   = 50 // callers at once, in each process
	crowdRounds = 10
)

// crowdCase is what crowds of callers in several processes take from in each
// round. Nobody gets an error, and just want of them pass.
type crowdCase struct {
	name string
	want int
	take func(ctx context.Context, s store.Limits, round, process, caller int) (passed bool, err error)
	// first is how many of them are told that they are the first of something.
	first int
}

var crowdCases = []crowdCase{
	{name: "window", want: 40, take: takeInCrowd("window"), first: 1},
	{name: "GCRA", want: 40, take: takeInCrowd("GCRA"), first: 1},
	{name: "both, and in any order", want: 40, take: takeInCrowd("window", "GCRA")},
	{name: "several, in any order", want: 40, take: takeInCrowd("window", "GCRA", "window", "GCRA")},
	{name: "attempts", want: 5, take: reserveInCrowd("alone"), first: 1},
	{name: "attempts at several, in any order", want: 5, take: reserveInCrowd("account", "client", "both"), first: 1},
}

// takeInCrowd takes from counters of these kinds, by turns in this order and
// the other.
func takeInCrowd(kinds ...string) func(ctx context.Context, s store.Limits, round, process, caller int) (bool, error) {
	return func(ctx context.Context, s store.Limits, round, process, caller int) (bool, error) {
		var takes []store.LimitTake
		for i, kind := range kinds {
			l := store.LimitTake{Policy: fmt.Sprint(kinds, i), Key: strconv.Itoa(round), Limit: 40, Period: 1000 * time.Hour, Cost: 1}
			if kind == "GCRA" {
				l.GCRA, l.Limit, l.Burst = true, 1, 40
			}
			takes = append(takes, l)
		}
		if (process+caller)%2 == 1 {
			slices.Reverse(takes)
		}
		states := make([]store.LimitState, len(takes))
		err := s.TakeLimits(ctx, takes, states)
		refused := slices.ContainsFunc(states, func(l store.LimitState) bool { return l.RetryIn > 0 })
		if states[0].First {
			firsts.Add(1)
		}
		return !refused, err
	}
}

// reserveInCrowd is takeInCrowd for attempts.
func reserveInCrowd(policies ...string) func(ctx context.Context, s store.Limits, round, process, caller int) (bool, error) {
	return func(ctx context.Context, s store.Limits, round, process, caller int) (bool, error) {
		var takes []store.AttemptTake
		for _, policy := range policies {
			takes = append(takes, store.AttemptTake{
				Policy: fmt.Sprint(policies, policy), Key: strconv.Itoa(round), Sub: "192.0.2.1", Account: policy == "account",
				Tiers: []store.AttemptTier{{N: 5, Period: time.Hour, Locks: []time.Duration{time.Hour}}},
			})
		}
		if (process+caller)%2 == 1 {
			slices.Reverse(takes)
		}
		state, err := s.ReserveAttempts(ctx, takes)
		if state.First {
			firsts.Add(1)
		}
		return state.RetryIn == 0 && !state.Disabled, err
	}
}

// firsts are the callers of this process who were told that they are the first.
var firsts atomic.Int64

// crowdProcesses starts three processes of this test binary, which open the
// backend with args, and lets callers of all of them take at once.
func crowdProcesses(t *testing.T, backend string, args ...string) {
	t.Helper()
	var crowds [crowdProcs]*racer
	for i := range crowds {
		crowds[i] = startRacer(t, "TestCrowd", i, append([]string{backend}, args...))
	}
	for n, c := range crowdCases {
		t.Run("crowd of "+c.name, func(t *testing.T) {
			start := time.Now()
			for round := range crowdRounds {
				for _, r := range crowds {
					if _, err := fmt.Fprintln(r.in, n, round); err != nil {
						t.Fatal(err)
					}
				}
				passed, first := 0, 0
				for i, r := range crowds {
					line, err := r.answer()
					if err != nil {
						t.Fatalf("process %d: %v", i, err)
					}
					var p, f int
					if _, err := fmt.Sscanf(line, "%d %d", &p, &f); err != nil {
						t.Fatalf("process %d: %s", i, line)
					}
					passed, first = passed+p, first+f
				}
				if passed != c.want || c.first > 0 && first != c.first {
					t.Fatalf("round %d: %d of %d passed and %d were the first, want %d and %d", round+1, passed, crowdProcs*crowdEach, first, c.want, c.first)
				}
			}
			t.Logf("%d takes, %v each", crowdRounds*crowdProcs*crowdEach, time.Since(start)/(crowdRounds*crowdProcs*crowdEach))
		})
	}
}

// TestCrowd is one of the processes when it is started as one, and nothing
// otherwise. It answers how many passed and how many were the first, or an
// error.
func TestCrowd(t *testing.T) {
	answerLines(t, func(s raceStore, n, round, number int) string {
		firsts.Store(0)
		var passed atomic.Int64
		var failed atomic.Pointer[error]
		var wg sync.WaitGroup
		for caller := range crowdEach {
			wg.Go(func() {
				ok, err := crowdCases[n].take(t.Context(), s.(store.Limits), round, number, caller)
				if err != nil {
					failed.Store(&err)
				} else if ok {
					passed.Add(1)
				}
			})
		}
		wg.Wait()
		if err := failed.Load(); err != nil {
			return (*err).Error()
		}
		return fmt.Sprint(passed.Load(), " ", firsts.Load())
	})
}
