package integration_test

import (
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"
)

// tortureProxy is a TCP proxy between callers and a server.
type tortureProxy struct {
	l net.Listener

	mu    sync.Mutex
	to    string // "": nobody
	conns map[net.Conn]bool
	late  time.Duration // each piece that passes
	mute  bool          // drops what the server says
}

// startTortureProxy is a proxy to a port of 127.0.0.1.
func startTortureProxy(t *testing.T, port int) *tortureProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tortureProxy{l: l, conns: map[net.Conn]bool{}}
	p.point(port)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		p.cut()
	})
	return p
}

func (p *tortureProxy) port() int { return p.l.Addr().(*net.TCPAddr).Port }

func (p *tortureProxy) serve(caller net.Conn) {
	defer caller.Close()
	p.mu.Lock()
	to := p.to
	p.mu.Unlock()
	server, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer server.Close()
	p.mu.Lock()
	if p.to != to { // it was pointed elsewhere meanwhile
		p.mu.Unlock()
		return
	}
	p.conns[caller], p.conns[server] = true, true
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, caller)
		delete(p.conns, server)
	}()
	var both sync.WaitGroup
	both.Go(func() { p.pass(server, caller, false) })
	both.Go(func() { p.pass(caller, server, true) })
	both.Wait()
}

// pass copies until one of the two is closed, and closes both.
func (p *tortureProxy) pass(to io.WriteCloser, from io.ReadCloser, answers bool) {
	defer to.Close()
	defer from.Close()
	for b := make([]byte, 32<<10); ; {
		n, err := from.Read(b)
		p.mu.Lock()
		late, mute := p.late, p.mute && answers
		p.mu.Unlock()
		if err != nil || mute { // what follows a gap would be another call's answer
			return
		}
		if late > 0 {
			time.Sleep(late)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *tortureProxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// point ends all connections, and sends those to come to another port of
// 127.0.0.1, or to nobody: 0.
func (p *tortureProxy) point(port int) {
	p.mu.Lock()
	p.to = ""
	if port > 0 {
		p.to = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	}
	p.mu.Unlock()
	p.cut()
}

// set makes each piece come late, or answers be dropped with their connection,
// when the server has done what it was asked.
func (p *tortureProxy) set(late time.Duration, mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.late, p.mute = late, mute
}
