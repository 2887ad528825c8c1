package password_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/password"
)

// gate is a Scheme whose hashes, "gate:KIB:NAME", need KIB and run until they
// are let go.
type gate struct {
	started chan string // the names, as they start
	release chan struct{}
}

func newGate() *gate { return &gate{make(chan string, 1000), make(chan struct{})} }

func (*gate) ID() string                { return "gate" }
func (*gate) Match(encoded string) bool { return strings.HasPrefix(encoded, "gate:") }

func (*gate) Memory(encoded string) (int, error) { return strconv.Atoi(strings.Split(encoded, ":")[1]) }

func (g *gate) Verify(encoded string, _ []byte) (bool, error) {
	g.started <- strings.Split(encoded, ":")[2]
	<-g.release
	return true, nil
}

// running are the names of those that have started since the last time.
func (g *gate) running() (names []string) {
	synctest.Wait()
	for {
		select {
		case name := <-g.started:
			names = append(names, name)
		default:
			slices.Sort(names) // who starts at once, starts in any order
			return names
		}
	}
}

func (g *gate) finish(n int) {
	for range n {
		g.release <- struct{}{}
	}
	synctest.Wait()
}

// queue is a Hasher behind a gate, and what became of those that wait.
type queue struct {
	*gate

	t    *testing.T
	h    *password.Hasher
	errs map[string]chan error
}

// newQueue has processors and MiB for so many.
func newQueue(t *testing.T, procs, mib int, unit password.Params) *queue {
	t.Helper()
	return newQueueOf(t, procs, password.HasherConfig{Argon2: unit, MemoryMiB: mib})
}

// newQueueOf is a queue before the hashes of cfg.
func newQueueOf(t *testing.T, procs int, cfg password.HasherConfig) *queue {
	t.Helper()
	was := runtime.GOMAXPROCS(procs)
	t.Cleanup(func() { runtime.GOMAXPROCS(was) })
	g := newGate()
	cfg.Schemes = []password.Scheme{g}
	return &queue{g, t, newHasher(t, cfg), map[string]chan error{}}
}

// arrive is one who waits for kib, or is turned away.
func (q *queue) arrive(ctx context.Context, name string, kib int) {
	done := make(chan error, 1)
	q.errs[name] = done
	go func() {
		_, err := q.h.Verify(ctx, "gate:"+strconv.Itoa(kib)+":"+name, "a")
		done <- err
	}()
	synctest.Wait()
}

// answered is what Verify has said to name.
func (q *queue) answered(name string) error {
	q.t.Helper()
	synctest.Wait()
	select {
	case err := <-q.errs[name]:
		return err
	default:
		q.t.Fatalf("%s still waits", name)
		return nil
	}
}

func (q *queue) wantRunning(names ...string) {
	q.t.Helper()
	if got := q.running(); !slices.Equal(got, names) {
		q.t.Errorf("%v have started, want %v", got, names)
	}
}

// P6: as many run at a time as the processors and the memory allow.
func TestSlots(t *testing.T) {
	for _, row := range []struct{ procs, mib, kib, want int }{
		{1, 512, 64 << 10, 1},
		{2, 512, 64 << 10, 2},
		{16, 512, 64 << 10, 8},
		{16, 512, 65 << 10, 7},
		{16, 1, 1 << 10, 1},
		{3, 512, 0, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, row.procs, row.mib, fast)
			for i := range 20 {
				q.arrive(t.Context(), strconv.Itoa(i), row.kib)
			}
			for left := 20; left > 0; left -= row.want {
				n := min(left, row.want)
				if got := len(q.running()); got != n {
					t.Errorf("%+v: %d at a time", row, got)
				}
				q.finish(n)
			}
		})
	}
}

// P6: each hash weighs its own memory and threads; what alone has more threads
// than there are processors runs alone.
func TestSlotsAreWeighted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 8, 100, fast)
		q.arrive(t.Context(), "a60", 60<<10)
		q.arrive(t.Context(), "b40", 40<<10)
		q.arrive(t.Context(), "c1", 1<<10)
		q.wantRunning("a60", "b40")
		q.finish(1) // either
		q.wantRunning("c1")
		q.finish(2)
	})
	for _, row := range []struct {
		procs int
		p     uint8
		cost  int
		want  bool // beside one thread
	}{{1, 4, 0, false}, {4, 4, 0, false}, {5, 4, 0, true}, {2, 1, 0, true}, {2, 4, 4, true}, {1, 4, 4, false}} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueueOf(t, row.procs, password.HasherConfig{Argon2: password.Params{MemoryKiB: 64, Time: 1, Threads: row.p}, BcryptCost: row.cost})
			q.arrive(t.Context(), "one", 0)
			q.wantRunning("one")
			hashed := make(chan error, 1)
			go func() { _, err := q.h.Hash(t.Context(), "a"); hashed <- err }()
			synctest.Wait()
			if got := len(hashed) == 1; got != row.want {
				t.Errorf("%+v: %v", row, got)
			}
			q.finish(1)
			if err := <-hashed; err != nil {
				t.Error(err)
			}
		})
	}
}

// P6: who came first is first, and who needs much is not overtaken by those who
// need little.
func TestQueueIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 8, 100, fast)
		q.arrive(t.Context(), "first", 60<<10)
		q.arrive(t.Context(), "large", 100<<10)
		for _, name := range []string{"small1", "small2", "small3"} {
			q.arrive(t.Context(), name, 1)
		}
		q.wantRunning("first")
		q.finish(1)
		q.wantRunning("large")
		q.finish(1)
		q.wantRunning("small1", "small2", "small3")
		q.finish(3)
	})
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 100, fast)
		for i := range 30 {
			q.arrive(t.Context(), strconv.Itoa(i), 1)
		}
		for i := range 30 {
			q.wantRunning(strconv.Itoa(i))
			q.finish(1)
		}
	})
}

