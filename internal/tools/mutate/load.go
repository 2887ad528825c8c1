package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// pkg is a package as go list describes it.
type pkg struct {
	ImportPath, Name, Dir, Export string
	DepOnly                       bool
	Module                        *struct{ Path string }

	GoFiles, TestGoFiles, XTestGoFiles []string

	name  string // in its module: store/memstore
	fset  *token.FileSet
	files []*ast.File
	texts [][]byte
	info  types.Info
}

// load lists the packages, and parses and checks those that were asked for.
func load(ctx context.Context, root string, patterns []string) ([]*pkg, error) {
	const fields = "ImportPath,Name,Dir,Export,DepOnly,Module,GoFiles,TestGoFiles,XTestGoFiles"
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-export", "-deps", "-json=" + fields}, patterns...)...)
	cmd.Dir, cmd.Stderr = root, os.Stderr
	list, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	exports, pkgs := map[string]string{}, []*pkg{}
	for dec := json.NewDecoder(strings.NewReader(string(list))); ; {
		p := &pkg{}
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if !p.DepOnly {
			p.name = strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, p.Module.Path), "/")
			if p.name == "" {
				p.name = "."
			}
			pkgs = append(pkgs, p)
		}
	}
	for _, p := range pkgs {
		if err := p.check(exports); err != nil {
			return nil, err
		}
	}
	return pkgs, nil
}

func (p *pkg) check(exports map[string]string) error {
	p.fset = token.NewFileSet()
	for _, name := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, name))
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(p.fset, name, text, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		p.files, p.texts = append(p.files, f), append(p.texts, text)
	}
	p.info = types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}}
	conf := types.Config{Importer: importer.ForCompiler(p.fset, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	_, err := conf.Check(p.ImportPath, p.fset, p.files, &p.info)
	return err
}
