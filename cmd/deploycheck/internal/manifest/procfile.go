package manifest

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// procfileGrace is what Heroku waits from SIGTERM, which it sends to all processes of a dyno, to SIGKILL
// (devcenter.heroku.com, dyno-shutdown-behavior, December 2024). It cannot be set.
const procfileGrace = 30 * time.Second

func namedProcfile(base string) bool {
	return base == "procfile" || strings.HasPrefix(base, "procfile.")
}

// isProcfile recognises a Procfile by its name. With a longer name, such as Procfile.dev or procfile.go, the
// first line decides.
func isProcfile(name string, data []byte) bool {
	base := strings.ToLower(filepath.Base(name))
	if base == "procfile" || !namedProcfile(base) {
		return base == "procfile"
	}
	for line := range bytes.Lines(data) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return processType.Match(line)
		}
	}
	return false
}

// processType matches a line of a Procfile (devcenter.heroku.com, procfile, 2025).
var processType = regexp.MustCompile(`^([A-Za-z0-9_-]+):\s*(\S.*)$`)

func procfile(name string, data []byte) File {
	f := File{Name: name}
	w := Workload{File: name, Document: 1, Kind: "Procfile", Name: filepath.Base(name)}
	lines := map[string]int{}
	w.Lookup = func(field string) finding.Place { return finding.Place{Line: lines[field]} }
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(data), "\ufeff")) {
		number++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m := processType.FindStringSubmatch(line)
		if m == nil {
			f.unreadable("Procfile", data, fmt.Errorf("line %d: want a process type, a colon and a command, such as web: /app", number))
			return f
		}
		process := m[1]
		if lines[process] > 0 {
			w.fault(finding.DuplicateField, process, fmt.Sprintf("line %d: the process type %s occurs twice", number, process), "remove one of the two: only one has an effect")
			continue
		}
		lines[process] = number
		if process == "release" {
			continue // it runs once for each release, and is not stopped
		}
		w.Programs = append(w.Programs, Program{
			Name: process, Path: process, Own: true,
			Grace:  Setting[time.Duration]{Value: procfileGrace, Field: process},
			Signal: Setting[string]{Value: "SIGTERM", Field: process, Fixed: true},
			// Heroku signals all processes, so a shell in between does not matter.
		})
	}
	if len(w.Programs) > 0 {
		f.Workloads = append(f.Workloads, w)
	}
	return f
}
