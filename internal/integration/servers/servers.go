// Package servers starts the real servers that the integration tests talk to:
// of the machine's own packages, on free ports of the loopback interface, in a
// temporary folder, once for a test binary. What is there already, such as a
// daemon of the distribution, is left alone.
//
// TestMain calls [Main], tests call the function named after a server. Where a
// server is not installed the test is skipped, saying which package it lacks;
// with CI=true it fails.
package servers

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Main runs m, a *testing.M, stops all servers and prints the summary. It
// answers the exit status.
func Main(m interface{ Run() int }) int {
	defer stopAll()
	inMemory()
	code := m.Run()
	summarise()
	return code
}

var (
	mu      sync.Mutex
	stops   []func() // of what was started, in order
	tempDir string
	owner   *os.File         // in tempDir, locked
	ports   = map[int]bool{} // of FreePort
)

// inMemory puts temporary files into memory, unless TMPDIR says where they go:
// a slow disk must not decide how long the tests take, and none cuts the power.
func inMemory() {
	const dir, enough = "/dev/shm", 2 << 30
	var fs syscall.Statfs_t
	if os.Getenv("TMPDIR") == "" && syscall.Statfs(dir, &fs) == nil && fs.Bavail*uint64(fs.Bsize) > enough {
		os.Setenv("TMPDIR", dir)
	}
}

// onStop has stop called at the end of the binary.
func onStop(stop func()) {
	mu.Lock()
	defer mu.Unlock()
	stops = append(stops, stop)
}

func stopAll() {
	mu.Lock()
	defer mu.Unlock()
	for _, stop := range slices.Backward(stops) {
		stop()
	}
	stops = nil
	if tempDir != "" {
		os.RemoveAll(tempDir)
	}
}

// Dir makes a folder that lasts as long as the binary.
func Dir(name string) (string, error) {
	mu.Lock()
	defer mu.Unlock()
	if tempDir == "" {
		removeStale()
		dir, err := os.MkdirTemp("", tempPrefix)
		if err != nil {
			return "", err
		}
		// The lock goes with this process, however that ends. The file is not
		// closed: that would end the lock.
		if owner, err = os.Create(filepath.Join(dir, ownerFile)); err != nil {
			return "", err
		}
		if err := syscall.Flock(int(owner.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			return "", err
		}
		// Servers that do not run as root must get to their folders.
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", err
		}
		tempDir = dir
	}
	return os.MkdirTemp(tempDir, name+"-")
}

const (
	tempPrefix = "authn-integration-"
	// ownerFile is locked in the folder of a binary that still runs.
	ownerFile = "owner"
	// freshFor spares a folder whose file may not be locked yet.
	freshFor = time.Minute
)

// removeStale removes the folders of binaries that were killed.
func removeStale() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), tempPrefix+"*"))
	for _, folder := range folders {
		f, err := os.Open(filepath.Join(folder, ownerFile))
		if err != nil {
			continue // it is not known whose it is
		}
		info, err := f.Stat()
		if err == nil && time.Since(info.ModTime()) > freshFor && syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			os.RemoveAll(folder)
		}
		f.Close()
	}
}

// FreePort is a port of 127.0.0.1 that nothing listened on a moment ago, and
// that was not answered before.
func FreePort() (int, error) {
	mu.Lock()
	defer mu.Unlock()
	for {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if !ports[port] {
			ports[port] = true
			return port, nil
		}
	}
}

// Binary finds a program in PATH or in one of the folders, which may be
// patterns; of several the last, which is the newest version.
func Binary(name string, folders ...string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return path, true
		}
	}
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, name))
		if len(found) > 0 {
			return found[len(found)-1], true
		}
	}
	return "", false
}

// Missing ends a test for which the Debian package pkg is not installed.
func Missing(tb testing.TB, pkg string) {
	tb.Helper()
	text := fmt.Sprintf("the Debian package %s is not installed: run internal/integration/install.sh", pkg)
	if os.Getenv("CI") == "true" {
		tb.Fatal(text)
	}
	note("SKIPPED: " + text)
	tb.Skip(text)
}
