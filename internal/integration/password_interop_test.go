package integration_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/password"
)

// peerHash is a hash, and who made it.
type peerHash struct {
	Tool     string `json:"tool,omitempty"`
	Hash     string `json:"hash"`
	Password string `json:"password"`
}

type peerRequest struct {
	Passwords []string   `json:"passwords"`
	Verify    []peerHash `json:"verify"`
}

type peerAnswer struct {
	Made     []peerHash                 `json:"made"`
	Verified map[string]map[string]bool `json:"verified"`
}

// interopPasswords are of up to 72 bytes, but for the last, of which bcrypt
// knows the beginning only, in all of the peers.
var interopPasswords = []string{
	"password", "pässword 😀", " \t~!@#$%^&*()'\"\\", strings.Repeat("ä", 36), strings.Repeat("0123456789", 10),
}

// interopHasher takes what all of the peers make.
func interopHasher(t *testing.T, bcryptCost int) *password.Hasher {
	t.Helper()
	var schemes []password.Scheme
	for _, s := range [][]password.Scheme{password.Django(), password.Passlib(), password.Htpasswd()} {
		schemes = append(schemes, s...)
	}
	h, err := password.NewHasher(password.HasherConfig{
		Argon2: password.Params{MemoryKiB: 256, Time: 2, Threads: 2}, BcryptCost: bcryptCost, InsecureParams: true, Schemes: schemes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ourHashes are of argon2id and of bcrypt, for peers to verify: each with the
// right password, and with a wrong one.
func ourHashes(t *testing.T) (rows []peerHash) {
	t.Helper()
	for _, cost := range []int{0, 4} {
		for _, pw := range interopPasswords {
			encoded, err := interopHasher(t, cost).Hash(t.Context(), pw)
			if cost > 0 && len(pw) > 72 && err != nil {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			rows = append(rows, peerHash{Hash: encoded, Password: pw})
		}
		encoded, err := interopHasher(t, cost).Hash(t.Context(), "password")
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, peerHash{Hash: encoded, Password: "passwore"})
	}
	return rows
}

// wantInterop says that their hashes verify here, and ours there.
func wantInterop(t *testing.T, ours []peerHash, a peerAnswer, tools int) {
	t.Helper()
	if len(a.Made) != tools*len(interopPasswords) || len(a.Verified) != len(ours) {
		t.Fatalf("%d hashes of %d tools, and %d of ours are verified", len(a.Made), tools, len(a.Verified))
	}
	wantVerified(t, a.Made)
	for _, row := range ours {
		for tool, ok := range a.Verified[row.Hash] {
			if want := row.Password != "passwore"; ok != want {
				t.Errorf("%s says %v to %s of %q", tool, ok, row.Hash, row.Password)
			}
		}
	}
	t.Logf("%d of their hashes, %d of ours", len(a.Made), len(ours))
}

// wantVerified says that these hashes verify by their password, and by no other.
func wantVerified(t *testing.T, made []peerHash) {
	t.Helper()
	h := interopHasher(t, 0)
	for _, row := range made {
		v, err := h.Verify(t.Context(), row.Hash, row.Password)
		if err != nil || !v.OK || !v.NeedsRehash {
			t.Errorf("%s: %s of %q: %+v, %v", row.Tool, row.Hash, row.Password, v, err)
		}
		if v, err = h.Verify(t.Context(), row.Hash, "x"+row.Password); err != nil || v.OK {
			t.Errorf("%s: %s of another password: %+v, %v", row.Tool, row.Hash, v, err)
		}
	}
}

// P4, P14: hashes of npm's bcrypt and argon2 verify here, and ours there.
func TestPasswordInteropNode(t *testing.T) {
	var a peerAnswer
	ours := ourHashes(t)
	askNode(t, "password", peerRequest{interopPasswords, ours}, &a)
	wantInterop(t, ours, a, 3)
}

// P4, P14: hashes of Python's passlib and of Django verify here, and ours there.
func TestPasswordInteropPython(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which has its packages
	for module, pkg := range map[string]string{"passlib": "python3-passlib", "django": "python3-django", "argon2": "python3-argon2", "bcrypt": "python3-bcrypt"} {
		if exec.CommandContext(t.Context(), python, "-c", "import "+module).Run() != nil {
			servers.Missing(t, pkg)
		}
	}
	var a peerAnswer
	ours := ourHashes(t)
	askPeer(t, peerRequest{interopPasswords, ours}, &a, python, "testdata/password/peer.py")
	wantInterop(t, ours, a, 12)
}

// P14: hashes of the reference implementation's command verify here; and from
// our salt and parameters it makes our hash.
func TestPasswordInteropArgon2(t *testing.T) {
	argon2, ok := servers.Binary("argon2")
	if !ok {
		servers.Missing(t, "argon2")
	}
	run := func(pw, salt string, args ...string) string {
		t.Helper()
		return strings.TrimSpace(peerOutput(t, pw, argon2, append([]string{salt}, args...)...))
	}
	var made []peerHash
	for _, pw := range interopPasswords {
		made = append(
			made,
			peerHash{"argon2 -id", run(pw, "somesalt", "-id", "-e", "-t", "2", "-k", "1024", "-p", "4"), pw},
			peerHash{"argon2 -id", run(pw, "a longer salt of text", "-id", "-e", "-t", "1", "-m", "8", "-l", "16"), pw},
			peerHash{"argon2 -i", run(pw, "somesalt", "-i", "-e", "-l", "64"), pw},
		)
	}
	wantVerified(t, made)
	for _, pw := range interopPasswords {
		encoded, salt := "", "\x00"
		for strings.Contains(salt, "\x00") { // which an argument can not have
			var err error
			if encoded, err = interopHasher(t, 0).Hash(t.Context(), pw); err != nil {
				t.Fatal(err)
			}
			raw, err := base64.RawStdEncoding.DecodeString(strings.Split(encoded, "$")[4])
			if err != nil {
				t.Fatal(err)
			}
			salt = string(raw)
		}
		if theirs := run(pw, salt, "-id", "-e", "-t", "2", "-k", "256", "-p", "2"); theirs != encoded {
			t.Errorf("argon2 makes %s, we make %s of %q", theirs, encoded, pw)
		}
	}
}

// P4, P14: hashes of Apache's htpasswd verify here, and ours there.
func TestPasswordInteropHtpasswd(t *testing.T) {
	htpasswd, ok := servers.Binary("htpasswd")
	if !ok {
		servers.Missing(t, "apache2-utils")
	}
	var made []peerHash
	for _, pw := range interopPasswords {
		if len(pw) > 72 { // which it refuses
			continue
		}
		line := peerOutput(t, pw, htpasswd, "-niB", "-C", "4", "user")
		made = append(made, peerHash{"htpasswd", strings.TrimPrefix(strings.TrimSpace(line), "user:"), pw})
	}
	wantVerified(t, made)
	for i, row := range ourHashes(t) {
		if !strings.HasPrefix(row.Hash, "$2") {
			continue
		}
		file := filepath.Join(t.TempDir(), strconv.Itoa(i))
		if err := os.WriteFile(file, []byte("user:"+row.Hash+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), htpasswd, "-vi", file, "user")
		cmd.Stdin = strings.NewReader(row.Password)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if want := row.Password != "passwore"; want && err != nil || !want && !errors.As(err, &exit) {
			t.Errorf("htpasswd says %v to %s of %q: %s", err, row.Hash, row.Password, out)
		}
	}
}

// peerOutput is what a program prints that reads a password.
func peerOutput(t *testing.T, stdin, program string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", filepath.Base(program), err, errs.String())
	}
	return string(out)
}
