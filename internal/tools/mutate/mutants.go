package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"strings"
)

// mutant is one change of the product. Its id chooses it at run time.
type mutant struct {
	id                   int
	file, fn, kind, text string
	nth                  int // among equal ones in the function
	line                 int

	tests  []*test // that reach it
	fate   fate
	killer string

	explained bool
}

type fate int

const (
	lived fate = iota
	notReached
	killed
	timedOut
)

// finder collects the mutants of one file, and the insertions that make them.
type finder struct {
	*pkg
	text  []byte
	found []*mutant
	edits []edit
	conds map[ast.Expr]bool // what decides something
	first int               // the file's first id
}

// edit replaces del bytes. At one place the wrappers close from the inside out,
// and then open from the outside in.
type edit struct {
	at, del, order int
	text           string
}

// visit is called from the outside in.
func (f *finder) visit(n ast.Node, stack []ast.Node) bool {
	switch n := n.(type) {
	case *ast.IfStmt:
		f.decides(n.Cond)
	case *ast.ForStmt:
		f.decides(n.Cond)
	case *ast.SwitchStmt:
		for _, s := range n.Body.List {
			if n.Tag == nil {
				f.decides(s.(*ast.CaseClause).List...)
			}
		}
	case *ast.ReturnStmt:
		f.returned(n, stack)
	case *ast.BlockStmt:
		f.statements(n.List, n, stack)
	case *ast.CaseClause:
		f.statements(n.Body, n, stack)
	case *ast.CommClause:
		f.statements(n.Body, n, stack)
	case *ast.UnaryExpr:
		if n.Op == token.NOT {
			f.decides(n.X)
		}
	case *ast.BinaryExpr:
		f.binary(n, stack)
	case *ast.Ident, *ast.SelectorExpr, *ast.CallExpr, *ast.IndexExpr, *ast.TypeAssertExpr, *ast.StarExpr:
		if e := n.(ast.Expr); f.conds[e] && f.isBool(e) {
			f.wrap("negate", n, stack, "mutantNot(%d, ", ")")
		}
	}
	return true
}

func (f *finder) decides(es ...ast.Expr) {
	for _, e := range es {
		f.conds[ast.Unparen(e)] = true
	}
}

// isBool leaves out types of a bool's kind: the helpers answer bool.
func (f *finder) isBool(e ast.Expr) bool {
	t := f.info.TypeOf(e)
	return t == types.Typ[types.Bool] || t == types.Typ[types.UntypedBool]
}

func (f *finder) binary(n *ast.BinaryExpr, stack []ast.Node) {
	if f.info.Types[n].Value != nil || !f.isBool(n) || !inFunc(stack) {
		return
	}
	helper := map[token.Token]string{
		token.LSS: "mutantLess", token.LEQ: "mutantLessEqual", token.GTR: "mutantMore", token.GEQ: "mutantMoreEqual",
		token.LAND: "mutantAnd", token.LOR: "mutantOr",
	}[n.Op]
	switch n.Op {
	case token.LAND, token.LOR:
		f.decides(n.X, n.Y)
		if f.isBool(n.X) && f.isBool(n.Y) {
			f.wrap("logical", n, stack, helper+"(%d, ", ")})")
			f.replace(n, ", func() bool { return (")
		}
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.wrap("negate", n, stack, "mutantNot(%d, ", ")")
		f.wrap("boundary", n, stack, helper+"(%d, ", ")")
		f.replace(n, ",")
	case token.EQL, token.NEQ:
		f.wrap("negate", n, stack, "mutantNot(%d, ", ")")
	}
}

