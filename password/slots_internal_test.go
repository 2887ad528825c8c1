package password

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
)

// P6: garbage is collected when somebody waits and two hashes of two slots have
// left theirs, or half of what the rest of the program needs where that is more,
// and once.
func TestGarbageIsCollected(t *testing.T) {
	was := runtime.GOMAXPROCS(2)
	defer runtime.GOMAXPROCS(was)
	const mib = 1 << 10
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // nobody else collects
	read := func(name string) uint64 {
		s := []metrics.Sample{{Name: name}}
		metrics.Read(s)
		return s[0].Value.Uint64()
	}
	collections := func() uint64 { return read("/gc/cycles/forced:gc-cycles") }
	s := &slots{kib: 512 * mib, unit: weight{16 * mib, 1}}
	waits := false
	give := func(what string, kib int, want uint64) {
		t.Helper()
		before := collections()
		w, next := weight{kib, 1}, &ticket{weight{1, 1}, make(chan struct{})}
		if err := s.take(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		if waits {
			s.waiting.PushBack(next)
		}
		s.give(w)
		if got := collections() - before; got != want {
			t.Errorf("%s: %d collections, want %d", what, got, want)
		}
		if waits {
			<-next.turn
			s.stop(next.weight)
		}
	}
	runtime.GC()
	give("of three, while nobody waits", 48*mib, 0)
	waits = true
	give("less than of two", 32*mib-1, 0)
	give("of two", 1, 1)
	give("less again", 32*mib-1, 0)
	give("again", 1, 1)

	rest := make([]byte, 200<<20)
	runtime.GC() // now it is known to live
	give("of two, beside 200 MiB", 32*mib, 0)
	give("less than half of these", 64*mib, 0)
	give("more than half", 64*mib, 1)
	half := int(read("/gc/heap/live:bytes") >> 11)
	give("half but for a KiB", half-1, 0)
	give("half", 1, 1)
	runtime.KeepAlive(rest)

	s = &slots{kib: 512 * mib, unit: weight{bcryptKiB, 1}}
	runtime.GC()
	give("less than is worth it", minGarbage-1, 0)
	give("worth it", 1, 1)
}
