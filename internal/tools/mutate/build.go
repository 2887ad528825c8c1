package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// helpers decide at run time. A boundary matters only between equals, and an
// error only where there is one, so they note themselves as reached only there.
const helpers = `
import (
	mutantCmp "cmp"
	mutantOS "os"
	mutantText "strconv"
	mutantAtomic "sync/atomic"
	mutantSys "syscall"
)

var (
	mutantSeen   [%d]mutantAtomic.Bool
	mutantChosen = func() int { id, _ := mutantText.Atoi(mutantOS.Getenv("MUTANT")); return id }()
	mutantTrace  = func() int {
		name := mutantOS.Getenv("MUTANT_TRACE")
		if name == "" {
			return -1
		}
		fd, err := mutantSys.Open(name, mutantSys.O_WRONLY|mutantSys.O_APPEND|mutantSys.O_CREAT|mutantSys.O_CLOEXEC, 0o600)
		if err != nil {
			panic(err)
		}
		return fd
	}()
)

func mutantNote(id int) {
	if !mutantSeen[id].Swap(true) {
		mutantSys.Write(mutantTrace, append(mutantText.AppendInt(nil, int64(id), 10), '\n'))
	}
}

func mutantIs(id int) bool {
	if mutantTrace >= 0 {
		mutantNote(id)
	}
	return id == mutantChosen
}

func mutantKeeps(id int) bool       { return !mutantIs(id) }
func mutantNot(id int, b bool) bool { return b != mutantIs(id) }

func mutantLess[T mutantCmp.Ordered](id int, a, b T) bool      { return a < b || a == b && mutantIs(id) }
func mutantMore[T mutantCmp.Ordered](id int, a, b T) bool      { return a > b || a == b && mutantIs(id) }
func mutantLessEqual[T mutantCmp.Ordered](id int, a, b T) bool { return a < b || a == b && !mutantIs(id) }
func mutantMoreEqual[T mutantCmp.Ordered](id int, a, b T) bool { return a > b || a == b && !mutantIs(id) }

func mutantAnd(id int, a bool, b func() bool) bool {
	if a == mutantIs(id) {
		return a
	}
	return b()
}

func mutantOr(id int, a bool, b func() bool) bool {
	if a != mutantIs(id) {
		return a
	}
	return b()
}

func mutantNil(id int, err error) error {
	if err != nil && mutantIs(id) {
		return nil
	}
	return err
}
`

// mutants finds those of the package, and rewrites its files to contain them.
func (p *pkg) mutants() []*mutant {
	all := []*mutant{}
	for i, file := range p.files {
		f := &finder{pkg: p, text: p.texts[i], conds: map[ast.Expr]bool{}, first: len(all) + 1}
		ast.PreorderStack(file, nil, f.visit)
		all = append(all, f.found...)
		p.texts[i] = f.apply()
	}
	return all
}

func (f *finder) apply() []byte {
	slices.SortStableFunc(f.edits, func(a, b edit) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.order, b.order))
	})
	out, done := []byte{}, 0
	for _, e := range f.edits {
		out = append(append(out, f.text[done:e.at]...), e.text...)
		done = e.at + e.del
	}
	return append(out, f.text[done:]...)
}

// build compiles the package's tests, with n mutants, into dir.
func (p *pkg) build(ctx context.Context, dir string, n int) (string, error) {
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	put := func(name string, text []byte) error {
		instead := filepath.Join(dir, name)
		overlay.Replace[filepath.Join(p.Dir, name)] = instead
		return os.WriteFile(instead, text, 0o600)
	}
	for i, name := range p.GoFiles {
		if err := put(name, p.texts[i]); err != nil {
			return "", err
		}
	}
	if err := put("zz_mutants.go", fmt.Appendf(nil, "package %s\n"+helpers, p.Name, n+1)); err != nil {
		return "", err
	}
	list, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), list, 0o600); err != nil {
		return "", err
	}
	bin, out := filepath.Join(dir, "mutants.test"), &bytes.Buffer{}
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay="+filepath.Join(dir, "overlay.json"), "-o", bin, ".")
	cmd.Dir, cmd.Stdout, cmd.Stderr = p.Dir, out, out
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go test -c: %w\n%s", err, out)
	}
	return bin, nil
}
