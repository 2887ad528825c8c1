package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// host is what a test is to those who start servers: it has no cleanup of its
// own, since the servers last as long as the process.
type host struct{ testing.TB }

func (host) Helper() {}

func (host) Fatal(args ...any) {
	fmt.Fprintln(os.Stderr, append([]any{"bench:"}, args...)...)
	os.Exit(1)
}

// installed reports whether a server can be started, and says so if not.
func installed(program string, folders ...string) bool {
	_, ok := servers.Binary(program, folders...)
	if !ok {
		fmt.Printf("%s is not installed: its rows are SKIPPED (internal/integration/install.sh)\n", program)
	}
	return ok
}

// program is what servers.Main runs while servers may.
type program func() int

func (p program) Run() int { return p() }
