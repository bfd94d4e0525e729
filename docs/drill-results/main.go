// Command drill-results drills the servers in the folder servers, and writes results.json and the
// table in README.md.
//
//	go run ./docs/drill-results                  # all servers
//	go run ./docs/drill-results -only gin,nginx  # some; the others keep their rows
//	go run ./docs/drill-results -table           # none; README.md is written from results.json
//
// Exit status: 0 every server was drilled, or its program is not installed; 1 a server was not drilled;
// 2 wrong usage, or nothing could be drilled.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	failed, err := measure(ctx, args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(os.Stderr, "drill-results:", err)
		return 2
	case failed:
		return 1
	}
	return 0
}

func measure(ctx context.Context, args []string) (failed bool, err error) {
	fs := flag.NewFlagSet("drill-results", flag.ContinueOnError)
	only := fs.String("only", "", "drill these `folders` of servers, with commas between them")
	table := fs.Bool("table", false, "drill nothing: write README.md from results.json")
	if err := fs.Parse(args); err != nil {
		return false, err
	}
	chosen, err := choose(*only)
	if err != nil {
		return false, err
	}
	dir, err := command(ctx, "", "go", "list", "-m", "-f", "{{.Dir}}", "github.com/lastcall-go/lastcall/docs/drill-results").Output()
	if err != nil {
		return false, fmt.Errorf("the folder docs/drill-results was not found: call this command in a clone of the repository: %w", err)
	}
	b := &book{dir: strings.TrimSpace(string(dir))}
	if b.results, err = readResults(b.file("results.json")); err != nil {
		return false, err
	}
	if *table {
		return false, b.write()
	}
	return b.measure(ctx, chosen)
}

// choose returns the servers with these folders; all if there is no name.
func choose(names string) ([]server, error) {
	if names == "" {
		return servers, nil
	}
	var chosen []server
	for name := range strings.SplitSeq(names, ",") {
		n := slices.IndexFunc(servers, func(s server) bool { return s.Dir == name })
		if n < 0 {
			return nil, fmt.Errorf("-only %s: want of %s", name, strings.Join(dirs(), ","))
		}
		chosen = append(chosen, servers[n])
	}
	return chosen, nil
}

func dirs() (all []string) {
	for _, s := range servers {
		all = append(all, s.Dir)
	}
	return all
}

// A book is the folder of this program, and the results in it.
type book struct {
	dir     string
	results *Results
}

func (b *book) file(name string) string { return filepath.Join(b.dir, name) }

// measure drills one server after the other and writes the results of each at once, so that nothing is
// lost if a later one hangs.
func (b *book) measure(ctx context.Context, chosen []server) (failed bool, err error) {
	began := time.Now()
	l, err := newLab(ctx, b.dir)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, s := range chosen {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		at := time.Now()
		if missing := s.missing(); missing != "" {
			fmt.Printf("%-18s left out, and its row is kept: %s\n", s.Dir, missing)
			continue
		}
		e, m, err := l.drill(ctx, s)
		if err != nil && ctx.Err() == nil {
			fmt.Printf("%-18s once more, since there was no drill: %v\n", s.Dir, err)
			e, m, err = l.drill(ctx, s)
		}
		if err != nil {
			failed = true
			fmt.Printf("%-18s not drilled, and its row is kept: %v\n", s.Dir, err)
			continue
		}
		b.results.Machine, b.results.Flags = machine(), flags
		b.results.add(e, m)
		if err := b.write(); err != nil {
			return false, err
		}
		fmt.Printf("%-18s %s  (%v)\n", s.Dir, changes(e), time.Since(at).Round(time.Second))
	}
	fmt.Printf("%d servers in %v\n%s", len(chosen), time.Since(began).Round(time.Second), spread(b.results))
	return failed, nil
}

func (b *book) write() error {
	if err := b.results.write(b.file("results.json")); err != nil {
		return err
	}
	readme, err := os.ReadFile(b.file("README.md"))
	if err != nil {
		return err
	}
	text, err := insert(string(readme), render(b.results))
	if err != nil {
		return err
	}
	return os.WriteFile(b.file("README.md"), []byte(text), 0o644)
}

// command does without go.work, which leaves the module of the servers out.
func command(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	if dir != "" {
		cmd.Env = append(os.Environ(), "GOWORK=off")
	}
	return cmd
}
