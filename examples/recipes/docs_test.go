package recipes_test

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	gmast "github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
)

// root is the repository, as seen from this folder.
var root = filepath.Join("..", "..")

// A page is a Markdown file of the repository.
type page struct {
	path string // from root, with slashes
	text []byte
	doc  gmast.Node
}

func readPage(t *testing.T, name string) *page {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	md := goldmark.New(goldmark.WithExtensions(extension.GFM))
	return &page{name, content, md.Parser().Parse(text.NewReader(content))}
}

// line is the line in which a node begins, of its own or of the block it is in.
func (p *page) line(n gmast.Node) int {
	for ; n != nil; n = n.Parent() {
		if n.Type() == gmast.TypeBlock && n.Lines().Len() > 0 {
			return 1 + bytes.Count(p.text[:n.Lines().At(0).Start], []byte("\n"))
		}
	}
	return 0
}

// each calls f with each node of the page of type N.
func each[N gmast.Node](p *page, f func(N)) {
	_ = gmast.Walk(p.doc, func(n gmast.Node, entering bool) (gmast.WalkStatus, error) {
		if n, ok := n.(N); ok && entering {
			f(n)
		}
		return gmast.WalkContinue, nil
	})
}

// TestSamples compares each Go block of the manual with the region of the tested file that its
// info string names: ```go path/file.go#region.
func TestSamples(t *testing.T) {
	names := []string{"README.md"}
	manual, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(manual) == 0 {
		t.Fatalf("no pages in docs: %v", err)
	}
	for _, name := range manual {
		names = append(names, "docs/"+filepath.Base(name))
	}
	samples := 0
	for _, name := range names {
		p := readPage(t, name)
		each(p, func(block *gmast.FencedCodeBlock) {
			if string(block.Language(p.text)) != "go" {
				return
			}
			samples++
			at := fmt.Sprintf("%s:%d", p.path, p.line(block)-1)
			_, source, _ := strings.Cut(strings.TrimSpace(string(block.Info.Value(p.text))), " ")
			file, name, ok := strings.Cut(source, "#")
			if !ok {
				t.Errorf("%s: a Go block needs its source, such as ```go examples/recipes/worker_test.go#worker", at)
				return
			}
			want, err := region(file, name)
			if err != nil {
				t.Errorf("%s: %v", at, err)
				return
			}
			if diff := cmp.Diff(want, string(block.Lines().Value(p.text))); diff != "" {
				t.Errorf("%s differs from %s (-want +got):\n%s", at, source, diff)
			}
		})
	}
	if samples == 0 {
		t.Error("the manual has no samples")
	}
}

var regionLine = regexp.MustCompile(`^\s*// (?:region (\S+)|endregion)$`)

// region returns the lines of file between "// region name" and "// endregion", without the
// indentation that all of them have, and without empty lines around.
func region(file, name string) (string, error) {
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(file)))
	if err != nil {
		return "", err
	}
	var lines []string
	found, in := false, ""
	for _, line := range strings.Split(string(content), "\n") {
		marker := regionLine.FindStringSubmatch(line)
		switch {
		case marker == nil && in == name && found:
			lines = append(lines, line)
		case marker == nil:
		case marker[1] == "" && in == "":
			return "", fmt.Errorf("%s: an endregion without a region", file)
		case marker[1] == "":
			in = ""
		case in != "":
			return "", fmt.Errorf("%s: the region %q begins within %q", file, marker[1], in)
		case marker[1] == name && found:
			return "", fmt.Errorf("%s has the region %q twice", file, name)
		default:
			in = marker[1]
			found = found || in == name
		}
	}
	switch {
	case in != "":
		return "", fmt.Errorf("%s: the region %q does not end", file, in)
	case !found:
		return "", fmt.Errorf("%s has no region %q", file, name)
	}
	return strings.Trim(strings.Join(dedent(lines), "\n"), "\n") + "\n", nil
}

func dedent(lines []string) []string {
	common := -1
	for _, line := range lines {
		if tabs := len(line) - len(strings.TrimLeft(line, "\t")); line != "" && (common < 0 || tabs < common) {
			common = tabs
		}
	}
	for i, line := range lines {
		if line != "" {
			lines[i] = line[common:]
		}
	}
	return lines
}