// P6: the queue is bounded; who finds it full is told so at once, by a 503 that
// says when to come again, and never by a wrong password.
func TestOverflowIsBusy(t *testing.T) {
	for _, row := range []struct {
		slots, cost int
		threads     uint8
	}{{1, 0, 1}, {3, 0, 1}, {3, 4, 2}} {
		slots := row.slots
		synctest.Test(t, func(t *testing.T) {
			q := newQueueOf(t, slots, password.HasherConfig{
				Argon2: password.Params{MemoryKiB: 64, Time: 1, Threads: row.threads}, BcryptCost: row.cost, MemoryMiB: 100,
			})
			for i := range slots * (1 + password.Queued) {
				q.arrive(t.Context(), strconv.Itoa(i), 1)
			}
			q.arrive(t.Context(), "late", 1)
			err := q.answered("late")
			if !errors.Is(err, password.ErrBusy) {
				t.Fatalf("%d slots: %v, want %v", slots, err, password.ErrBusy)
			}
			w := httptest.NewRecorder()
			authn.WriteError(w, nil, err)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "1" || !strings.Contains(w.Body.String(), `"unavailable"`) {
				t.Errorf("answered by %d, %v", w.Code, w.Header())
			}
			if _, err := q.h.Hash(t.Context(), "a"); !errors.Is(err, password.ErrBusy) {
				t.Errorf("Hash: %v", err)
			}
			if err := password.Dummy(t.Context(), q.h, "a"); !errors.Is(err, password.ErrBusy) {
				t.Errorf("dummy: %v", err)
			}
			q.finish(1)
			q.arrive(t.Context(), "later", 1)
			q.finish(slots * (1 + password.Queued))
			if err := q.answered("later"); err != nil {
				t.Errorf("a place was free: %v", err)
			}
		})
	}
}

// P6: who gives up leaves the queue at once, and whoever stood behind moves up;
// also when the one in front needed more than there was.
func TestGivingUpFreesThePlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 4, 100, fast)
		q.arrive(t.Context(), "first", 60<<10)
		ctx, giveUp := context.WithCancel(t.Context())
		q.arrive(ctx, "large", 100<<10)
		q.arrive(t.Context(), "small", 1)
		q.wantRunning("first")
		giveUp()
		if err := q.answered("large"); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		q.wantRunning("small")
		q.finish(2)
		q.arrive(t.Context(), "alone", 100<<10) // nothing is still taken
		q.wantRunning("alone")
		q.finish(1)
	})
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 100, fast)
		q.arrive(t.Context(), "first", 1)
		ctx, giveUp := context.WithCancel(t.Context())
		for i := range password.Queued {
			q.arrive(ctx, strconv.Itoa(i), 1)
		}
		giveUp()
		synctest.Wait()
		for i := range password.Queued {
			q.arrive(t.Context(), strconv.Itoa(100+i), 1)
		}
		q.finish(1 + password.Queued)
		for i := range password.Queued {
			if err := q.answered(strconv.Itoa(100 + i)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := q.h.Verify(ctx, "gate:1:dead", "a"); !errors.Is(err, context.Canceled) {
			t.Errorf("a request that is over: %v", err)
		}
		if got := q.running(); slices.Contains(got, "dead") {
			t.Error("it was verified")
		}
	})
}

// P6: who gives up just as the turn comes hands it on.
func TestGivingUpAtOnesTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, 1, 100, fast)
		q.arrive(t.Context(), "first", 1)
		ctx, giveUp := context.WithCancel(t.Context())
		q.arrive(ctx, "second", 1)
		q.arrive(t.Context(), "third", 1)
		giveUp() // on one processor it only runs after the first has ended
		q.finish(1)
		if err := q.answered("second"); !errors.Is(err, context.Canceled) {
			t.Errorf("who gave up: %v", err)
		}
		q.wantRunning("first", "third")
		q.finish(1)
		if used := password.Used(q.h); used != 0 {
			t.Errorf("%d are still taken", used)
		}
	})
}

// P6: places and memory come back, whoever gives up when: nothing is lost or
// given twice.
func TestSlotsUnderRaces(t *testing.T) {
	h := newHasher(t, password.HasherConfig{MemoryMiB: 1, Argon2: password.Params{MemoryKiB: 400, Time: 1, Threads: 1}})
	encoded := hash(t, h, "a")
	done := make(chan error)
	const n = 60
	for i := range n {
		go func() {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			if i%3 == 0 {
				go cancel()
			}
			_, err := h.Verify(ctx, encoded, "b")
			if errors.Is(err, context.Canceled) && i%3 == 0 {
				err = nil
			}
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if used := password.Used(h); used != 0 {
		t.Errorf("%d are still taken", used)
	}
}

// P6: a Scheme that panics gives its slot back.
func TestPanicGivesTheSlotBack(t *testing.T) {
	h := newHasher(t, password.HasherConfig{Schemes: []password.Scheme{&fake{verify: func([]byte) (bool, error) { panic("own fault") }}}})
	func() {
		defer func() { _ = recover() }()
		_, _ = h.Verify(t.Context(), "fake:", "a")
	}()
	if used := password.Used(h); used != 0 {
		t.Errorf("%d are still taken", used)
	}
}
