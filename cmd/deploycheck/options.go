package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

const (
	// programGrace is shutdown.DefaultGrace. The default of the drain follows from it.
	programGrace = 25 * time.Second
	// handshakePath is the path of the handshake in kube.Handler.
	handshakePath = "/prestop"
)

// options are the options of the command line.
type options struct {
	budget check.Budget
	files  []string
	kind   string // of all files; empty: recognised
	fix    bool
	strict bool
	write  func(io.Writer, *report) error
}

const usage = `usage: deploycheck [flags] FILE|DIRECTORY|- ...

deploycheck checks that a program stops before its platform kills it. It compares
the time that the program needs with the time that its manifests give it:

  required = preStop wait + in-process delay + drain + cleanup
  headroom = terminationGracePeriodSeconds - required

It reads Kubernetes manifests (Deployments, StatefulSets, DaemonSets, ReplicaSets,
ReplicationControllers, Jobs, CronJobs and Pods), Compose files, Dockerfiles, systemd
units, ECS task definitions and Nomad jobs in JSON, fly.toml and Procfiles. In a
directory it reads all files *.yaml, *.yml, *.json and *.service, and those with the
names of the other kinds, recursively. - is standard input.

The exit status is 0 if there are no errors, 1 if there are errors (with -strict
also for warnings), and 2 if an input cannot be read or understood.

Describe the program by these flags, or by -plan. Its handshake is what package
kube serves as /prestop: it announces the stop and responds after the delay.

`

const planShape = `
The plan is a JSON object that the program prints. Every field is optional. Flags
override it. A field that is not listed here is an error.

  {"container": "app", "grace_seconds": 30, "grace_source": "environment",
   "pre_stop_seconds": 0, "delay_seconds": 5, "drain_seconds": 23, "cleanup_seconds": 0,
   "margin_seconds": 2, "signals": ["SIGTERM", "SIGINT"],
   "prestop": {"path": "/prestop", "port": 9090, "port_name": "admin",
               "exec": "/app prestop"},
   "delay_variable": "APP_DELAY"}

grace_seconds and pre_stop_seconds are the pod's grace period and the sleep of its
hook, as the program's environment has them. The drain follows from them if
drain_seconds is absent. delay_variable is the environment variable that sets the
program's delay. If grace_source is "environment" or "default", the program takes
its grace period from TERMINATION_GRACE_PERIOD_SECONDS. The values of both
variables in a manifest replace those of the plan.
`

