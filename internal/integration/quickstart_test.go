package integration_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/authn/internal/integration/servers"
)

// D2: the quickstart's store changes by one flag: its walkthrough passes on
// each, twice, since a store that keeps has something from the first time.
func TestQuickstartOnEveryStore(t *testing.T) {
	program := filepath.Join(t.TempDir(), "quickstart")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "./quickstart")
	build.Dir = filepath.Join("..", "..", "examples")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
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
			for range 2 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				out, err := exec.CommandContext(ctx, program, "-walkthrough", "-store", at).CombinedOutput()
				if err != nil || !strings.Contains(string(out), "answers are what they have to be") {
					t.Fatalf("-store=%s: %v\n%s", at, err, out)
				}
			}
		})
	}
}
