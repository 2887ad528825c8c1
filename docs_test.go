package authn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-go/authn"
)

// promised are the numbers of docs/promises.md.
func promised(t *testing.T) map[string]bool {
	t.Helper()
	numbers := map[string]bool{}
	row := regexp.MustCompile(`(?m)^\| ([A-Z]\d{1,2}) \|`)
	for _, m := range row.FindAllStringSubmatch(string(authn.Must(os.ReadFile("docs/promises.md"))), -1) {
		if numbers[m[1]] {
			t.Errorf("docs/promises.md promises %s twice", m[1])
		}
		numbers[m[1]] = true
	}
	return numbers
}

// cited are the numbers in the comments over tests, and where they stand.
func cited(t *testing.T) map[string]string {
	t.Helper()
	numbers := map[string]string{}
	lead := regexp.MustCompile(`(?:^|; )((?:[A-Z]\d{1,2}(?:, )?)+):`)
	number := regexp.MustCompile(`[A-Z]\d{1,2}`)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || f.Doc == nil {
				continue
			}
			for _, m := range lead.FindAllStringSubmatch(strings.ReplaceAll(f.Doc.Text(), "\n", " "), -1) {
				for _, n := range number.FindAllString(m[1], -1) {
					numbers[n] = path + ": " + f.Name.Name
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// Q3: every promise has a test that cites it, and every number that a test
// cites is promised.
func TestPromisesHaveTests(t *testing.T) {
	promises, tests := promised(t), cited(t)
	if len(promises) == 0 || len(tests) == 0 {
		t.Fatalf("%d promises, %d cited", len(promises), len(tests))
	}
	for n := range promises {
		if tests[n] == "" {
			t.Errorf("docs/promises.md promises %s, and the comment of no test begins with it", n)
		}
	}
	for n, where := range tests {
		if !promises[n] {
			t.Errorf("%s shows %s, which docs/promises.md does not promise", where, n)
		}
	}
}

// The README's program is the one that Example_minimal compiles, and short.
func TestReadmeProgramIsCompiled(t *testing.T) {
	readme := string(authn.Must(os.ReadFile("README.md")))
	_, block, ok := strings.Cut(readme, "```go\n")
	if !ok {
		t.Fatal("README.md has no program")
	}
	block, _, _ = strings.Cut(block, "```")
	compiled := string(authn.Must(os.ReadFile("example_minimal_test.go")))
	compiled = strings.Replace(compiled, "package authn_test", "package main", 1)
	compiled = regexp.MustCompile(`(?m)^//.*\n`).ReplaceAllString(compiled, "")
	compiled = strings.Replace(compiled, "func Example_minimal()", "func main()", 1)
	if block != compiled {
		t.Errorf("README.md has\n%s\nexample_minimal_test.go has\n%s", block, compiled)
	}
	lines := 0
	for line := range strings.Lines(block) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines > 25 {
		t.Errorf("the README's program has %d lines, want at most 25", lines)
	}
}

// So are its other blocks, by example_methods_test.go.
func TestReadmeBlocksAreCompiled(t *testing.T) {
	readme := string(authn.Must(os.ReadFile("README.md")))
	compiled := string(authn.Must(os.ReadFile("example_methods_test.go")))
	compiled = strings.ReplaceAll(compiled, "\n\t", "\n")
	blocks := strings.Split(readme, "```go\n")
	if len(blocks) < 5 {
		t.Fatalf("README.md has %d blocks", len(blocks)-1)
	}
	for _, block := range blocks[2:] { // the first is the program
		if block, _, _ = strings.Cut(block, "```"); !strings.Contains(compiled, block) {
			t.Errorf("example_methods_test.go has not\n%s", block)
		}
	}
}

// Links between the project's own pages lead somewhere.
func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	pages := append(authn.Must(filepath.Glob("*.md")), authn.Must(filepath.Glob("docs/*.md"))...)
	for _, page := range pages {
		for _, m := range link.FindAllStringSubmatch(string(authn.Must(os.ReadFile(page))), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", page, m[1], err)
			}
		}
	}
}

// docs/licenses.md has every module that is built into a released one, in the
// version that is built.
func TestLicencesAreUpToDate(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| ([^ |]+\.[^ |]+/[^ |]+) \| (v\S+) \|`)
	_, page, _ := strings.Cut(string(authn.Must(os.ReadFile("docs/licenses.md"))), "<!-- make licenses -->")
	for _, dir := range strings.Fields(string(authn.Must(os.ReadFile("internal/ci/released.txt")))) {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{with .Module}}{{.Path}} {{.Version}}{{end}}`, "./...")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off")
		built := map[string]string{}
		for line := range strings.Lines(string(authn.Must(cmd.Output()))) {
			if path, version, _ := strings.Cut(strings.TrimSpace(line), " "); path != "" && !strings.HasPrefix(path, "github.com/gatehouse-go/") {
				built[path] = version
			}
		}
		_, table, ok := strings.Cut(page, "\n### "+filepath.ToSlash(filepath.Join("github.com/gatehouse-go/authn", dir))+"\n")
		if !ok {
			t.Fatalf("docs/licenses.md has no table for %s: make licenses", dir)
		}
		table, _, _ = strings.Cut(table, "\n###")
		rows := row.FindAllStringSubmatch(table, -1)
		for path, version := range built {
			if !slices.ContainsFunc(rows, func(m []string) bool { return strings.HasPrefix(m[1]+"/", path+"/") && m[2] == version }) {
				t.Errorf("docs/licenses.md lacks %s %s for %s: make licenses", path, version, dir)
			}
		}
		for _, m := range rows {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(built)), func(path string) bool { return strings.HasPrefix(m[1]+"/", path+"/") }) {
				t.Errorf("docs/licenses.md has %s for %s, which does not need it: make licenses", m[1], dir)
			}
		}
	}
}
