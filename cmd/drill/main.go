// Command drill stops an HTTP server under load and reports which requests were lost.
//
//	drill [flags] -- ./server args                      # any server, in any language
//	drill -control -o drill.html -- ./server args       # beside a plain http.Server, as a page
//	drill -while 'command' -url URL                     # servers that something else restarts
//
// It starts the server, waits until it is ready, sends requests, sends SIGTERM, and keeps sending
// requests until the process has ended. README.md explains the counts and the grades.
//
// # Modes
//
//	direct   one server; a client that is told to go leaves
//	rolling  two servers, restarted one after the other; the clients take turns between
//	         those that are ready
//	haproxy  the same behind haproxy, where it is installed
//
// # Arguments of the command
//
// In the command's arguments, in all URLs and in -executed these names are replaced by the values of
// the instance:
//
//	{{.Port}}       a free port, also in $PORT
//	{{.AdminPort}}  another one, also in $ADMIN_PORT
//	{{.Dir}}        a folder that is removed at the end, also in $DRILL_DIR
//
// A restarted instance gets the same values.
//
// # Exit status
//
//	0  nothing was lost, or no more than -max-lost, and every process ended in time and with status 0
//	1  more was lost, or a process had to be killed or ended with another status
//	2  there was no drill: wrong usage, a server that does not start, a control
//	   that lost nothing
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

func main() {
	if os.Getenv(plainEnv) != "" {
		os.Exit(plain(os.Args[1:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the drill at once
	code := drill(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// drill returns the exit status.
func drill(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ok, err := holdAll(ctx, args, stdout, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "drill:", err)
		return 2
	case !ok:
		return 1
	}
	return 0
}

// holdAll runs every drill of the command line and writes the reports. ok means that no subject lost
// a request or was late.
func holdAll(ctx context.Context, args []string, stdout, stderr io.Writer) (ok bool, err error) {
	cfg, err := parseConfig(args, stderr)
	if err != nil {
		return false, err
	}
	if runtime.GOOS == "windows" {
		return false, errors.New("there is no SIGTERM on Windows")
	}
	if err := cfg.files.create(); err != nil { // before minutes are spent for nothing
		return false, err
	}
	defer cfg.files.remove()
	dir, err := os.MkdirTemp("", "drill-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)

	began := time.Now()
	subjects, err := cfg.subjects()
	if err != nil {
		return false, err
	}
	var all []*Report
	for _, mode := range cfg.modes {
		reports, err := cfg.holdMode(ctx, mode, subjects, dir, stderr)
		if err != nil {
			return false, err
		}
		for _, rep := range reports {
			if !cfg.json {
				fmt.Fprintln(stdout, rep)
			}
		}
		all = append(all, reports...)
	}
	doc := newDocument(cfg, began, all)
	if cfg.json {
		if err := doc.writeJSON(stdout); err != nil {
			return false, err
		}
	}
	if err := cfg.files.write(doc); err != nil {
		return false, err
	}
	return verdict(all, cfg.maxLost)
}

// holdMode drills the subjects in turn, so that other work on the machine affects all alike.
func (c *config) holdMode(ctx context.Context, m mode, subjects []*subject, dir string, progress io.Writer) ([]*Report, error) {
	var reports []*Report
	for _, s := range subjects {
		reports = append(reports, &Report{Server: s.name, Control: s.control, Mode: m})
	}
	for range c.runs {
		for n, s := range subjects {
			d := &session{cfg: c, mode: m, subject: s, dir: dir, progress: newProgress(progress)}
			r, err := d.hold(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", s.name, m, err)
			}
			reports[n].add(r)
		}
	}
	return reports, nil
}
