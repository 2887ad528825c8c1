//go:build !race && unix

// The race detector would be measured, too.

package tokenserver_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/store"
)

// O11: a wrong secret and an unknown client take the same time: medians of
// interleaved rounds. The measure is shown to see a difference where there is one:
// a hundred more hashes.
func TestWrongSecretAndUnknownClientTakeTheSameTime(t *testing.T) {
	s, _ := plain(t)
	_, other := plain(t)
	again := func(f func()) func() {
		return func() {
			for range 50 {
				f()
			}
		}
	}
	wrong, unknown := asking(t, s, "worker", other, 401), asking(t, s, "nobody", other, 401)
	if ratio := medianRatio(t, again(wrong), again(unknown)); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("a wrong secret takes %.2f times as long as an unknown client", ratio)
	}
	more := func() {
		wrong()
		for range 100 {
			store.DigestOf(other)
		}
	}
	if ratio := medianRatio(t, again(more), again(unknown)); ratio < 1.4 {
		t.Errorf("the measure is blind: a hundred more hashes give a ratio of %.2f", ratio)
	}
}

// medianRatio is the median of a's time over b's, in rounds that alternate which
// comes first.
func medianRatio(t *testing.T, a, b func()) float64 {
	t.Helper()
	clock := func(f func()) float64 {
		began := busy(t)
		f()
		return float64(busy(t) - began)
	}
	ratios := make([]float64, 101)
	for i := range ratios {
		if i%2 == 0 {
			ta := clock(a)
			ratios[i] = ta / clock(b)
		} else {
			tb := clock(b)
			ratios[i] = clock(a) / tb
		}
	}
	slices.Sort(ratios)
	return ratios[len(ratios)/2]
}

// busy is the time that this process has computed: what else the machine does spoils
// it less than the time on the wall.
func busy(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
