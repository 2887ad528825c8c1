package integration_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// nodePeer is a folder of testdata with a peer.mjs and a package-lock.json.
type nodePeer struct {
	once sync.Once
	dir  string
	err  error
}

var nodePeers = map[string]*nodePeer{"jose": {}, "oidc": {}, "password": {}, "tokenserver": {}, "totp": {}}

// askNode runs the peer.
func askNode(t *testing.T, peer string, request, answer any) {
	t.Helper()
	node, script := installedNode(t, peer)
	askPeer(t, request, answer, node, script)
}

// installedNode is node, and the peer for it.
func installedNode(t *testing.T, peer string) (node, script string) {
	t.Helper()
	node, ok := servers.Binary("node")
	if !ok {
		servers.Missing(t, "nodejs")
	}
	npm, ok := servers.Binary("npm")
	if !ok {
		servers.Missing(t, "npm")
	}
	p := nodePeers[peer]
	p.once.Do(func() { p.dir, p.err = installNode(npm, peer) })
	if p.err != nil {
		t.Fatal(p.err)
	}
	return node, filepath.Join(p.dir, "peer.mjs")
}

// askPeer runs a program that reads a request as JSON and answers it as JSON.
func askPeer(t *testing.T, request, answer any, program string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = bytes.NewReader(authn.Must(json.Marshal(request)))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, answer)
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
}

// installNode puts the peer and what its package-lock.json names into a folder.
func installNode(npm, peer string) (string, error) {
	dir, err := servers.Dir(peer)
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS(filepath.Join("testdata", peer))); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--prefer-offline", "--engine-strict", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", errors.Join(err, ctx.Err()), out)
	}
	return dir, nil
}
