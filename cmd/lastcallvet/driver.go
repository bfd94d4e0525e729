package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"

	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/checker"
	"golang.org/x/tools/go/packages"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/checks"
)

// The exit statuses are those of multichecker: 3 where there are findings.
const (
	statusOK       = 0
	statusFailed   = 1
	statusFindings = 3
)

type options struct {
	json, fix, diff bool
	context         int
	tags            string
	only            map[string]*bool
}

// run checks packages. It works like multichecker, but reads dependencies from
// the build cache instead of their source, which takes a tenth of the time. Only
// packages of the module have facts. Tests are not loaded, because nothing is
// reported in them.
func run(args []string, stdout, stderr io.Writer) int {
	opts, patterns, err := parse(args, stderr)
	if err != nil {
		return statusFailed
	}
	if opts.fix {
		return vet(args, stdout, stderr)
	}
	graph, broken, err := analyze(opts, patterns)
	if err != nil {
		fmt.Fprintln(stderr, "lastcallvet:", err)
		return statusFailed
	}
	if opts.json {
		err = graph.PrintJSON(stdout)
	} else {
		err = graph.PrintText(stderr, opts.context)
	}
	if err != nil {
		fmt.Fprintln(stderr, "lastcallvet:", err)
		return statusFailed
	}
	for _, err := range broken {
		fmt.Fprintln(stderr, "lastcallvet: not checked:", err)
	}
	if len(broken) > 0 {
		return statusFailed
	}
	return status(graph, opts)
}

func status(graph *checker.Graph, opts options) int {
	code := statusOK
	for _, act := range graph.Roots {
		switch {
		case act.Err != nil:
			return statusFailed
		case len(act.Diagnostics) > 0 && !opts.json:
			code = statusFindings
		}
	}
	return code
}

func parse(args []string, stderr io.Writer) (options, []string, error) {
	opts := options{only: map[string]*bool{}}
	fs := flag.NewFlagSet("lastcallvet", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.BoolVar(&opts.json, "json", false, "print the findings as JSON, and exit with status 0")
	fs.BoolVar(&opts.fix, "fix", false, "apply the fixes, through go vet -fix")
	fs.BoolVar(&opts.diff, "diff", false, "with -fix: print the fixes as a diff instead")
	fs.IntVar(&opts.context, "c", -1, "print `N` lines of context with a finding")
	fs.StringVar(&opts.tags, "tags", "", "build `tags`, separated by commas")
	for _, a := range checks.All {
		opts.only[a.Name] = fs.Bool(a.Name, false, "run only this check and others named like it; "+a.Name+"=false leaves it out")
	}
	if err := fs.Parse(args); err != nil {
		return opts, nil, err
	}
	if fs.NArg() == 0 {
		fmt.Fprintln(stderr, "lastcallvet: no packages; for those of this module: lastcallvet ./...")
		return opts, nil, flag.ErrHelp
	}
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { set[f.Name] = true })
	for name := range opts.only {
		if !set[name] {
			delete(opts.only, name)
		}
	}
	return opts, fs.Args(), nil
}

// enabled lists the checks that the flags select.
func (o options) enabled() []*analysis.Analyzer {
	named := false
	for _, on := range o.only {
		named = named || *on
	}
	return slices.DeleteFunc(slices.Clone(checks.All), func(a *analysis.Analyzer) bool {
		on := o.only[a.Name]
		return named && (on == nil || !*on) || on != nil && !*on
	})
}

// analyze runs the checks on the packages that compile, and returns the errors
// of the others.
func analyze(opts options, patterns []string) (graph *checker.Graph, broken []error, err error) {
	cfg := &packages.Config{
		Mode: packages.NeedName | packages.NeedImports | packages.NeedDeps | packages.NeedModule,
	}
	if opts.tags != "" {
		cfg.BuildFlags = []string{"-tags=" + opts.tags}
	}
	named, err := packages.Load(cfg, patterns...)
	if err != nil {
		return nil, nil, err
	}
	wanted := map[string]bool{}
	for _, p := range named {
		wanted[p.ID] = true
	}
	// Packages of the module that these import are analyzed too, for their facts.
	all := patterns
	for p := range packages.Postorder(named) {
		if own(p) && !wanted[p.ID] {
			all = append(all[:len(all):len(all)], p.PkgPath)
		}
	}
	cfg.Mode = packages.LoadSyntax | packages.NeedModule
	pkgs, err := packages.Load(cfg, all...)
	if err != nil {
		return nil, nil, err
	}
	loaded := map[*packages.Package]bool{}
	for _, p := range pkgs {
		loaded[p] = !p.IllTyped
		for _, err := range p.Errors {
			broken = append(broken, err)
		}
	}
	pkgs = slices.DeleteFunc(pkgs, func(p *packages.Package) bool { return p.IllTyped })
	for _, p := range pkgs {
		for path, imp := range p.Imports {
			if !loaded[imp] {
				delete(p.Imports, path)
			}
		}
	}
	graph, err = checker.Analyze(opts.enabled(), pkgs, nil)
	if err != nil {
		return nil, nil, err
	}
	graph.Roots = slices.DeleteFunc(graph.Roots, func(act *checker.Action) bool { return !wanted[act.Package.ID] })
	return graph, broken, nil
}

// own reports whether a package is of a main module.
func own(p *packages.Package) bool { return p.Module != nil && p.Module.Main }

// vet runs the command under go vet, which can apply fixes.
func vet(args []string, stdout, stderr io.Writer) int {
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(stderr, "lastcallvet:", err)
		return statusFailed
	}
	cmd := exec.Command("go", append([]string{"vet", "-vettool=" + self}, args...)...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, stdout, stderr
	if err := cmd.Run(); err != nil {
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
			return exit.ExitCode()
		}
		fmt.Fprintln(stderr, "lastcallvet:", err)
		return statusFailed
	}
	return statusOK
}
