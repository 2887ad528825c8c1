package servers

import (
	"context"
	"net"
	"os/exec"
	"strconv"
	"testing"
)

// OwnProxy is a reverse proxy for tb alone, on a free port of 127.0.0.1. program
// is that of the Debian package of the same name; configure writes its
// configuration into the folder and answers its arguments.
func OwnProxy(tb testing.TB, program string, configure func(dir string, port int) (args []string)) (addr string) {
	tb.Helper()
	path, ok := Binary(program, "/usr/sbin")
	if !ok {
		Missing(tb, program)
	}
	dir, err := Dir(program)
	if err != nil {
		tb.Fatal(err)
	}
	port, err := FreePort()
	if err != nil {
		tb.Fatal(err)
	}
	p, err := StartProcess(exec.Command(path, configure(dir, port)...), dir)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Kill)
	addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	if err := p.Ready(func(ctx context.Context) error {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err
	}); err != nil {
		tb.Fatal(err)
	}
	return addr
}