// TestRegion shows what a region is.
func TestRegion(t *testing.T) {
	for name, test := range map[string]struct{ content, want, err string }{
		"indented":    {"\t// region a\n\tx\n\n\t\ty\n\t// endregion\n", "x\n\n\ty\n", ""},
		"of two":      {"// region b\nz\n// endregion\n// region a\nx\n// endregion\n", "x\n", ""},
		"absent":      {"// region b\n// endregion\n", "", `has no region "a"`},
		"twice":       {"// region a\n// endregion\n// region a\n// endregion\n", "", "twice"},
		"not ended":   {"// region a\nx\n", "", "does not end"},
		"not begun":   {"// endregion\n", "", "without a region"},
		"in another":  {"// region b\n// region a\n// endregion\n", "", `within "b"`},
		"empty lines": {"// region a\n\npackage x\n\n// endregion\n", "package x\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.go")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			rel, err := filepath.Rel(mustAbs(t, root), file)
			if err != nil {
				t.Skipf("not on this platform: the folder of the test is not below that of the repository: %v", err)
			}
			got, err := region(filepath.ToSlash(rel), "a")
			if got != test.want || test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("region() = %q, %v, want %q, %q", got, err, test.want, test.err)
			}
		})
	}
}

func mustAbs(t *testing.T, name string) string {
	t.Helper()
	abs, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// TestLinks follows each link between files of the repository, with its anchor. Addresses on the
// network are not asked, only parsed.
func TestLinks(t *testing.T) {
	anchors := make(map[string]func() map[string]bool)
	links := 0
	for _, name := range markdownFiles(t) {
		p := readPage(t, name)
		follow := func(n gmast.Node, destination []byte) {
			links++
			if err := followLink(t, p, string(destination), anchors); err != nil {
				t.Errorf("%s:%d: link to %s: %v", p.path, p.line(n), destination, err)
			}
		}
		each(p, func(l *gmast.Link) { follow(l, l.Destination) })
		each(p, func(i *gmast.Image) { follow(i, i.Destination) })
	}
	if links == 0 {
		t.Error("there are no links")
	}
}

// markdownFiles lists the pages of the repository, but not what is built or hidden, nor packages and test data.
func markdownFiles(t *testing.T) (names []string) {
	t.Helper()
	skip := regexp.MustCompile(`^(\..+|node_modules|dist|testdata)$`)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && skip.MatchString(d.Name()):
			return fs.SkipDir
		case path.Ext(name) == ".md":
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func followLink(t *testing.T, p *page, destination string, anchors map[string]func() map[string]bool) error {
	u, err := url.Parse(destination)
	switch {
	case err != nil:
		return err
	case u.Scheme == "http" || u.Scheme == "https":
		if u.Host == "" {
			return fmt.Errorf("it names no host")
		}
		return nil
	case u.Scheme != "" || u.Host != "" || strings.HasPrefix(u.Path, "/"):
		return fmt.Errorf("want https, or a path from here")
	}
	target := p.path
	if u.Path != "" {
		target = path.Join(path.Dir(p.path), u.Path)
		if target == ".." || strings.HasPrefix(target, "../") {
			return fmt.Errorf("it leaves the repository")
		}
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(target))); err != nil {
			return err
		}
	}
	if u.Fragment == "" {
		return nil
	}
	if path.Ext(target) != ".md" {
		return fmt.Errorf("only Markdown has anchors")
	}
	if anchors[target] == nil {
		anchors[target] = sync.OnceValue(func() map[string]bool { return anchorsOf(readPage(t, target)) })
	}
	if !anchors[target]()[u.Fragment] {
		return fmt.Errorf("%s has no heading with the anchor %q", target, u.Fragment)
	}
	return nil
}

// anchorsOf are the anchors that GitHub makes of headings: in lower case, a hyphen for each space,
// without punctuation, and with a number where one is there already.
func anchorsOf(p *page) map[string]bool {
	anchors := make(map[string]bool)
	each(p, func(h *gmast.Heading) {
		var b strings.Builder
		for _, r := range strings.ToLower(plainText(h, p.text)) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
				b.WriteRune(r)
			}
		}
		anchor := b.String()
		for i := 1; anchors[anchor]; i++ {
			anchor = b.String() + "-" + strconv.Itoa(i)
		}
		anchors[anchor] = true
	})
	return anchors
}

