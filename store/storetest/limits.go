package storetest

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

type limitCase = testCase[store.Limits]

// limitCases are of the files limits_*.go, by theme.
func limitCases() []limitCase {
	return slices.Concat(windowCases(), gcraCases(), refusalCases(), severalTakesCases(), limitChangeCases(), limitNameCases(), limitRaceCases(),
		attemptCases(), attemptTierCases(), settleCases(), disableCases(), unlockCases(), attemptNameCases(), attemptRaceCases(),
		[]limitCase{{
			name: "limit_calls_with_an_ended_context",
			rule: "a context that has ended is no reason to panic; any answer will do",
			test: limitCallsWithAnEndedContext,
		}})
}

// newWindow takes one of a counter that lets limit in an hour pass.
func newWindow(key string, limit int) store.LimitTake {
	return store.LimitTake{Policy: "login", Key: key, Limit: limit, Period: time.Hour, Cost: 1}
}

// newGCRA takes one of a counter that lets limit in an hour pass on average,
// and burst at once.
func newGCRA(key string, limit, burst int) store.LimitTake {
	return store.LimitTake{Policy: "api", Key: key, GCRA: true, Limit: limit, Burst: burst, Period: time.Hour, Cost: 1}
}

// costs is l with another Cost.
func costs(l store.LimitTake, cost int) store.LimitTake {
	l.Cost = cost
	return l
}

// takeLimits takes from each counter or from none, or ends the test.
func takeLimits(t *testing.T, s store.Limits, takes ...store.LimitTake) []store.LimitState {
	t.Helper()
	states := make([]store.LimitState, len(takes))
	must(t, s.TakeLimits(t.Context(), takes, states), "TakeLimits %+v", takes)
	return states
}

// wantLimit takes l and says when its counter does not stand as wanted.
func wantLimit(t *testing.T, s store.Limits, l store.LimitTake, want store.LimitState, what string) {
	t.Helper()
	if d := diffLimit(takeLimits(t, s, l)[0], want); d != "" {
		t.Errorf("%d of %q, %q, which has limit %d and burst %d: %s: %s", l.Cost, cut(l.Policy), cut(l.Key), l.Limit, l.Burst, d, what)
	}
}

// wantLeft says when not just n could be taken of l's counter.
func wantLeft(t *testing.T, s store.Limits, l store.LimitTake, n int, what string) {
	t.Helper()
	if got := takeLimits(t, s, costs(l, 0))[0]; got.Remaining != n || got.RetryIn != 0 {
		t.Errorf("%q, %q has %d left and RetryIn %v for a Cost of 0, want %d and 0: %s", cut(l.Policy), cut(l.Key), got.Remaining, got.RetryIn, n, what)
	}
}

// cut keeps messages short.
func cut(name string) string { return name[:min(len(name), 40)] }

// limitStep is a take when the store's clock is at ahead, and how the counter
// stands then.
type limitStep struct {
	at   time.Duration
	take store.LimitTake
	want store.LimitState
}

func takeSteps(t *testing.T, s store.Limits, c *clock, steps []limitStep) {
	t.Helper()
	for i, step := range steps {
		c.set(step.at)
		wantLimit(t, s, step.take, step.want, fmt.Sprintf("step %d, at %v", i+1, step.at))
	}
}

// left is how a counter stands that did not refuse.
func left(remaining int, reset time.Duration) store.LimitState {
	return store.LimitState{Remaining: remaining, ResetIn: reset}
}

// refused is how a counter stands that refused before in its Period.
func refused(remaining int, reset, retry time.Duration) store.LimitState {
	return store.LimitState{Remaining: remaining, ResetIn: reset, RetryIn: retry}
}

// refusedFirst is how a counter stands after its first refusal in a Period.
func refusedFirst(remaining int, reset, retry time.Duration) store.LimitState {
	l := refused(remaining, reset, retry)
	l.First = true
	return l
}

// diffLimit says in which fields got is not want, "" if in none.
func diffLimit(got, want store.LimitState) string {
	var f fields
	f.any("Remaining", got.Remaining == want.Remaining, got.Remaining, want.Remaining)
	f.soon("ResetIn", got.ResetIn, want.ResetIn)
	f.soon("RetryIn", got.RetryIn, want.RetryIn)
	f.any("RetryIn", (got.RetryIn > 0) == (want.RetryIn > 0), got.RetryIn, want.RetryIn)
	f.any("First", got.First == want.First, got.First, want.First)
	return f.String()
}

// soon is of what gets shorter while the test runs: the store's clock does not
// stand still.
func (f *fields) soon(name string, got, want time.Duration) {
	f.any(name, got >= 0 && got <= want+time.Second && got >= want-slack, got, want)
}

func limitCallsWithAnEndedContext(t *testing.T, s store.Limits) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l, a := newWindow("ended", 2), newAttempt("ended", 2)
	_ = s.TakeLimits(ctx, []store.LimitTake{l}, make([]store.LimitState, 1))
	_, _ = s.ReserveAttempts(ctx, []store.AttemptTake{a})
	_ = s.SettleAttempts(ctx, []store.AttemptTake{a}, true)
	_ = s.UnlockAttempts(ctx, a.Policy, a.Key)
	wantLimit(t, s, newWindow("after", 2), left(1, time.Hour), "the call after one whose context had ended")
	wantAttempt(t, s, passed, "the call after one whose context had ended", newAttempt("after", 2))
}
