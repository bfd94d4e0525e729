package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

type config struct {
	file       string
	end        way
	after      int // increments
	every      time.Duration
	checkpoint int // 0: none
}

// parseConfig reads the flags. Its errors name the flag and the value. Help goes to out.
func parseConfig(args []string, out io.Writer) (config, error) {
	c := config{end: ways[0], after: 10, every: 200 * time.Millisecond}
	fs := flag.NewFlagSet("counter", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Func("file", "keep the count in this `file` (default "+defaultFile()+")", text(&c.file))
	fs.Func("end", "end in this `way` (default "+wait+")", oneOf(&c.end))
	fs.Func("after", "the number of `counts` before that (default 10)", number(&c.after))
	fs.Func("every", "the `time` between two counts (default 200ms)", duration(&c.every))
	fs.Func("checkpoint", "also save after each of this many `counts` (default 0: only at the end)", number(&c.checkpoint))
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
	if c.file == "" {
		c.file = defaultFile()
		if err := os.MkdirAll(filepath.Dir(c.file), 0o700); err != nil {
			return config{}, fmt.Errorf("%w (-file chooses another place)", err)
		}
	}
	return c, nil
}

func usage(fs *flag.FlagSet) {
	fmt.Fprintln(fs.Output(), "Usage: counter [flags]\n\nIt counts, and continues from the count of its last run.")
	fmt.Fprintln(fs.Output())
	fs.PrintDefaults()
	fmt.Fprintln(fs.Output(), "\nThe ways to end, the exit status, and whether the handlers run (one of them saves the count):")
	fmt.Fprintln(fs.Output())
	for _, w := range ways {
		fmt.Fprintf(fs.Output(), "  %-10s  %-37s  %3d  %s\n", w.name, w.what, w.status, yesNo(w.runs))
	}
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func text(to *string) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("want the name of a file")
		}
		*to = s
		return nil
	}
}

func oneOf(to *way) func(string) error {
	return func(s string) error {
		i := slices.Index(wayNames(), s)
		if i < 0 {
			return fmt.Errorf("want one of %s", strings.Join(wayNames(), ", "))
		}
		*to = ways[i]
		return nil
	}
}

func number(to *int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return errors.New("want a whole number, 0 or more")
		}
		*to = n
		return nil
	}
}

func duration(to *time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return errors.New("want a duration, 0 or more, such as 200ms")
		}
		*to = d
		return nil
	}
}

// defaultFile is in the user's cache. If there is no home directory, as in many containers, it is in
// the temporary directory.
func defaultFile() string {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "lastcall", "counter", "count")
}
