package main

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
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

const defaultURL = "http://127.0.0.1:{{.Port}}/"

type config struct {
	wire
	modes   []mode
	control bool
	runs    int
	maxLost int
	while   string // a shell command
	name    string
	json    bool
	files   outputs

	given                 map[string]string
	command               []string
	ready, executed       string // templates
	clients, fresh, h2    int
	streams, idle, silent int
	webSockets            int
	think                 time.Duration // mean
	load                  time.Duration
	requests              int
	timeout, polled       time.Duration
	startLimit, stopLimit time.Duration
	signal                stopSignal
}

// perProcessor returns a number of clients that fits the machine, on which the servers run too.
func perProcessor(n int) int { return n * min(runtime.GOMAXPROCS(0), 8) }

func (c *config) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("drill", flag.ContinueOnError)
	fs.Func("mode", "`how` the server is stopped: direct, rolling, haproxy, or several with commas (default direct)", c.setModes)
	fs.BoolVar(&c.control, "control", false, "run each drill on a plain http.Server with Shutdown too; it must lose requests")
	fs.IntVar(&c.runs, "runs", 3, "hold each drill `n` times; the worst counts")
	fs.IntVar(&c.maxLost, "max-lost", 0, "exit with status 0 if no run lost more than `n` requests")
	fs.StringVar(&c.while, "while", "", "start no server: put load on -url while this shell `command` runs, which stops or rolls the servers there")
	fs.StringVar(&c.name, "name", "", "`name` of the server in the report; without it, that of the command")
	fs.Func("o", "write the report to a `file`.html or file.json as well; json alone prints JSON instead of text", c.setOutput)

	fs.StringVar(&c.url, "url", defaultURL, "`URL` of the requests; https verifies no certificate")
	fs.StringVar(&c.method, "method", http.MethodPost, "`method` of the requests")
	fs.Var(&c.header, "header", "`\"Name: value\"` to send with each request; may be repeated")
	fs.StringVar(&c.body, "body", "{{.ID}}", "body of a request, as a `template`; {{.ID}} is unique and also in the header X-Request-Id (default {{.ID}}, or none with -method GET or HEAD)")
	fs.StringVar(&c.ready, "ready-url", "", "`URL` that answers 2xx while the server is ready; without it, a server is ready when it accepts connections")
	fs.StringVar(&c.stream, "stream-url", "", "`URL` whose GET has a long answer; without it there are no streams")
	fs.StringVar(&c.grpc, "grpc-url", "", "`URL` http://host:port/package.Service/Method of a gRPC method with one answer")
	fs.StringVar(&c.grpcStream, "grpc-stream-url", "", "`URL` of a gRPC method with a stream of answers")
	fs.Func("grpc-message", "message to send to gRPC methods, as its bytes in `hex`; without it, the empty one", c.setMessage)
	fs.StringVar(&c.ws, "ws-url", "", "`URL` ws://host:port/path of a WebSocket")
	fs.StringVar(&c.hello, "ws-message", "", "`text` to send on each WebSocket when it is open, as a template")
	fs.StringVar(&c.executed, "executed", "", "`files` (a pattern) in which the server leaves the id of each request that it executes; - is its output")

	fs.IntVar(&c.clients, "clients", perProcessor(32), "`n` clients with a kept-alive HTTP/1.1 connection each; every second one never pauses; without it, 32 for each of at most 8 processors")
	fs.IntVar(&c.fresh, "new", perProcessor(2), "`n` clients that connect anew for each request")
	fs.IntVar(&c.h2, "h2", perProcessor(4), "`n` clients that share an HTTP/2 connection, if the server offers that; also of -grpc-url")
	fs.IntVar(&c.streams, "streams", 4, "`n` streams of each kind that has a URL")
	fs.IntVar(&c.webSockets, "websockets", 500, "`n` WebSockets, if there is -ws-url; fewer if the drill may not open as many files")
	fs.IntVar(&c.idle, "idle", 4, "`n` connections that say nothing after one request")
	fs.IntVar(&c.silent, "silent", 4, "`n` connections that never say anything")
	fs.DurationVar(&c.think, "think", 10*time.Millisecond, "mean pause of the clients that do pause")

	fs.DurationVar(&c.load, "load", 2*time.Second, "`time` under load before the first signal")
	fs.IntVar(&c.requests, "requests", 0, "at least `n` requests are answered; in mode direct, before the signal")
	fs.DurationVar(&c.timeout, "timeout", 10*time.Second, "the `time` after which an answer counts as lost")
	fs.DurationVar(&c.startLimit, "start", 30*time.Second, "the most `time` that the server may take to be ready")
	fs.Var(&c.signal, "signal", "`name` of the signal that stops the server")
	fs.DurationVar(&c.stopLimit, "limit", 30*time.Second, "the most `time` from the signal to the exit; then the server is killed")
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
	set := map[string]bool{}
	c.given = map[string]string{}
	fs.Visit(func(f *flag.Flag) {
		set[f.Name] = true
		c.given[f.Name] = f.Value.String()
	})
	for n, line := range c.header {
		name, _, _ := strings.Cut(line, ":")
		c.given[fmt.Sprint("header ", n+1)] = strings.TrimSpace(name) // the value may be a secret
	}
	delete(c.given, "header")
	if !set["url"] && (c.grpc != "" || c.grpcStream != "" || c.ws != "") {
		c.url = "" // the server may speak nothing but these
	}
	if !set["body"] && (c.method == http.MethodGet || c.method == http.MethodHead) {
		c.body = ""
	}
	return c, c.check(fs, set)
}

const usage = `usage: drill [flags] [-- command args...]
       drill -while command -url URL [flags]

Starts the command, puts load on it, sends SIGTERM or -signal, and reports which requests were
lost: written to an established connection, without a complete answer. In args and URLs {{.Port}}, {{.AdminPort}} and
{{.Dir}} differ between instances; they are also in $PORT, $ADMIN_PORT and $DRILL_DIR.

Exit status: 0 nothing lost (or no more than -max-lost), 1 something lost or a bad exit,
2 the drill could not be held.

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

// setOutput takes json, or the name of a file.
func (c *config) setOutput(s string) error {
	if s == "json" {
		c.json = true
		return nil
	}
	switch filepath.Ext(s) {
	case ".html", ".json":
		c.files = append(c.files, &output{path: s})
		return nil
	}
	return errors.New("want json, or the name of a file that ends in .html or .json")
}

func (c *config) setMessage(s string) error {
	b, err := hex.DecodeString(s)
	c.message = string(b)
	return err
}

func (c *config) check(fs *flag.FlagSet, set map[string]bool) error {
	var err error
	fs.Visit(func(f *flag.Flag) {
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
	if c.url != "" && c.clients+c.fresh+c.h2 == 0 {
		return errors.New("there is no load: all of -clients, -new and -h2 are 0")
	}
	if slices.Contains(c.modes, haproxy) && (c.grpc != "" || c.grpcStream != "" || c.ws != "") {
		return errors.New("mode haproxy has no gRPC and no WebSockets")
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
	if _, err := c.expand(v); err != nil {
		return err
	}
	ready, err := v.expand(c.ready)
	if err == nil && ready != "" {
		err = checkURL(ready, []string{"http", "https"})
	}
	if err != nil {
		return fmt.Errorf("-ready-url: %w", err)
	}
	if _, err := v.expand(c.executed); err != nil {
		return fmt.Errorf("-executed: %w", err)
	}
	return nil
}