func plainText(n gmast.Node, source []byte) string {
	var b strings.Builder
	_ = gmast.Walk(n, func(n gmast.Node, entering bool) (gmast.WalkStatus, error) {
		if n, ok := n.(*gmast.Text); ok && entering {
			b.Write(n.Segment.Value(source))
		}
		return gmast.WalkContinue, nil
	})
	return b.String()
}

// TestConfigurationIsComplete expects each setting of the library in docs/configuration.md.
func TestConfigurationIsComplete(t *testing.T) {
	var settings []string
	for _, pkg := range []string{"shutdown", "group", "shutdown/httpdrain", "shutdown/grpcdrain", "shutdown/kube", "shutdown/sdnotify"} {
		for _, f := range parseFolder(t, pkg) {
			settings = append(settings, settingsOf(f, path.Base(pkg))...)
		}
	}
	expectCode(t, "docs/configuration.md", settings)
}

// settingsOf are the exported fields of Coordinator and Group, the functions that return an
// Option, and the environment variables that are read.
func settingsOf(f *ast.File, pkg string) (settings []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.TypeSpec:
			if s, ok := n.Type.(*ast.StructType); ok && (n.Name.Name == "Coordinator" || n.Name.Name == "Group") {
				for _, field := range s.Fields.List {
					for _, name := range field.Names {
						if name.IsExported() {
							settings = append(settings, name.Name)
						}
					}
				}
			}
		case *ast.FuncDecl:
			if n.Name.IsExported() && n.Recv == nil && returnsOption(n) {
				settings = append(settings, pkg+"."+n.Name.Name)
			}
		case *ast.BasicLit:
			if name, err := strconv.Unquote(n.Value); err == nil && variableName.MatchString(name) {
				settings = append(settings, name)
			}
		}
		return true
	})
	return settings
}

// variableName is what an environment variable is called, and no other text in the code.
var variableName = regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$`)

func returnsOption(f *ast.FuncDecl) bool {
	if f.Type.Results == nil || len(f.Type.Results.List) != 1 {
		return false
	}
	name, ok := f.Type.Results.List[0].Type.(*ast.Ident)
	return ok && name.Name == "Option"
}

// TestOperatingIsComplete expects each message of the log, and each outcome of a step, in
// docs/operating.md.
func TestOperatingIsComplete(t *testing.T) {
	var texts []string
	for _, f := range parseFolder(t, "shutdown") {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr: // j.log(level, message, ...), j.writeWaiting(level, message, ...)
				if fun, ok := n.Fun.(*ast.SelectorExpr); ok && (fun.Sel.Name == "log" || fun.Sel.Name == "writeWaiting") && len(n.Args) > 1 {
					texts = append(texts, literals(n.Args[1])...)
				}
			case *ast.AssignStmt: // level, message := ..., "message"
				for i, left := range n.Lhs {
					if name, ok := left.(*ast.Ident); ok && name.Name == "message" && len(n.Rhs) == len(n.Lhs) {
						texts = append(texts, literals(n.Rhs[i])...)
					}
				}
			case *ast.ValueSpec: // var outcomes = [...]string{...}
				if n.Names[0].Name == "outcomes" && len(n.Values) == 1 {
					texts = append(texts, literals(n.Values[0])...)
				}
			}
			return true
		})
	}
	if len(texts) < 20 {
		t.Fatalf("found only the texts %q: has the log changed its form?", texts)
	}
	expectCode(t, "docs/operating.md", texts)
}

func literals(e ast.Expr) (texts []string) {
	ast.Inspect(e, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if s, err := strconv.Unquote(lit.Value); err == nil {
				texts = append(texts, s)
			}
		}
		return true
	})
	return texts
}

// expectCode expects each text in code font on the page, alone or with more behind it.
func expectCode(t *testing.T, name string, texts []string) {
	t.Helper()
	if len(texts) == 0 {
		t.Fatalf("there is nothing to look for in %s", name)
	}
	p := readPage(t, name)
	code := make(map[string]bool)
	each(p, func(c *gmast.CodeSpan) {
		code[strings.TrimSpace(plainText(c, p.text))] = true
	})
	for _, text := range texts {
		if !code[text] {
			t.Errorf("%s does not have `%s`", name, text)
		}
	}
}

// parseFolder parses the files of a package that are no tests.
func parseFolder(t *testing.T, folder string) (files []*ast.File) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*.go"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no Go files in %s: %v", folder, err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}
