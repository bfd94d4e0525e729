package main

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
)

// machine describes the hardware and the system, on which the figures depend.
func machine() string {
	return cpu() + ", " + count(runtime.NumCPU()) + " processors, " + system() + ", " + runtime.Version() + " " + runtime.GOARCH
}

func cpu() string {
	if name := field("/proc/cpuinfo", "model name"); name != "" {
		return name
	}
	return "unknown processor"
}

func system() string {
	if name := field("/etc/os-release", "PRETTY_NAME"); name != "" {
		return strings.Trim(name, `"`)
	}
	return runtime.GOOS
}

// field returns the first value of a key in a file with one key on each line.
func field(file, key string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), ":")
		if !ok {
			name, value, ok = strings.Cut(lines.Text(), "=")
		}
		if ok && strings.TrimSpace(name) == key {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// load returns the load average of the last minute, if the system reports it.
func load() string {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(content), " ")
	return first
}

// compared are the modules that are measured.
var compared = []string{
	"go.uber.org/fx",
	"github.com/oklog/run",
	"golang.org/x/sync",
	"github.com/sourcegraph/conc",
	"github.com/thejerf/suture/v4",
	"gopkg.in/tomb.v2",
}

// versions returns the versions of these modules in this binary.
func versions() []string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return nil
	}
	var found []string
	for _, path := range compared {
		for _, m := range info.Deps {
			if m.Path == path {
				found = append(found, path+" "+m.Version)
			}
		}
	}
	return found
}
