//go:build !race && unix

// The race detector would be measured, too.

package tokenserver_test

import (
	"testing"

	"github.com/gatehouse-go/authn/internal/cputime"
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
	if ratio := cputime.MedianRatio(again(wrong), again(unknown)); ratio < 0.7 || ratio > 1.4 {
		t.Errorf("a wrong secret takes %.2f times as long as an unknown client", ratio)
	}
	more := func() {
		wrong()
		for range 100 {
			store.DigestOf(other)
		}
	}
	if ratio := cputime.MedianRatio(again(more), again(unknown)); ratio < 1.4 {
		t.Errorf("the measure is blind: a hundred more hashes give a ratio of %.2f", ratio)
	}
}
