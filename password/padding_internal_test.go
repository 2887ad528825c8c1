package password

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// P7: failures wait for as many tries of the slowest kind of hash that was seen,
// once there is one that is not current; where nothing was hashed they do not.
func TestPaddingIsToTheSlowestKind(t *testing.T) {
	const ms = time.Millisecond
	current, old := kindOfHash{scheme: "new", cost: 1}, kindOfHash{scheme: "old", cost: 1}
	seen := func(kind kindOfHash, took time.Duration, tries int) comparison {
		return comparison{kind: kind, took: took, tries: tries, current: kind == current}
	}
	synctest.Test(t, func(t *testing.T) {
		p := &padding{}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		wants := func(what string, ctx context.Context, took time.Duration, tries int, want time.Duration) {
			t.Helper()
			began := time.Now()
			p.wait(ctx, seen(current, took, tries))
			if got := time.Since(began); got != want {
				t.Errorf("%s: after %v and %d tries it waits %v, want %v", what, took, tries, got, want)
			}
		}
		wants("nothing seen", t.Context(), ms, 1, 0)
		p.saw(seen(old, 0, 0))
		wants("nothing hashed", t.Context(), ms, 1, 0)
		p.saw(seen(current, 100*ms, 1))
		wants("current ones only", t.Context(), ms, 1, 0)
		p.saw(seen(old, 400*ms, 2))
		wants("a slower one", t.Context(), 100*ms, 1, 100*ms)
		wants("a slower one, two tries", t.Context(), 200*ms, 2, 200*ms)
		wants("as slow", t.Context(), 200*ms, 1, 0)
		wants("slower", t.Context(), 300*ms, 1, 0)
		wants("nothing hashed", t.Context(), 0, 0, 0)
		wants("nothing hashed, one try", t.Context(), 0, 1, 0)
		wants("the request has ended", ended, 100*ms, 1, 0)
		p.saw(seen(old, 280*ms, 1))
		wants("one measurement moves it by an eighth", t.Context(), 100*ms, 1, 110*ms)
		p.saw(seen(current, 20*ms, 1))
		wants("a faster kind does not", t.Context(), 100*ms, 1, 110*ms)
		for i := range maxKinds - 2 {
			p.saw(seen(kindOfHash{scheme: "many", cost: i}, ms, 1))
		}
		p.saw(seen(kindOfHash{scheme: "one more"}, time.Hour, 1))
		wants("kinds are bounded", t.Context(), 100*ms, 1, 110*ms)
		p.saw(seen(old, 290*ms, 1))
		wants("those that are known move", t.Context(), 100*ms, 1, 120*ms)
	})
}