// parseOptions parses the arguments and reads the plan. It writes the help of -h to help.
func parseOptions(args []string, stdin io.Reader, help io.Writer) (*options, error) {
	o := &options{}
	var planFile, format string
	var fix bool
	var flags plan // only the flags that were given
	fs := flag.NewFlagSet("deploycheck", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("container", "`name` of the program's container (default: the only one, the one that the annotation kubectl.kubernetes.io/default-container names, or those whose hook is the handshake)", text(&flags.Container))
	fs.Func("delay", "`time` that the program keeps serving after the request to stop, such as 5s (default 0s)", duration(&flags.Delay))
	fs.Func("drain", "`time` that the program needs to stop its tasks, after the delay (default: the program's grace period, 25s, less delay and cleanup)", duration(&flags.Drain))
	fs.Func("cleanup", "`time` that the program's handlers need, after the drain (default 0s)", duration(&flags.Cleanup))
	fs.Func("margin", "least `time` of headroom without a warning (default 2s)", duration(&flags.Margin))
	fs.Func("prestop-path", "`path` of the handshake for an httpGet hook; empty if the program has none (default "+handshakePath+")", text(&flags.PreStop.Path))
	fs.Func("prestop-port", "`number` of the handshake's port (default: any)", port(&flags.PreStop.Port))
	fs.Func("prestop-port-name", "`name` of the handshake's port (default: any)", text(&flags.PreStop.PortName))
	fs.Func("prestop-exec", "`command` of the handshake for an exec hook, such as \"/app prestop\"; more arguments may follow (default: none)", text(&flags.PreStop.Exec))
	fs.Func("signals", "`list` of the signals that the program handles (default SIGTERM,SIGINT)", signals(&flags.Signals))
	fs.StringVar(&o.kind, "kind", "", "`kind` of all files: "+strings.Join(manifest.Kinds(), ", ")+" (default: recognised by name and content)")
	fs.StringVar(&planFile, "plan", "", "JSON `file` with these values, as the program prints it; - is standard input")
	fs.StringVar(&format, "o", "table", "output `format`: table, json, sarif, or github for annotations in a workflow")
	fs.BoolVar(&fix, "fix", false, "print the smallest change as a patch, where one value is enough: the grace period")
	fs.BoolVar(&o.strict, "strict", false, "exit with status 1 for warnings, too")

	var err error
	if o.files, err = parseMixed(fs, args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(help)
			fmt.Fprint(help, usage)
			fs.PrintDefaults()
			fmt.Fprint(help, planShape)
		}
		return nil, err
	}
	if o.write = formats[format]; o.write == nil {
		return nil, fmt.Errorf("-o %q: want table, json, sarif or github", format)
	}
	if fix {
		if format != "table" {
			return nil, fmt.Errorf("-fix prints a patch, and not -o %s: use one of the two", format)
		}
		o.write, o.fix = writePatch, true
	}
	if o.kind != "" && !slices.Contains(manifest.Kinds(), o.kind) {
		return nil, fmt.Errorf("-kind %q: want %s", o.kind, strings.Join(manifest.Kinds(), ", "))
	}
	if err := o.checkFiles(planFile); err != nil {
		return nil, err
	}
	p, err := readPlan(planFile, stdin)
	if err != nil {
		return nil, fmt.Errorf("-plan %s: %w", planFile, err)
	}
	o.budget = p.with(flags).budget()
	o.budget.Grace = p.limit() // flags change what is required, not the program's grace period
	o.budget.FixedDrain = flags.Drain != nil
	o.budget.FromEnvironment = !o.budget.FixedDrain && (or(p.Source, "") == "environment" || or(p.Source, "") == "default")
	if flags.Delay != nil {
		o.budget.DelayVariable = ""
	}
	return o, nil
}

func (o *options) checkFiles(planFile string) error {
	onStdin := 0
	for _, f := range append([]string{planFile}, o.files...) {
		if f == manifest.Stdin {
			onStdin++
		}
	}
	switch {
	case len(o.files) == 0:
		return errors.New("no input: name a file, a directory, or - for standard input")
	case onStdin > 1:
		return errors.New("standard input can be read only once")
	case slices.Contains(o.files, ""):
		return errors.New("the name of an input is empty")
	}
	return nil
}

// parseMixed parses flags before, between and after the arguments.
func parseMixed(fs *flag.FlagSet, args []string) ([]string, error) {
	var rest []string
	for len(args) > 0 {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		left := fs.Args()
		if n := len(args) - len(left); n > 0 && args[n-1] == "--" {
			return append(rest, left...), nil
		}
		if len(left) == 0 {
			break
		}
		rest, args = append(rest, left[0]), left[1:]
	}
	return rest, nil
}

func text(to **string) func(string) error {
	return func(s string) error { *to = &s; return nil }
}

func duration(to **seconds) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return errors.New("want a time with a unit, such as 5s")
		}
		seconds := seconds(d)
		if err := seconds.check(); err != nil {
			return err
		}
		*to = &seconds
		return nil
	}
}

func port(to **int) func(string) error {
	return func(s string) error {
		var n int
		if _, err := fmt.Sscanf(s, "%d", &n); err != nil || fmt.Sprint(n) != s {
			return errors.New("want a number")
		}
		*to = &n
		return checkPort(n)
	}
}

func checkPort(n int) error {
	if n < 1 || n > 65535 {
		return fmt.Errorf("port %d is not between 1 and 65535", n)
	}
	return nil
}

func signals(to *[]string) func(string) error {
	return func(s string) (err error) {
		names := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
		*to, err = signalNames(names)
		return err
	}
}

// signalNames returns the names as Kubernetes writes them: TERM becomes SIGTERM. The result is not
// nil.
func signalNames(names []string) ([]string, error) {
	full := make([]string, 0, len(names))
	for _, name := range names {
		known, ok := manifest.SignalName(name)
		if !ok {
			return nil, fmt.Errorf("%q is not the name of a signal of Linux", name)
		}
		full = append(full, known)
	}
	return full, nil
}
