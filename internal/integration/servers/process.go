package servers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyWithin bounds how long a server may take to answer.
const readyWithin = 5 * time.Minute

// Process is a server that was started here.
type Process struct {
	cmd    *exec.Cmd
	log    string // the file of its output
	exited chan struct{}
}

// StartProcess starts cmd, with its output in a file in dir. It dies with this
// process, however that ends.
func StartProcess(cmd *exec.Cmd, dir string) (*Process, error) {
	p := &Process{cmd: cmd, log: filepath.Join(dir, "output.log"), exited: make(chan struct{})}
	out, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	cmd.SysProcAttr.Setpgid = true // Ctrl-C is for the tests, which then stop it
	started := make(chan error)
	go func() {
		// The signal comes when the thread ends that started it, so this one stays.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		out.Close()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the log says how it ended
			close(p.exited)
		}
	}()
	return p, <-started
}

// Kill ends it at once, as a crash would.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.exited
}

// Pause stops it and the processes that it started, without an end to their
// connections, until resume.
func (p *Process) Pause() (resume func()) {
	_ = syscall.Kill(p.cmd.Process.Pid, syscall.SIGSTOP) // so that it starts no more of them
	all := p.all()
	for _, pid := range all {
		_ = syscall.Kill(pid, syscall.SIGSTOP)
	}
	return func() {
		for _, pid := range all {
			_ = syscall.Kill(pid, syscall.SIGCONT)
		}
	}
}

// all are the IDs of it and of the processes that it started.
func (p *Process) all() []int {
	all := []int{p.cmd.Process.Pid}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[0]))
	for _, list := range lists {
		text, _ := os.ReadFile(list)
		for _, field := range strings.Fields(string(text)) {
			if pid, err := strconv.Atoi(field); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}

// Stop asks it to end with sig, and ends it after a minute.
func (p *Process) Stop(sig os.Signal) {
	p.cmd.Process.Signal(sig)
	t := time.NewTimer(time.Minute)
	defer t.Stop()
	select {
	case <-p.exited:
	case <-t.C:
		p.Kill()
	}
}

// Ready calls ping until it answers nil. ping makes sure that it is p that
// answers: the port may have become another's.
func (p *Process) Ready(ping func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		err := ping(ctx)
		select {
		case <-p.exited:
			return fmt.Errorf("%s ended: %s", p.cmd.Path, p.Output())
		default:
		}
		if err == nil {
			return nil
		}
		select {
		case <-p.exited: // is answered above
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w: %s", p.cmd.Path, err, p.Output())
		case <-t.C:
		}
	}
}

// Output is the end of what it printed.
func (p *Process) Output() string {
	const most = 4 << 10
	text, _ := os.ReadFile(p.log)
	return string(text[max(0, len(text)-most):])
}

// unprivileged is a user for programs that refuse to be root, nil when this
// process is not root either. dir becomes that user's.
func unprivileged(dir string, names ...string) (*syscall.SysProcAttr, error) {
	if os.Getuid() != 0 {
		return &syscall.SysProcAttr{}, nil
	}
	for _, name := range names {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			return nil, err
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			return nil, err
		}
		cred := &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return &syscall.SysProcAttr{Credential: cred}, os.Chown(dir, int(uid), int(gid))
	}
	return nil, errors.New("no user to run as")
}
