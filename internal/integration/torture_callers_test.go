package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/store"
)

// tortureTimeout is the deadline of each call.
const tortureTimeout = time.Second

// tortureRequest asks a process for a call, and tortureReply is its answer.
type (
	tortureRequest struct {
		N, Case int
		Key     string
		In      tortureIn
		Timeout time.Duration
	}
	tortureReply struct {
		N   int
		Out tortureOut
	}
)

// tortureCaller makes calls. false: it made none.
type tortureCaller interface {
	call(r tortureRequest) (tortureOut, bool)
}

// tortureHere calls from this process.
type tortureHere struct{ s store.Store }

func (h tortureHere) call(r tortureRequest) (tortureOut, bool) {
	ctx, cancel := context.WithTimeout(context.Background(), r.Timeout)
	defer cancel()
	out, err := tortureCases[r.Case].do(ctx, h.s, r.Key, r.In)
	if err != nil {
		out = tortureOut{}
	}
	out.Answer = tortureAnswer(err)
	return out, true
}

// tortureProcess calls from a process of this test binary, which may be killed,
// and is another one then.
type tortureProcess struct {
	t    *testing.T
	args []string // of TestTorturer

	mu    sync.RWMutex
	child *tortureChild
}

// tortureArgs holds how far a process's clock is off, its backend, and what the
// opener of that is given.
const tortureArgs = "AUTHN_TEST_TORTURER"

func startTortureProcess(t *testing.T, clock time.Duration, args ...string) *tortureProcess {
	t.Helper()
	p := &tortureProcess{t: t, args: append([]string{clock.String()}, args...)}
	p.start()
	t.Cleanup(func() { p.child.kill() })
	return p
}

func (p *tortureProcess) call(r tortureRequest) (tortureOut, bool) {
	p.mu.RLock()
	child := p.child
	p.mu.RUnlock()
	return child.call(r)
}

// restart kills it as a crash would.
func (p *tortureProcess) restart() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child.kill()
	p.start()
}

// pause stops it until resume.
func (p *tortureProcess) pause() (resume func()) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	process := p.child.cmd.Process
	_ = process.Signal(syscall.SIGSTOP)
	return func() { _ = process.Signal(syscall.SIGCONT) }
}

// full lets it write no more.
func (p *tortureProcess) full() (room func(), err error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	pid := p.child.cmd.Process.Pid
	return servers.FullDisk(nil, func() []int { return []int{pid} })
}

func (p *tortureProcess) start() {
	exe, err := os.Executable()
	if err != nil {
		p.t.Error(err)
		return
	}
	cmd := exec.Command(exe, "-test.run=^TestTorturer$")
	cmd.Env = append(os.Environ(), tortureArgs+"="+strings.Join(p.args, "\n"), "AUTHN_SUMMARY=")
	cmd.Stderr = os.Stderr
	c := &tortureChild{t: p.t, cmd: cmd, waiting: map[int]chan tortureOut{}, ended: make(chan struct{})}
	in, err := cmd.StdinPipe()
	if err != nil {
		p.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Error(err)
		return
	}
	c.in = in
	if err := cmd.Start(); err != nil {
		p.t.Error(err)
		return
	}
	go c.read(out)
	p.child = c
}

// tortureChild is one life of a tortureProcess.
type tortureChild struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Writer
	ended chan struct{}

	mu      sync.Mutex
	n       int
	waiting map[int]chan tortureOut
	dead    bool
}

func (c *tortureChild) call(r tortureRequest) (tortureOut, bool) {
	answer := make(chan tortureOut, 1)
	c.mu.Lock()
	if c.dead {
		c.mu.Unlock()
		return tortureOut{}, false
	}
	c.n++
	r.N = c.n
	c.waiting[r.N] = answer
	line, err := json.Marshal(r)
	if err == nil {
		_, err = c.in.Write(append(line, '\n'))
	}
	c.mu.Unlock()
	if err != nil { // it may have been read
		return tortureOut{Answer: tortureUnknown}, true
	}
	hung := time.NewTimer(patience)
	defer hung.Stop()
	select {
	case out := <-answer:
		return out, true
	case <-hung.C:
		c.t.Errorf("%s of %s, whose context ended after %v, has not come back after %v", r.In.Do, r.Key, r.Timeout, patience)
		return tortureOut{Answer: tortureUnknown}, true
	}
}

// read passes answers on until the process ends, and what it owes then is
// unknown.
func (c *tortureChild) read(from io.Reader) {
	defer close(c.ended)
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var r tortureReply
		if json.Unmarshal(lines.Bytes(), &r) != nil {
			continue // what package testing prints at the end
		}
		c.mu.Lock()
		answer := c.waiting[r.N]
		delete(c.waiting, r.N)
		c.mu.Unlock()
		if answer != nil {
			answer <- r.Out
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead = true
	for _, answer := range c.waiting {
		answer <- tortureOut{Answer: tortureUnknown}
	}
}

func (c *tortureChild) kill() {
	_ = c.cmd.Process.Kill()
	<-c.ended
	_ = c.cmd.Wait() // it was killed
}

// TestTorturer is a caller when it is started as one, and nothing otherwise.
func TestTorturer(t *testing.T) {
	env, ok := os.LookupEnv(tortureArgs)
	if !ok {
		return
	}
	args := strings.Split(env, "\n")
	clock, err := time.ParseDuration(args[0])
	if err != nil {
		t.Fatal(err)
	}
	tortureNow = tortureNow.Add(clock)
	s, err := raceOpeners[args[1]](args[2:])
	if err != nil {
		t.Fatal(err)
	}
	here := tortureHere{s.(store.Store)}
	var mu sync.Mutex
	var calls sync.WaitGroup
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var r tortureRequest
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		calls.Go(func() {
			out, _ := here.call(r)
			line, err := json.Marshal(tortureReply{r.N, out})
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			fmt.Printf("%s\n", line)
		})
	}
	calls.Wait()
}
