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
// In the command's arguments, -url, -ready-url, -stream-url and -executed these names are replaced
// by the values of the instance:
//
//	{{.Port}}       a free port, also in $PORT
//	{{.AdminPort}}  another one, also in $ADMIN_PORT
//	{{.Dir}}        a folder that is removed at the end, also in $DRILL_DIR
//
// A restarted instance gets the same values.
//
// # Exit status
//
//	0  nothing was lost, and every process ended in time and with status 0
//	1  something was lost, or a process ended late or with another status
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
	page, err := createPage(cfg.page) // before minutes are spent for nothing
	if err != nil {
		return false, err
	}
	defer page.Close()
	dir, err := os.MkdirTemp("", "drill-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(dir)

	subjects, err := cfg.subjects()
	if err != nil {
		return false, err
	}
	var results []*Result
	for _, mode := range cfg.modes {
		for range cfg.runs {
			for _, s := range subjects {
				d := &session{cfg: cfg, mode: mode, subject: s, dir: dir, progress: newProgress(stderr)}
				r, err := d.hold(ctx)
				if err != nil {
					return false, fmt.Errorf("%s, %s: %w", s.name, mode, err)
				}
				results = append(results, r)
				if !cfg.json {
					fmt.Fprintln(stdout, r)
				}
			}
		}
	}
	if cfg.json {
		if err := writeJSON(stdout, results); err != nil {
			return false, err
		}
	}
	if err := page.write(results, time.Now()); err != nil {
		return false, err
	}
	return verdict(results)
}

// verdict is the exit status of all drills together. If the control lost nothing, the other results
// mean nothing either: the load did not hit the moments in which requests are lost.
func verdict(results []*Result) (ok bool, err error) {
	ok = true
	controls, lost := map[mode]bool{}, map[mode]bool{}
	for _, r := range results {
		switch {
		case !r.Control:
			ok = ok && r.passed()
		case r.requestsLost() > 0:
			lost[r.Mode] = true
			fallthrough
		default:
			controls[r.Mode] = true
		}
	}
	for m := range controls {
		if !lost[m] {
			return false, fmt.Errorf("the control lost nothing in mode %s, so this drill proves nothing: use more -clients, or more -runs", m)
		}
	}
	return ok, nil
}
