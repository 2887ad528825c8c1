package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// judge runs one package's tests against its mutants.
type judge struct {
	config
	pkg *pkg
	dir string
	bin string
	out io.Writer
}

type test struct {
	name    string
	cost    time.Duration
	reaches []int
}

func (j *judge) judge(ctx context.Context, ms []*mutant) error {
	var err error
	if j.bin, err = j.pkg.build(ctx, j.dir, len(ms)); err != nil {
		return err
	}
	tests, err := j.list(ctx)
	if err != nil {
		return err
	}
	failing := make([]bool, len(tests))
	err = each(j.jobs, len(tests), func(i int) (err error) {
		failing[i], err = j.trace(ctx, tests[i], filepath.Join(j.dir, fmt.Sprint("trace", i)))
		return err
	})
	if err != nil {
		return err
	}
	for i, t := range tests {
		if failing[i] {
			fmt.Fprintf(j.out, "%s: %s fails with the mutants compiled in, though none is chosen, and is left out\n", j.pkg.name, t.name)
			continue
		}
		for _, id := range t.reaches {
			ms[id-1].tests = append(ms[id-1].tests, t)
		}
	}
	return each(j.jobs, len(ms), func(i int) error { return j.try(ctx, ms[i]) })
}

func (j *judge) list(ctx context.Context) ([]*test, error) {
	r, err := j.exec(ctx, time.Minute, nil, "-test.list=^(Test|Fuzz|Example)")
	if err != nil {
		return nil, err
	}
	tests := []*test{}
	for name := range strings.FieldsSeq(r.out.String()) {
		if j.skip == nil || !j.skip.MatchString(name) {
			tests = append(tests, &test{name: name})
		}
	}
	return tests, nil
}

// trace notes what a test costs and which mutants it reaches.
func (j *judge) trace(ctx context.Context, t *test, file string) (failing bool, err error) {
	began := time.Now()
	r, err := j.exec(ctx, 10*time.Minute, []string{"MUTANT_TRACE=" + file}, "-test.run=^"+t.name+"$")
	if err != nil || r.fate != lived {
		return true, err
	}
	t.cost = time.Since(began)
	ids, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, err
	}
	for id := range strings.FieldsSeq(string(ids)) {
		n, err := strconv.Atoi(id)
		if err != nil {
			return false, err
		}
		t.reaches = append(t.reaches, n)
	}
	slices.Sort(t.reaches) // a test's own processes note an id once each
	t.reaches = slices.Compact(t.reaches)
	return false, nil
}

// try runs the tests that reach m, in batches of about a second, until one fails.
func (j *judge) try(ctx context.Context, m *mutant) error {
	if len(m.tests) == 0 {
		m.fate = notReached
	}
	slices.SortStableFunc(m.tests, func(a, b *test) int { return cmp.Compare(a.cost, b.cost) })
	for rest := m.tests; len(rest) > 0 && m.fate == lived; {
		names, cost := []string{}, time.Duration(0)
		for len(rest) > 0 && len(names) < 20 && (len(names) == 0 || cost+rest[0].cost < time.Second) {
			names, cost, rest = append(names, rest[0].name), cost+rest[0].cost, rest[1:]
		}
		r, err := j.exec(ctx, max(j.least, 5*cost), []string{"MUTANT=" + strconv.Itoa(m.id)},
			"-test.failfast", "-test.run=^("+strings.Join(names, "|")+")$")
		if err != nil {
			return err
		}
		m.fate, m.killer = r.fate, r.failing()
	}
	if j.verbose {
		fmt.Fprintf(j.out, "%s/%s:%d: %s %s: %s %s\n", j.pkg.name, m.file, m.line, m.kind, m.text, m.fate, m.killer)
	}
	return nil
}

type result struct {
	fate fate
	out  head
}

var failed = regexp.MustCompile(`(?m)^\s*--- FAIL: (\S+)`)

func (r *result) failing() string {
	if m := failed.FindSubmatch(r.out.Bytes()); m != nil {
		return string(m[1])
	}
	return ""
}

// exec runs the test binary as go test would, with an end to its time and memory,
// and leaves no process behind.
func (j *judge) exec(ctx context.Context, limit time.Duration, env []string, args ...string) (*result, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	const sh = `ulimit -v 8388608; exec "$0" "$@"` // KiB
	cmd := exec.CommandContext(limited, "sh", append([]string{"-c", sh, j.bin, "-test.paniconexit0"}, args...)...)
	r := &result{}
	cmd.Dir, cmd.Stdout, cmd.Stderr = j.pkg.Dir, &r.out, &r.out
	cmd.Env = append(os.Environ(), append(env, "TMPDIR="+j.dir, "GOMAXPROCS=2")...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if cmd.Process != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what a test has started
	}
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case limited.Err() != nil:
		r.fate = timedOut
	case errors.As(err, &exit):
		r.fate = killed
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return nil, err
	}
	return r, nil
}

// head keeps the beginning: a mutant may print for ever.
type head struct{ bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	if h.Len() < 1<<20 {
		h.Buffer.Write(p)
	}
	return len(p), nil
}

// each calls f(0) to f(n-1), some at a time, and stops at an error.
func each(jobs, n int, f func(i int) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		next  int
		first error
	)
	for range jobs {
		wg.Go(func() {
			for {
				mu.Lock()
				i, err := next, first
				next++
				mu.Unlock()
				if i >= n || err != nil {
					return
				}
				if err := f(i); err != nil {
					mu.Lock()
					first = cmp.Or(first, err)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return first
}
