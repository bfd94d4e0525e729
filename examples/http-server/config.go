package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

type config struct {
	command      string // "" to serve
	addr, admin  string
	grace, delay time.Duration
	warmup       time.Duration
	spread       time.Duration
	db           string
	terminal     io.Writer // standard error if it is a terminal, else nil
}

// A setting is set by a flag or, without the flag, by an environment variable.
// Both call set, so they accept the same values and return the same errors.
type setting struct {
	flag, env, usage string
	set              func(string) error
}

func (c *config) settings() []setting {
	return []setting{
		{"addr", "HTTP_SERVER_ADDR", "`host:port` to serve on, port 0 for a free one (default " + c.addr + ")", address(&c.addr)},
		{"admin", "HTTP_SERVER_ADMIN", "`host:port` of the admin listener (default " + c.admin + ")", address(&c.admin)},
		{"grace", "HTTP_SERVER_GRACE", "grace period: `time` from the stop to the exit, such as 25s (default 25s, or from $TERMINATION_GRACE_PERIOD_SECONDS)", duration(&c.grace)},
		{"delay", "HTTP_SERVER_DELAY", "`time`, part of the grace period, to go on serving after /readyz has turned to 503 (default 0s)", duration(&c.delay)},
		{"warmup", "HTTP_SERVER_WARMUP", "`time` that the start takes to fill the database; until then /readyz is 503, and orders are refused (default 0s)", duration(&c.warmup)},
		{"spread", "HTTP_SERVER_SPREAD", "`time` over which streams and WebSockets are told to leave, each at a moment of its own (default 0s: all at once)", duration(&c.spread)},
		{"db", "HTTP_SERVER_DB", "SQLite `file` for the orders (default " + c.db + ")", file(&c.db)},
	}
}

// parseConfig reads an optional command, flags and the environment. A flag takes
// precedence over its variable. Errors name the flag or the variable and its
// value. Help is written to out.
func parseConfig(args []string, getenv func(string) string, out io.Writer) (config, error) {
	c := config{addr: "127.0.0.1:8080", admin: "127.0.0.1:9090", db: defaultDB()}
	settings := c.settings()
	if len(args) > 0 && commands[args[0]] != "" {
		c.command, args = args[0], args[1:]
	}

	fs := flag.NewFlagSet("http-server", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	for _, s := range settings {
		fs.Func(s.flag, s.usage+"; also $"+s.env, s.set)
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(out)
			usage(fs)
		}
		return config{}, err
	}
	if fs.NArg() > 0 {
		return config{}, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if err := fromEnvironment(fs, settings, getenv); err != nil {
		return config{}, err
	}
	return c, nil
}

func usage(fs *flag.FlagSet) {
	fmt.Fprintln(fs.Output(), "Usage: http-server [command] [flags]\n\nWithout a command it serves.")
	for _, name := range slices.Sorted(maps.Keys(commands)) {
		fmt.Fprintf(fs.Output(), "  %-8s %s\n", name, commands[name])
	}
	fmt.Fprintln(fs.Output())
	fs.PrintDefaults()
}

func fromEnvironment(fs *flag.FlagSet, settings []setting, getenv func(string) string) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for _, s := range settings {
		value := getenv(s.env)
		if value == "" || given[s.flag] {
			continue
		}
		if err := s.set(value); err != nil {
			return fmt.Errorf("invalid value %q for $%s: %w", value, s.env, err)
		}
	}
	return nil
}

func address(to *string) func(string) error {
	return func(s string) error {
		_, port, err := net.SplitHostPort(s)
		if err != nil {
			return errors.New("want host:port, such as 127.0.0.1:8080")
		}
		if _, err := net.LookupPort("tcp", port); err != nil {
			return fmt.Errorf("port %q is neither a number up to 65535 nor a known service", port)
		}
		*to = s
		return nil
	}
}

func duration(to *time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil {
			return errors.New("want a duration, such as 25s or 1m30s")
		}
		if d < 0 {
			return errors.New("must not be negative")
		}
		*to = d
		return nil
	}
}

func file(to *string) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("want the name of a file")
		}
		*to = s
		return nil
	}
}

// defaultDB is in the user's cache folder, so that orders survive a restart. It
// is in the temporary folder where there is no home folder, as in many containers.
func defaultDB() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "lastcall", "http-server", "orders.db")
}
