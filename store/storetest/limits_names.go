package storetest

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

func limitNameCases() []limitCase {
	return []limitCase{{
		name: "limits_are_by_policy_and_key",
		rule: "Policy and Key name the counter, each for itself and bytewise, of whatever length: another Policy or another Key is another counter",
		test: limitsAreByPolicyAndKey,
	}}
}

func attemptNameCases() []limitCase {
	return []limitCase{
		{
			name: "attempts_are_by_policy_key_and_sub",
			rule: "Policy, Key and Sub name the counter, each for itself and bytewise, of whatever length: another of them is another counter",
			test: attemptsAreByPolicyKeyAndSub,
		},
		{
			name: "takes_and_attempts_are_apart",
			rule: "a LimitTake and an AttemptTake of the same names are different counters",
			test: takesAndAttemptsAreApart,
		},
	}
}

// collidingNames are alike when they are joined, cut, or read as a key of
// Redis.
func collidingNames() [][3]string {
	long := strings.Repeat("0123456789abcdef", 640) // 10 KB
	names := [][3]string{
		{"a", "b:c", "d"},
		{"a:b", "c", "d"},
		{"a", "b", "c:d"},
		{"a:b:c", "d", "e"},
		{"a", "b:c:d", "e"},
		{"a", "bc", "d"},
		{"ab", "c", "d"},
		{"a", "b", "cd"},
		{"1:a", "1:b", "d"},
		{"1:a1:b", "x", "d"},
		{"a", "{b}", "c"},
		{"a", "b}", "c"},
		{"a", "{b", "c"},
		{"{a", "b}", "c"},
		{"a", "{}", "c"},
		{"{}", "{", "}"},
		{"a", "b/c", "d"},
		{"a/b", "c", "d"},
		{"a|b", "c", "d"},
		{"a", "b|c", "d"},
		{"a", "b,c", "d"},
		{"a", "b c", "d"},
		{"a b", "c", "d"},
		{"a", "b\x1fc", "d"},
		{"a\x1fb", "c", "d"},
		{"a", "c", "d"},
		{"c", "a", "d"},
		{"a", "a", "d"},
		{"a", "*", "d"},
		{"*", "a", "d"},
		{"a", long, "d"},
		{"a", long + "x", "d"},
		{"a", long + "y", "d"},
		{"a", "x" + long, "d"},
		{"a", "🔑 ключ 鍵", "d"},
		{"a", "192.0.2.1", "d"},
		{"a", "192.0.2.10", "d"},
		{"a", "2001:db8::/64", "d"},
		{"a", "'; DROP TABLE authn_limits; --", "d"},
	}
	for _, pair := range alike {
		for _, name := range pair {
			names = append(names, [3]string{"alike", name, "d"}, [3]string{name, "alike", "d"})
		}
	}
	return names
}

// eachOnce leaves out names that came before.
func eachOnce(all [][3]string) [][3]string {
	seen := make(map[[3]string]bool)
	return slices.DeleteFunc(all, func(names [3]string) bool {
		again := seen[names]
		seen[names] = true
		return again
	})
}

func limitsAreByPolicyAndKey(t *testing.T, s store.Limits) {
	all := collidingNames()
	for i := range all {
		all[i][2] = ""
	}
	all = eachOnce(all)
	for call := range 2 {
		for _, names := range all {
			window, gcra := newWindow(names[1], 1), newGCRA(names[1], 1, 1)
			window.Policy, gcra.Policy = names[0], names[0]+" of GCRA"
			for i, got := range takeLimits(t, s, window, gcra) {
				if refused := got.RetryIn > 0; refused != (call == 1) || got.First != refused || got.Remaining != 0 {
					t.Errorf("take %d of %q, %q, that has 1, GCRA %v: the state is %+v", call+1, cut(names[0]), cut(names[1]), i == 1, got)
				}
			}
		}
	}
}

func attemptsAreByPolicyKeyAndSub(t *testing.T, s store.Limits) {
	all := append(collidingNames(), [][3]string{{"a", "b:c", ""}, {"a:b", "c", ""}, {"a", "b", "c"}}...)
	for _, names := range collidingNames() {
		all = append(all, [3]string{names[0], "of subs", names[1]})
	}
	all = eachOnce(all)
	take := func(names [3]string, want store.AttemptState, what string) {
		a := newAttempt(names[1], 1)
		a.Policy, a.Sub = names[0], names[2]
		wantAttempt(t, s, want, what, a)
	}
	for _, names := range all {
		take(names, began, "the first, of N 1")
	}
	unlocked := [][2]string{{"a", "b:c"}, {"a", "{b}"}, {"alike", "eve"}, {"ab", "of subs"}}
	for _, u := range unlocked {
		must(t, s.UnlockAttempts(t.Context(), u[0], u[1]), "UnlockAttempts")
	}
	for _, names := range all {
		if slices.Contains(unlocked, [2]string{names[0], names[1]}) {
			take(names, began, "it was unlocked")
		} else {
			take(names, lockedFor(10*time.Minute), "the second, of N 1")
		}
	}
}

func takesAndAttemptsAreApart(t *testing.T, s store.Limits) {
	l, a := newWindow("ann", 2), newAttempt("ann", 2)
	a.Policy, a.Sub = l.Policy, ""
	wantLimit(t, s, l, left(1, time.Hour), "the first take")
	wantAttempt(t, s, passed, "the first attempt", a)
	wantLimit(t, s, l, left(0, time.Hour), "the second take")
	wantAttempt(t, s, began, "the second attempt", a)
	wantLimit(t, s, l, refusedFirst(0, time.Hour, time.Hour), "the third take")
	wantAttempt(t, s, lockedFor(10*time.Minute), "the third attempt", a)
	must(t, s.UnlockAttempts(t.Context(), l.Policy, l.Key), "UnlockAttempts")
	wantLimit(t, s, l, refused(0, time.Hour, time.Hour), "the attempts were unlocked")
	wantAttempt(t, s, passed, "they were unlocked", a)
	a.Account = true
	settle(t, s, a)
	wantLimit(t, s, l, refused(0, time.Hour, time.Hour), "an attempt of these names succeeded")
}
