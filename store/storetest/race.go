package storetest

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// today is the caller's time of a case. It is near the store's clock, as it is
// in life: a store may clean up by its own.
func today() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// race calls f(0) to f(n-1) from n goroutines that start together, and returns
// when all have. A panic is an error of the test.
func race(t *testing.T, n int, f func(i int)) {
	t.Helper()
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		wg.Go(func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("panic: %v\n%s", r, debug.Stack())
				}
			}()
			<-start
			f(i)
		})
	}
	close(start)
	wg.Wait()
}

// winners races n calls of f and answers which of them answered nil. Others
// must answer lost.
func winners(t *testing.T, n int, lost error, f func(i int) error) []int {
	t.Helper()
	errs := make([]error, n)
	race(t, n, func(i int) { errs[i] = f(i) })
	var won []int
	for i, err := range errs {
		if err == nil {
			won = append(won, i)
		} else if !errors.Is(err, lost) {
			t.Errorf("goroutine %d of %d: got error %v, want nil or %v", i, n, err, lost)
		}
	}
	return won
}

// during calls each of reads again and again while write runs, and once more
// after it. When the test has failed, once is enough.
func during(t *testing.T, write func(), reads ...func()) {
	t.Helper()
	var over atomic.Bool
	race(t, len(reads)+1, func(i int) {
		if i == len(reads) {
			defer over.Store(true)
			write()
			return
		}
		for !over.Load() && !t.Failed() {
			reads[i]()
			runtime.Gosched() // or write waits for its turn on a small machine
		}
		reads[i]()
	})
}

// wantErr says when err, which what answered, is not want.
func wantErr(t *testing.T, err, want error, what string, args ...any) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", fmt.Sprintf(what, args...), err, want)
	}
}

// must ends the test when err, which what answered, is not nil.
func must(t *testing.T, err error, what string, args ...any) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", fmt.Sprintf(what, args...), err)
	}
}
