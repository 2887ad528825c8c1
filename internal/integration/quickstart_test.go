package integration_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// D2: the store of an example changes by one flag: the walkthroughs pass on each,
// the quickstart's twice, since a store that keeps has something from the first time.
func TestQuickstartOnEveryStore(t *testing.T) {
	quickstart := buildExample(t, "quickstart")
	programs := []string{quickstart, quickstart, buildExample(t, "migration"), buildExample(t, "microservices")}
	t.Setenv("AUTH_KEYS", base64.StdEncoding.EncodeToString([]byte("a key of 32 bytes, for this test.")))
	urls := map[string]func(t *testing.T) string{
		"memory":     func(*testing.T) string { return "memory" },
		"SQLite":     func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "authn.db") },
		"PostgreSQL": func(t *testing.T) string { return servers.PostgreSQL(t).DSN("") },
		"MariaDB": func(t *testing.T) string { // the driver's DSN as a URL
			dsn, _, _ := strings.Cut(servers.MariaDB(t).DSN(""), "?")
			return "mysql://" + strings.NewReplacer("tcp(", "", ")", "").Replace(dsn)
		},
		"Redis": func(t *testing.T) string { return "redis://" + servers.OwnRedis(t).Addr },
	}
	for name, url := range urls {
		t.Run(name, func(t *testing.T) {
			at := url(t)
			for _, program := range programs {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				out, err := exec.CommandContext(ctx, program, "-walkthrough", "-store", at).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "answers are what they have to be") {
					t.Fatalf("%s -store=%s: %v\n%s", filepath.Base(program), at, err, out)
				}
			}
		})
	}
}

func buildExample(t *testing.T, name string) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), name)
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./"+name)
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return program
}

// S2, S9, S15: the quickstart's page signs in by its form, shows the devices,
// and ends the others, with scripts and without.
func TestQuickstartInABrowser(t *testing.T) {
	at := startQuickstart(t)
	for _, scripts := range []bool{true, false} {
		b := newBrowser(t)
		b.setScripts(scripts)
		b.visit(at + "/me")
		b.do(chromedp.SendKeys(chromedp.CSS("#password"), "letmein"))
		b.click(".login button")
		if b.location() != "/?wrong=1" || !strings.Contains(b.text(), "That is not the password.") {
			t.Errorf("scripts %t: a wrong password leads to %s", scripts, b.location())
		}
		phone := newBrowser(t)
		for _, in := range []tab{phone, b} {
			in.visit(at + "/")
			in.do(chromedp.SendKeys(chromedp.CSS("#password"), "quickstart"))
			in.click(".login button")
		}
		if text := b.text(); !strings.Contains(text, "Signed in as ada") || strings.Count(text, "Chrome on Linux") != 2 {
			t.Errorf("scripts %t: the page says %q", scripts, text)
		}
		b.click("[action='/logout/others'] button")
		if text := b.text(); strings.Count(text, "Chrome on Linux") != 1 {
			t.Errorf("scripts %t: the page says %q", scripts, text)
		}
		if phone.visit(at + "/me"); !strings.Contains(phone.text(), "Sign in with a session") {
			t.Errorf("scripts %t: the other device is still signed in", scripts)
		}
		if b.click("[action='/logout'] button"); !strings.Contains(b.text(), "Sign in with a session") {
			t.Errorf("scripts %t: after the logout the page says %q", scripts, b.text())
		}
	}
}

// startQuickstart is where it serves its page until the test ends.
func startQuickstart(t *testing.T) (url string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, buildExample(t, "quickstart"), "-addr", "127.0.0.1:0")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	for in := bufio.NewScanner(out); in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "Or open "); ok {
			url, _, _ = strings.Cut(rest, " ")
			return url
		}
	}
	t.Fatal("the quickstart does not say where its page is")
	return ""
}
