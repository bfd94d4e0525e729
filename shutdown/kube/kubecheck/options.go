package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/check"
	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/manifest"
)

const (
	// ownGrace is shutdown.DefaultGrace, from which the drain follows where neither a flag
	// nor the plan says how long it takes.
	ownGrace = 25 * time.Second
	// ownMargin is what the program keeps back from a grace period that it reads in its
	// environment.
	ownMargin = 2 * time.Second
	// ownPath is where kube.Handler has the handshake.
	ownPath = "/prestop"
)

// options is a command line.
type options struct {
	budget check.Budget
	files  []string
	strict bool
	write  func(io.Writer, *report) error
}

const usage = `usage: kubecheck [flags] FILE|DIRECTORY|- ...

kubecheck compares what a program needs in order to end with what its manifests
give it:

  required = preStop wait + in-process delay + drain + cleanup
  headroom = terminationGracePeriodSeconds - required

It reads YAML and JSON, of one or more documents: Deployment, StatefulSet,
DaemonSet, ReplicaSet, Job, CronJob and Pod, alone or in a List; of directories
all *.yaml, *.yml and *.json below them; - is standard input.

The exit status is 0, 1 for errors (with -strict for warnings too), or 2 for
input that cannot be read or understood.

What the program needs is said by these flags, or by -plan:

`

const planShape = `
The plan is a JSON object that the program prints. Every field may be absent;
flags win over it; a field that is not listed here is an error.

  {"container": "app", "grace_seconds": 30, "grace_source": "environment",
   "pre_stop_seconds": 0, "delay_seconds": 5, "drain_seconds": 23, "cleanup_seconds": 0,
   "margin_seconds": 2, "signals": ["SIGTERM", "SIGINT"],
   "prestop": {"path": "/prestop", "port": 9090, "port_name": "admin",
               "exec": "/app prestop"}}

grace_seconds and pre_stop_seconds are what the program was told of its pod. The drain, if
it is not there, is what the library would make of them.
`

// parseOptions reads the arguments, and the plan if they name one. Help goes to help.
func parseOptions(args []string, stdin io.Reader, help io.Writer) (*options, error) {
	o := &options{}
	var planFile, format string
	var flags plan // only what was given
	fs := flag.NewFlagSet("kubecheck", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("container", "`name` of the program's container (default: the only one, the default-container annotation's, or those whose hook is the program's)", text(&flags.Container))
	fs.Func("delay", "`time` that the program serves on after the request to stop, such as 5s (default 0s)", duration(&flags.Delay))
	fs.Func("drain", "`time` that it then takes to stop its tasks (default: what delay and cleanup leave of its grace period, 25s)", duration(&flags.Drain))
	fs.Func("cleanup", "`time` that its handlers take after that (default 0s)", duration(&flags.Cleanup))
	fs.Func("margin", "`time` that shall be left over (default 2s)", duration(&flags.Margin))
	fs.Func("prestop-path", "`path` of the handshake for an httpGet hook, empty if the program has none (default "+ownPath+")", text(&flags.PreStop.Path))
	fs.Func("prestop-port", "`number` of the handshake's port (default: any)", port(&flags.PreStop.Port))
	fs.Func("prestop-port-name", "`name` of the handshake's port (default: any)", text(&flags.PreStop.PortName))
	fs.Func("prestop-exec", "`command` of the handshake for an exec hook, such as \"/app prestop\"; more arguments may follow it (default: none)", text(&flags.PreStop.Exec))
	fs.Func("signals", "`list` of the signals that the program listens to (default SIGTERM,SIGINT)", signals(&flags.Signals))
	fs.StringVar(&planFile, "plan", "", "JSON `file` with all that, as the program prints it; - is standard input")
	fs.StringVar(&format, "o", "table", "output `format`: table or json")
	fs.BoolVar(&o.strict, "strict", false, "warnings count as errors do for the exit status")

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
		return nil, fmt.Errorf("-o %q: want table or json", format)
	}
	if err := o.checkFiles(planFile); err != nil {
		return nil, err
	}
	p, err := readPlan(planFile, stdin)
	if err != nil {
		return nil, fmt.Errorf("-plan %s: %w", planFile, err)
	}
	o.budget = p.with(flags).budget()
	o.budget.Grace = p.limit() // flags say what is required, not when the program gives up
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
		return errors.New("name a file, a directory, or - for standard input")
	case onStdin > 1:
		return errors.New("standard input can be read once only")
	case slices.Contains(o.files, ""):
		return errors.New("a file's name is empty")
	}
	return nil
}

// parseMixed parses flags that may stand before, between and after the arguments.
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
			return errors.New("want a time with its unit, such as 5s")
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

var signalName = regexp.MustCompile(`^SIG[A-Z]+[0-9]?([+-][0-9]+)?$`)

// signalNames are the names as Kubernetes writes them; TERM is accepted for SIGTERM. They
// are never nil.
func signalNames(names []string) ([]string, error) {
	full := make([]string, 0, len(names))
	for _, name := range names {
		name = strings.ToUpper(name)
		if !strings.HasPrefix(name, "SIG") {
			name = "SIG" + name
		}
		if !signalName.MatchString(name) {
			return nil, fmt.Errorf("%q is not the name of a signal", name)
		}
		full = append(full, name)
	}
	return full, nil
}