// statements are those that can be left out: what hangs without them cannot.
func (f *finder) statements(list []ast.Stmt, in ast.Node, stack []ast.Node) {
	for _, s := range list {
		can := false
		switch s := s.(type) {
		case *ast.ExprStmt:
			call, ok := s.X.(*ast.CallExpr)
			can = ok && !f.unlocks(call) && (!f.panics(call) || mayFallThrough(in, stack))
		case *ast.DeferStmt:
			can = !f.unlocks(s.Call)
		case *ast.IncDecStmt:
			can = true
		case *ast.AssignStmt:
			blank, ok := s.Lhs[0].(*ast.Ident)
			can = s.Tok != token.DEFINE && (!ok || blank.Name != "_" || len(s.Lhs) > 1)
		}
		if can {
			f.wrap("remove", s, append(stack, in), "if mutantKeeps(%d) { ", " }")
		}
	}
}

func (f *finder) unlocks(c *ast.CallExpr) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || len(c.Args) > 0 {
		return false
	}
	switch sel.Sel.Name {
	case "Lock", "Unlock", "RLock", "RUnlock", "Done", "Wait":
		return true
	}
	return false
}

func (f *finder) panics(c *ast.CallExpr) bool {
	id, ok := c.Fun.(*ast.Ident)
	return ok && f.info.Uses[id] == types.Universe.Lookup("panic")
}

// mayFallThrough: the compiler does not need the end of this block to be one.
func mayFallThrough(in ast.Node, stack []ast.Node) bool {
	outer, ok := stack[len(stack)-1].(*ast.IfStmt)
	return ok && outer.Body == in && outer.Else == nil
}

// returned decides, and its error becomes nil. Nobody looks at a bool beside one.
func (f *finder) returned(n *ast.ReturnStmt, stack []ast.Node) {
	var sig *types.Signature
	for _, outer := range stack {
		switch outer := outer.(type) {
		case *ast.FuncDecl:
			sig = f.info.Defs[outer.Name].Type().(*types.Signature)
		case *ast.FuncLit:
			sig = f.info.TypeOf(outer).(*types.Signature)
		}
	}
	last := sig.Results().Len() - 1
	if last >= 0 && last == len(n.Results)-1 && sig.Results().At(last).Type() == types.Universe.Lookup("error").Type() {
		if e := n.Results[last]; !f.info.Types[e].IsNil() {
			f.wrap("error", e, append(stack, n), "mutantNil(%d, ", ")")
			return
		}
	}
	f.decides(n.Results...)
}

// wrap makes a mutant of n, within the wrappers that n has already.
func (f *finder) wrap(kind string, n ast.Node, stack []ast.Node, before, after string) {
	if !inFunc(stack) {
		return
	}
	from, to := f.fset.Position(n.Pos()), f.fset.Position(n.End())
	m := &mutant{
		id: f.first + len(f.found), file: from.Filename, fn: funcName(stack), kind: kind, line: from.Line,
		text: shorten(string(f.text[from.Offset:to.Offset])), nth: 1,
	}
	for _, other := range f.found {
		if other.fn == m.fn && other.kind == m.kind && other.text == m.text {
			m.nth++
		}
	}
	f.found = append(f.found, m)
	f.edits = append(f.edits, edit{from.Offset, 0, m.id, fmt.Sprintf(before, m.id)}, edit{to.Offset, 0, -m.id, after})
}

func (f *finder) replace(n *ast.BinaryExpr, text string) {
	f.edits = append(f.edits, edit{f.fset.Position(n.OpPos).Offset, len(n.Op.String()), 0, text})
}

func inFunc(stack []ast.Node) bool {
	for _, n := range stack {
		switch n.(type) {
		case *ast.FuncLit, *ast.BlockStmt:
			return true
		}
	}
	return false
}

// funcName is Type.Method, a function's name, or a variable's.
func funcName(stack []ast.Node) string {
	for _, n := range stack {
		switch n := n.(type) {
		case *ast.ValueSpec:
			return n.Names[0].Name
		case *ast.FuncDecl:
			if n.Recv == nil {
				return n.Name.Name
			}
			t := types.ExprString(n.Recv.List[0].Type)
			return strings.TrimPrefix(t, "*") + "." + n.Name.Name
		}
	}
	return ""
}

// shorten gives one line that does not change with its indentation.
func shorten(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > 100 {
		return string(r[:100]) + "…"
	}
	return text
}
