package authn_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

// Imports point one way: what each package of the core needs, the standard
// library apart, is a golden list. A new line in it is a decision.
func TestImportsAreGolden(t *testing.T) {
	const module, golden = "github.com/gatehouse-go/authn", "testdata/imports.golden"
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{.ImportPath}}:{{range .Deps}} {{.}}{{end}}{{end}}`, "./...")
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var got strings.Builder
	for line := range strings.Lines(string(out)) {
		pkg, deps, _ := strings.Cut(strings.TrimSpace(line), ":")
		if !strings.HasPrefix(pkg, module) {
			continue
		}
		got.WriteString(pkg + ":")
		for _, dep := range strings.Fields(deps) {
			if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") { // not of the standard library
				got.WriteString(" " + strings.TrimPrefix(dep, module+"/"))
			}
			if dep == "testing" && !strings.HasSuffix(pkg, "/storetest") && !strings.HasSuffix(pkg, "/authntest") {
				t.Errorf("%s imports testing", pkg)
			}
		}
		got.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if want := string(authn.Must(os.ReadFile(golden))); got.String() != want {
		t.Errorf("imports have changed:\n%s\nwere:\n%s\nif that is meant: make golden", got.String(), want)
	}
}
