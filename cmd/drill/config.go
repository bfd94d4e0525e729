package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// A mode is a way to stop the server.
type mode string

const (
	direct  mode = "direct"
	rolling mode = "rolling"
	haproxy mode = "haproxy"
)

type config struct {
	modes   []mode
	control bool
	runs    int
	while   string // a shell command
	page    string // file for the HTML page, or empty
	json    bool

	command                                []string
	url, ready, stream, body, executed     string // templates
	clients, fresh, h2                     int
	streams, idle, silent                  int
	think                                  time.Duration // mean
	load                                   time.Duration
	requests                               int
	timeout, startLimit, stopLimit, polled time.Duration
}

func (c *config) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("drill", flag.ContinueOnError)
	fs.Func("mode", "`how` the server is stopped: direct, rolling, haproxy, or several with commas (default direct)", c.setModes)
	fs.BoolVar(&c.control, "control", false, "run each drill on a plain http.Server with Shutdown too; it must lose requests")
	fs.IntVar(&c.runs, "runs", 1, "hold each drill `n` times")
	fs.StringVar(&c.while, "while", "", "start no server: put load on -url while this shell `command` runs, which stops or rolls the servers there")
	fs.StringVar(&c.page, "o", "", "write one self-contained HTML page to `file`")
	fs.BoolVar(&c.json, "json", false, "print the results as JSON")

	fs.StringVar(&c.url, "url", "http://127.0.0.1:{{.Port}}/", "`URL` that requests are POSTed to; https verifies no certificate")
	fs.StringVar(&c.ready, "ready-url", "", "`URL` that answers 2xx while the server is ready; without it, a server is ready when it accepts connections")
	fs.StringVar(&c.stream, "stream-url", "", "`URL` whose GET has a long answer; without it there are no streams")
	fs.StringVar(&c.body, "body", "{{.ID}}", "body of a request, as a `template`; {{.ID}} is unique and also in the header X-Request-Id")
	fs.StringVar(&c.executed, "executed", "", "`files` (a pattern) in which the server leaves the id of each request that it executes; - is its output")

	fs.IntVar(&c.clients, "clients", 64, "`n` clients with a kept-alive HTTP/1.1 connection each; every second one never pauses")
	fs.IntVar(&c.fresh, "new", 4, "`n` clients that connect anew for each request")
	fs.IntVar(&c.h2, "h2", 8, "`n` clients that share an HTTP/2 connection, if the server offers that")
	fs.IntVar(&c.streams, "streams", 4, "`n` streams, if there is a -stream-url")
	fs.IntVar(&c.idle, "idle", 4, "`n` connections that say nothing after one request")
	fs.IntVar(&c.silent, "silent", 4, "`n` connections that never say anything")
	fs.DurationVar(&c.think, "think", 10*time.Millisecond, "mean pause of the clients that do pause")

	fs.DurationVar(&c.load, "load", 2*time.Second, "`time` under load before the first SIGTERM")
	fs.IntVar(&c.requests, "requests", 0, "at least `n` requests are answered; in mode direct, before SIGTERM")
	fs.DurationVar(&c.timeout, "timeout", 10*time.Second, "the `time` after which an answer counts as lost")
	fs.DurationVar(&c.startLimit, "start", 30*time.Second, "the most `time` that the server may take to be ready")
	fs.DurationVar(&c.stopLimit, "limit", 30*time.Second, "the most `time` from SIGTERM to the exit; then the server is killed")
	fs.DurationVar(&c.polled, "poll", 100*time.Millisecond, "the `time` between two checks of -ready-url; after two failures a server is taken out")
	return fs
}

// parseConfig writes help to out. Its error is flag.ErrHelp after that.
func parseConfig(args []string, out io.Writer) (*config, error) {
	c := &config{modes: []mode{direct}}
	fs := c.flags()
	fs.SetOutput(io.Discard)
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprint(out, usage)
			fs.SetOutput(out)
			fs.PrintDefaults()
			return nil, err
		}
		return nil, fmt.Errorf("%w (-help lists the flags)", err)
	}
	c.command = fs.Args()
	return c, c.check(fs)
}

const usage = `usage: drill [flags] [-- command args...]
       drill -while command -url URL [flags]

Starts the command, puts load on it, sends SIGTERM, and reports which requests were
lost: written to an established connection, without a complete answer. In args and URLs {{.Port}}, {{.AdminPort}} and
{{.Dir}} differ between instances; they are also in $PORT, $ADMIN_PORT and $DRILL_DIR.

Exit status: 0 nothing lost, 1 something lost or a bad exit, 2 the drill could not be held.

`

func (c *config) setModes(s string) error {
	c.modes = nil
	for name := range strings.SplitSeq(s, ",") {
		m := mode(name)
		if !slices.Contains([]mode{direct, rolling, haproxy}, m) {
			return errors.New("want direct, rolling, haproxy, or several with commas")
		}
		c.modes = append(c.modes, m)
	}
	return nil
}

func (c *config) check(fs *flag.FlagSet) error {
	var err error
	set := map[string]bool{}
	fs.Visit(func(f *flag.Flag) {
		set[f.Name] = true
		getter, ok := f.Value.(flag.Getter)
		if !ok {
			return // checked by its own function
		}
		switch v := getter.Get().(type) {
		case int:
			if v < 0 || v == 0 && f.Name == "runs" {
				err = fmt.Errorf("-%s %d: want more", f.Name, v)
			}
		case time.Duration:
			if v < 0 || v == 0 && f.Name != "think" && f.Name != "load" {
				err = fmt.Errorf("-%s %v: want more", f.Name, v)
			}
		}
	})
	if err != nil {
		return err
	}
	if c.while != "" {
		if err := c.checkWhile(set); err != nil {
			return err
		}
		c.modes = []mode{during}
	}
	if len(c.command) == 0 && c.while == "" && !c.control {
		return errors.New("there is no server to stop: drill [flags] -- command args (-help lists the flags)")
	}
	if c.clients+c.fresh+c.h2 == 0 {
		return errors.New("there is no load: all of -clients, -new and -h2 are 0")
	}
	if slices.Contains(c.modes, haproxy) {
		if _, err := exec.LookPath("haproxy"); err != nil {
			return errors.New("mode haproxy needs haproxy, which is not installed (apt-get install haproxy)")
		}
	}
	return c.checkTemplates()
}

// checkTemplates finds errors in templates before the first drill.
func (c *config) checkTemplates() error {
	v := vars{Port: 1, AdminPort: 2, Dir: "/"}
	for _, arg := range c.command {
		if _, err := v.expand(arg); err != nil {
			return fmt.Errorf("argument %q: %w", arg, err)
		}
	}
	if _, err := v.expandBody(c.body); err != nil {
		return fmt.Errorf("-body: %w", err)
	}
	for name, text := range map[string]string{"url": c.url, "ready-url": c.ready, "stream-url": c.stream, "executed": c.executed} {
		s, err := v.expand(text)
		if err == nil && s != "" && name != "executed" {
			err = checkURL(s)
		}
		if err != nil {
			return fmt.Errorf("-%s: %w", name, err)
		}
	}
	return nil
}

func checkURL(s string) error {
	u, err := url.Parse(s)
	if err != nil {
		return err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q: want http://host:port/path or https://…", s)
	}
	return nil
}
