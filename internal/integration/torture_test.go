package integration_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/gatehouse-go/authn/store"
)

const (
	// tortureEnv is how long each backend is tortured: "2m". Without it, briefly.
	tortureEnv     = "AUTHN_TORTURE"
	tortureBriefly = 4 * time.Second
	// tortureEach callers race for each key from each process.
	tortureEach = 2
	// tortureKeys bounds the keys of a case in a second, so that a fast store is
	// not done with them before the first fault.
	tortureKeys = 60
	// tortureLost is how many calls of a key may be without an answer before it is
	// left alone.
	tortureLost = 6
	// tortureRest is what callers have between two faults.
	tortureRest = 150 * time.Millisecond
	// tortureBreath is what a caller takes before it tries again, so that a dead
	// server does not fill histories.
	tortureBreath = 5 * time.Millisecond
	// tortureChecks is how many keys are judged at once.
	tortureChecks = 8
)

// tortureBackend is a store that is used by several, and what befalls it.
type tortureBackend struct {
	// direct is for making keys and the last look, past the faults.
	direct  store.Store
	callers []tortureCaller
	faults  []tortureFault
	// resends says that the client sends calls again: see tortureCase.again.
	resends bool
	// patient says that no caller gives up before tortureTimeout.
	patient bool
}

// tortureFault is injected and over when it returns.
type tortureFault struct {
	name   string
	inject func() error
}

// tortureLoad is one case on one backend.
type tortureLoad struct {
	run    *tortureRun
	c      *tortureCase
	number int

	mu   sync.Mutex
	key  *tortureKey
	left int // calls of it
	all  []*tortureKey
}

// tortureRun is a backend that is being tortured.
type tortureRun struct {
	tortureBackend
	began   time.Time
	ids     atomic.Int64
	unknown atomic.Int64
	faulted map[string]int
}

// tortureFor is how long a backend is tortured.
func tortureFor(t *testing.T) time.Duration {
	t.Helper()
	text, ok := os.LookupEnv(tortureEnv)
	if !ok {
		return tortureBriefly
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// torture holds that b survives what befalls it.
func torture(t *testing.T, name string, b tortureBackend) {
	t.Helper()
	v := tortured(t, b, tortureFor(t))
	for _, text := range v.wrong {
		t.Error(text)
	}
	yes := "yes"
	if len(v.illegal) > 0 {
		yes = fmt.Sprint("NO: ", v.illegal)
	}
	t.Logf("keys: %v", v.keys)
	var faults []string
	injected := 0
	for _, name := range slices.Sorted(maps.Keys(v.faults)) {
		faults = append(faults, fmt.Sprint(name, " ", v.faults[name]))
		injected += v.faults[name]
	}
	line := fmt.Sprintf("%-10s  operations %7d (without an answer %5d)  faults %3d  lost %d  doubled %d  linearizable %s",
		name, v.calls, v.unknown, injected, v.lost, v.doubled, yes)
	if injected > 0 {
		line += "  (" + strings.Join(faults, ", ") + ")"
	}
	t.Log(line)
	if _, ok := os.LookupEnv(tortureEnv); ok {
		fmt.Println(line)
	}
}

// tortureVerdict is what came of a backend.
type tortureVerdict struct {
	calls, unknown, lost, doubled int
	// keys, and illegal ones, by case; faults by name.
	keys, illegal, faults map[string]int
	// wrong are some histories that may not be.
	wrong []string
}

// tortured loads b from all its callers while its faults go around, for so long.
func tortured(t *testing.T, b tortureBackend, lasts time.Duration) tortureVerdict {
	t.Helper()
	run := &tortureRun{tortureBackend: b, began: time.Now(), faulted: map[string]int{}}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	var loads []*tortureLoad
	var callers sync.WaitGroup
	for number, c := range tortureCases {
		l := &tortureLoad{run: run, c: c, number: number}
		loads = append(loads, l)
		for _, caller := range b.callers {
			for range tortureEach {
				callers.Go(func() { l.load(ctx, caller) })
			}
		}
	}
	run.faultUntil(ctx, t)
	callers.Wait()
	return run.judge(t, loads)
}

// faultUntil injects one fault after the other, each at least once.
func (r *tortureRun) faultUntil(ctx context.Context, t *testing.T) {
	t.Helper()
	for round := 0; ctx.Err() == nil; round++ {
		if len(r.faults) == 0 {
			<-ctx.Done()
			return
		}
		for _, i := range rand.Perm(len(r.faults)) {
			if round > 0 && ctx.Err() != nil {
				return
			}
			tortureWait(tortureRest)
			f := r.faults[i]
			if err := f.inject(); err != nil {
				t.Errorf("%s: %v", f.name, err)
				return
			}
			r.faulted[f.name]++
		}
	}
}

// tortureWait lets a fault last: the load goes on meanwhile.
func tortureWait(d time.Duration) { <-time.After(d) }

// load makes calls of l's keys until ctx ends.
func (l *tortureLoad) load(ctx context.Context, caller tortureCaller) {
	for ctx.Err() == nil {
		k := l.next(ctx)
		if k == nil {
			return
		}
		k.mu.Lock()
		in := l.c.next(k.known, k.knownOld)
		k.mu.Unlock()
		timeout := tortureTimeout
		if rand.N(100) == 0 && !l.run.patient {
			timeout = rand.N(3 * time.Millisecond)
		}
		if out := l.make(caller, k, in, timeout); out.Answer == tortureUnknown {
			tortureWait(tortureBreath)
		}
	}
}

// next is the key that is raced for now, nil when ctx has ended.
func (l *tortureLoad) next(ctx context.Context) *tortureKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		tortureWait(time.Until(l.run.began.Add(time.Duration(len(l.all)) * time.Second / tortureKeys)))
		k := &tortureKey{name: fmt.Sprint(l.c.name, " ", len(l.all)), known: l.c.known}
		if l.c.prepare != nil && !tortureUntil(ctx, func(ctx context.Context) error { return l.c.prepare(ctx, l.run.direct, k.name) }) {
			return nil
		}
		l.key, l.left = k, l.c.calls
		l.all = append(l.all, k)
	}
	l.left--
	return l.key
}

