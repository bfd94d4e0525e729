package campaign

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/build"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mutant is a fault in the source of the core. It names the function, method, constant or variable
// that it changes, and an expression or statements in it. Layout, comments and the file do not matter,
// so that moving and formatting code breaks no mutant.
type mutant struct {
	name     string // what is wrong with it
	breaks   string // the guarantee that does not hold any more
	in       string // the folder of the package and the name: group.Task.wait
	old, new string // Go code; old must occur exactly once; an empty new deletes it
}

// apply returns the name of the file that the mutant changes, and its new text.
func (m mutant) apply(root string) (file string, changed []byte, err error) {
	slash := strings.LastIndex(m.in, "/") + 1
	dot := slash + strings.Index(m.in[slash:], ".")
	if dot < slash {
		return "", nil, fmt.Errorf("%q is no folder and name", m.in)
	}
	fset := token.NewFileSet()
	file, decl, err := declOf(fset, filepath.Join(root, filepath.FromSlash(m.in[:dot])), m.in[dot+1:])
	if err != nil {
		return "", nil, err
	}
	what, err := fragment(m.old)
	if err != nil {
		return "", nil, err
	}
	found := what.in(decl)
	if len(found) != 1 {
		return "", nil, fmt.Errorf("%q is %d times in %s, want once", m.old, len(found), m.in)
	}
	source, err := os.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	from, to := fset.Position(found[0].from).Offset, fset.Position(found[0].to).Offset
	changed = slices.Concat(source[:from], []byte(m.new), source[to:])
	if _, err := parser.ParseFile(token.NewFileSet(), file, changed, 0); err != nil {
		return "", nil, err
	}
	return file, changed, nil
}

// declOf finds the declaration of a name in a package: a function, Type.method, or a constant or
// variable outside of functions.
func declOf(fset *token.FileSet, dir, name string) (file string, decl ast.Node, err error) {
	pkg, err := build.ImportDir(dir, 0)
	if err != nil {
		return "", nil, err
	}
	for _, base := range pkg.GoFiles {
		path := filepath.Join(dir, base)
		parsed, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return "", nil, err
		}
		for _, d := range parsed.Decls {
			if n := declared(d, name); n != nil {
				return path, n, nil
			}
		}
	}
	return "", nil, fmt.Errorf("there is no %s in %s", name, dir)
}

// declared returns the part of d that declares the name, or nil.
func declared(d ast.Decl, name string) ast.Node {
	switch d := d.(type) {
	case *ast.FuncDecl:
		full := d.Name.Name
		if d.Recv != nil {
			full = receiver(d.Recv.List[0].Type) + "." + full
		}
		if full == name {
			return d
		}
	case *ast.GenDecl:
		for _, s := range d.Specs {
			v, ok := s.(*ast.ValueSpec)
			if ok && slices.ContainsFunc(v.Names, func(id *ast.Ident) bool { return id.Name == name }) {
				return v
			}
		}
	}
	return nil
}

// receiver is the name of a receiver's type.
func receiver(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}

// A piece is an expression or a list of statements, printed in one canonical layout.
type piece struct {
	expression string
	statements []string
}

// A place is the position of a piece in the source.
type place struct{ from, to token.Pos }

func fragment(source string) (p piece, err error) {
	if e, err := parser.ParseExpr(source); err == nil {
		p.expression = printed(e)
	}
	// A call is a statement as well.
	f, err := parser.ParseFile(token.NewFileSet(), "", "package p; func _() {\n"+source+"\n}", 0)
	switch {
	case err == nil:
		for _, s := range f.Decls[0].(*ast.FuncDecl).Body.List {
			p.statements = append(p.statements, printed(s))
		}
	case p.expression == "":
		return piece{}, fmt.Errorf("%q: %w", source, err)
	}
	return p, nil
}

// printed returns the code of n without comments and line breaks.
func printed(n ast.Node) string {
	var b bytes.Buffer
	if err := format.Node(&b, token.NewFileSet(), n); err != nil {
		return err.Error()
	}
	return b.String()
}

// in finds the piece. An expression that is also a statement is found once.
func (p piece) in(decl ast.Node) (found []place) {
	add := func(from, to token.Pos) {
		if at := (place{from, to}); !slices.Contains(found, at) {
			found = append(found, at)
		}
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			p.among(n.List, add)
		case *ast.CaseClause:
			p.among(n.Body, add)
		case *ast.CommClause:
			p.among(n.Body, add)
		}
		if e, ok := n.(ast.Expr); ok && p.expression != "" && printed(e) == p.expression {
			add(e.Pos(), e.End())
		}
		return true
	})
	return found
}

// among finds the statements of a piece in a list of statements.
func (p piece) among(list []ast.Stmt, found func(from, to token.Pos)) {
	n := len(p.statements)
	for i := range list {
		if n == 0 || i+n > len(list) {
			return
		}
		same := true
		for k, s := range p.statements {
			same = same && printed(list[i+k]) == s
		}
		if same {
			found(list[i].Pos(), list[i+n-1].End())
		}
	}
}

// A change of the core may remove the code that a mutant names. This test finds such mutants without
// compiling them.
func TestMutantsHaveTheirPlaces(t *testing.T) {
	root := moduleRoot(t)
	names := make(map[string]bool)
	for _, m := range allMutants() {
		_, _, err := m.apply(root)
		switch {
		case err != nil:
			t.Errorf("%s: %v", m.name, err)
		case names[m.name] || m.breaks == "":
			t.Errorf("%s: it is there twice, or does not say what it breaks", m.name)
		}
		names[m.name] = true
	}
}

func TestAMutantIsFoundHoweverItIsWritten(t *testing.T) {
	root := t.TempDir()
	const source = `package p

const limit = 5

type t struct{}

func (x *t) f(a, b int) int {
	if a > b && // for a reason
		b > 0 {
		g(a,
			b) // twice
		return a + b // the sum
	}
	g(b, a)
	return 0
}

func g(int, int) {}
`
	if err := os.WriteFile(filepath.Join(root, "p.go"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ in, old, new, gone, come string }{
		{".limit", "5", "6", "limit = 5", "limit = 6"},
		{".t.f", "a > b && b > 0", "false", "a > b", "if false {"},
		{".t.f", "g(a, b); return a + b", "return b", "a + b", "return b // the sum"},
		{".t.f", "g(b, a)", "", "g(b, a)", "return 0"},
		{".t.f", "a", "b", "", ""},             // more than once
		{".t.f", "g(a, a)", "", "", ""},        // not there
		{".f", "g(b, a)", "", "", ""},          // no such function
		{".t.f", "if a {", "", "", ""},         // no Go
		{".t.f", "g(b, a)", "}{", "", ""},      // nor this
		{"nowhere.t.f", "g(b, a)", "", "", ""}, // no such package
	} {
		_, changed, err := mutant{in: c.in, old: c.old, new: c.new}.apply(root)
		if (err == nil) != (c.come != "") {
			t.Errorf("%q in %s: error %v", c.old, c.in, err)
		}
		if err == nil && (strings.Contains(string(changed), c.gone) || !strings.Contains(string(changed), c.come)) {
			t.Errorf("%q in %s has become\n%s", c.old, c.in, changed)
		}
	}
}

func moduleRoot(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return root
}
