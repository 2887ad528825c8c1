//go:build !race && unix

// The race detector would be measured, too.

package password_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/cputime"
	"github.com/gatehouse-go/authn/password"
)

// P7: who asks learns from the time neither whether there is such a user, nor
// whether it has a password, nor whether its hash is an old one: the medians of
// interleaved rounds are within a tenth. The measure is shown to see a difference:
// that of an answer which hashes nothing, and of one that hashes twice.
func TestFailuresTakeEquallyLong(t *testing.T) {
	hasher := hasherOf(password.HasherConfig{Argon2: password.Params{MemoryKiB: 4096, Time: 2, Threads: 1}, InsecureParams: true})
	h := newHouse(t, func(cfg *password.Config) { cfg.Hasher = hasher })
	h.add(t, "bob", "bob@example.com", "")
	h.add(t, "eve", "eve@example.com", "$argon2id$v=19zzz$m=64,t=1,p=1$c2FsdHNhbHQ$AAAA")
	guess := func(name string) func() {
		return func() {
			if _, err := h.Authenticate(post(), name, "nope"); err == nil {
				t.Fatal("a wrong password is right")
			}
		}
	}
	cases := map[string]func(){
		"wrong password": guess("ada@example.com"),
		"unknown":        guess("nobody@example.com"),
		"no password":    guess("bob@example.com"),
		"damaged hash":   guess("eve@example.com"),
		"nothing hashed": func() { _, _ = hasher.Verify(t.Context(), "?", "nope") },
		"hashed twice":   func() { guess("ada@example.com")(); guess("ada@example.com")() },
	}
	even := func(name string, ratio float64) bool {
		switch name {
		case "nothing hashed":
			return ratio < 0.5
		case "hashed twice":
			return ratio > 1.5
		}
		return ratio > 0.9 && ratio < 1.1
	}
	for name, ratio := range against(t, cputime.Now, cases, "wrong password", even) {
		if !even(name, ratio) {
			t.Errorf("%s: %.3f of the time of a wrong password", name, ratio)
		}
	}
}

// P7: while there are hashes of older schemes, slower ones or faster, failures
// take as long as the slowest.
func TestFailuresArePaddedToTheSlowestScheme(t *testing.T) {
	slow := hasherOf(password.HasherConfig{BcryptCost: 7, InsecureParams: true})
	h := newHouse(t, nil) // its own hashes are far faster
	h.add(t, "bob", "bob@example.com", authn.Must(slow.Hash(t.Context(), adasPassword)))
	guess := func(name string) func() { return func() { _, _ = h.Authenticate(post(), name, "nope") } }
	cases := map[string]func(){
		"current": guess("ada@example.com"), "unknown": guess("nobody@example.com"), "old scheme": guess("bob@example.com"),
	}
	guess("bob@example.com")() // from which it learns
	even := func(_ string, ratio float64) bool { return ratio > 0.9 && ratio < 1.1 }
	for name, ratio := range against(t, wall, cases, "old scheme", even) {
		if !even(name, ratio) {
			t.Errorf("%s: %.3f of the time of an old scheme", name, ratio)
		}
	}
}

// against are the medians of each case's times over the median of base's. The
// cases take turns, until all are even or there were so many rounds that noise
// is no excuse.
func against(t *testing.T, clock func() time.Duration, cases map[string]func(), base string, even func(name string, ratio float64) bool) map[string]float64 {
	t.Helper()
	names := slices.Sorted(maps.Keys(cases))
	times := map[string][]time.Duration{}
	ratios := map[string]float64{}
	for round := 1; round <= 200; round++ {
		for j := range names {
			name := names[(round+j)%len(names)] // none always follows the same
			began := clock()
			cases[name]()
			d := clock() - began
			i, _ := slices.BinarySearch(times[name], d)
			times[name] = slices.Insert(times[name], i, d)
		}
		all := true
		for name, ts := range times {
			ratios[name] = float64(ts[len(ts)/2]) / float64(times[base][len(times[base])/2])
			all = all && even(name, ratios[name])
		}
		if round >= 21 && all {
			break
		}
	}
	t.Logf("%d rounds: %v", len(times[base]), ratios)
	return ratios
}

// wall is for padding by waiting.
func wall() time.Duration { return time.Since(epoch) }

var epoch = time.Now()

// P7: tables have one scheme at many costs, and a guess that is not in NFC is
// tried twice: neither shows in the time.
func TestFailuresArePaddedToTheHighestCost(t *testing.T) {
	h := newHouse(t, nil)
	for name, cost := range map[string]int{"bob": 5, "eve": 7} {
		old := hasherOf(password.HasherConfig{BcryptCost: cost, InsecureParams: true})
		h.add(t, name, name, authn.Must(old.Hash(t.Context(), adasPassword)))
	}
	for _, guess := range []string{"cafe", "cafe\u0301"} {
		try := func(name, guess string) func() { return func() { _, _ = h.Authenticate(post(), name, guess) } }
		try("eve", "other")()
		cases := map[string]func(){
			"unknown": try("nobody", guess), "cost 5": try("bob", guess), "cost 7": try("eve", guess), "others meanwhile": try("eve", "other"),
		}
		even := func(name string, ratio float64) bool { return name == "others meanwhile" || ratio > 0.9 && ratio < 1.1 }
		for name, ratio := range against(t, wall, cases, "cost 7", even) {
			if !even(name, ratio) {
				t.Errorf("%+q, %s: %.3f of the time of cost 7", guess, name, ratio)
			}
		}
	}
}