// leave lets the next key begin.
func (l *tortureLoad) leave(k *tortureKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.key == k {
		l.left = 0
	}
}

// tortureUntil calls f until it answers nil. false: ctx ended before.
func tortureUntil(ctx context.Context, f func(ctx context.Context) error) bool {
	for ctx.Err() == nil {
		one, cancel := context.WithTimeout(ctx, tortureTimeout)
		err := f(one)
		cancel()
		if err == nil {
			return true
		}
		tortureWait(10 * time.Millisecond)
	}
	return false
}

// make has caller make the call, and records it.
func (l *tortureLoad) make(caller tortureCaller, k *tortureKey, in tortureIn, timeout time.Duration) tortureOut {
	in.ID = fmt.Sprint("id", l.run.ids.Add(1))
	call := time.Since(l.run.began)
	out, made := caller.call(tortureRequest{Case: l.number, Key: k.name, In: in, Timeout: timeout})
	answer := time.Since(l.run.began)
	if !made {
		return tortureOut{Answer: tortureUnknown}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ops = append(k.ops, tortureOp{in, out, call, answer})
	if out.Answer == tortureUnknown {
		l.run.unknown.Add(1)
		if k.unknown++; k.unknown == tortureLost {
			l.leave(k)
		}
	}
	if out.Answer == tortureOK && out.N > k.known {
		k.known, k.knownOld = out.N, out.S
	}
	return out
}

// judge looks at each key for the last time and says what it was like.
func (r *tortureRun) judge(t *testing.T, loads []*tortureLoad) tortureVerdict {
	t.Helper()
	v := tortureVerdict{keys: map[string]int{}, illegal: map[string]int{}, faults: r.faulted}
	for _, l := range loads {
		is := l.check(t)
		v.keys[l.c.name] = len(l.all)
		for i, k := range l.all {
			v.calls += len(k.ops)
			lost, doubled := k.audit(l.c, r.resends)
			v.lost += lost
			v.doubled += doubled
			bad := is[i] != porcupine.Ok
			if bad {
				v.illegal[l.c.name]++
			}
			if (bad || lost+doubled > 0) && len(v.wrong) < 3 {
				v.wrong = append(v.wrong, fmt.Sprintf("linearizable: %s, lost %d, doubled %d: %v", is[i], lost, doubled, k))
			}
		}
	}
	v.unknown = int(r.unknown.Load())
	return v
}

// check makes the last call of each key and judges it, some keys at once.
func (l *tortureLoad) check(t *testing.T) []porcupine.CheckResult {
	t.Helper()
	is := make([]porcupine.CheckResult, len(l.all))
	free := make(chan struct{}, tortureChecks)
	var checks sync.WaitGroup
	for i, k := range l.all {
		free <- struct{}{}
		checks.Go(func() {
			defer func() { <-free }()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if !tortureUntil(ctx, func(context.Context) error { return l.look(k) }) {
				t.Errorf("%s: the store is not well again within %v: %v", k.name, patience, l.run.direct.Check(ctx))
			}
			is[i] = k.linearizable(l.c, l.run.resends)
		})
		if t.Failed() { // the others would wait as long
			break
		}
	}
	checks.Wait()
	return is
}

// look makes the last call.
func (l *tortureLoad) look(k *tortureKey) error {
	if out := l.make(tortureHere{l.run.direct}, k, l.c.last, tortureTimeout); out.Answer == tortureUnknown {
		return errors.New("no answer")
	}
	return nil
}
