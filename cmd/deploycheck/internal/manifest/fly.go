package manifest

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/mattn/go-shellwords"
	"github.com/pelletier/go-toml/v2"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// What Fly does without kill_timeout and kill_signal, and the most that it allows (fly.io/docs,
// reference/configuration, August 2026).
const (
	flyGrace  = 5 * time.Second
	flyMost   = 300 * time.Second
	flySignal = "SIGINT"
)

func namedFly(base string) bool {
	return base == "fly.toml" || strings.HasPrefix(base, "fly.") && strings.HasSuffix(base, ".toml")
}

// isFly recognises fly.toml by its name, and other TOML by the name of the app.
func isFly(name string, data []byte) bool {
	if namedFly(strings.ToLower(filepath.Base(name))) {
		return true
	}
	var o map[string]any
	if name != Stdin && !strings.EqualFold(filepath.Ext(name), ".toml") || toml.Unmarshal(data, &o) != nil {
		return false
	}
	_, isApp := o["app"].(string)
	return isApp
}

// fly reads a fly.toml, as flyctl does.
func fly(name string, data []byte) File {
	f := File{Name: name}
	var o map[string]any
	if err := toml.Unmarshal(data, &o); err != nil {
		if syntax, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ := syntax.Position()
			err = fmt.Errorf("line %d: %w", line, err)
		}
		f.unreadable("Fly", data, err)
		return f
	}
	if len(o) == 0 {
		f.Errs = append(f.Errs, &Error{File: name, Err: errors.New("there are no keys")})
		return f
	}
	w := Workload{File: name, Document: 1, Kind: "Fly", Lookup: tomlPlaces(data)}
	w.Name, _ = o["app"].(string)
	if o["app"] != nil && w.Name == "" {
		w.fault(finding.WrongType, "app", "app: want a string, the name of the app", `app = "web"`)
	}
	w.flyMisplaced(o, "")
	experimental := w.flyTable(o, "experimental")
	if _, ok := o["kill_timeout"]; !ok && experimental["kill_timeout"] != nil {
		// flyctl takes this key, but not kill_signal (patchExperimental in internal/appconfig/patches.go, August 2026).
		o["kill_timeout"] = experimental["kill_timeout"]
	}
	base := Program{
		Grace:   w.flyGrace(o["kill_timeout"]),
		Signal:  w.flySignal(o["kill_signal"]),
		Command: argv("experimental.entrypoint", "experimental.cmd", false, words(experimental["entrypoint"]), words(experimental["cmd"])),
		Own:     true,
	}
	env := w.flyTable(o, "env")
	for _, key := range slices.Sorted(maps.Keys(env)) {
		base.Env = append(base.Env, Variable{Name: key, Value: fmt.Sprint(env[key]), Known: true, Field: "env." + key})
	}
	processes := w.flyTable(o, "processes")
	for _, group := range slices.Sorted(maps.Keys(processes)) {
		p := base
		p.Name, p.Path = group, "processes."+group
		command, ok := processes[group].(string)
		if !ok {
			w.fault(finding.WrongType, p.Path, p.Path+": want a string, the command of the process group", `write, for example, web = "/app"`)
		}
		if parts, err := shellwords.Parse(command); err == nil && len(parts) > 0 { // Fly runs no shell
			p.Command = argv("", p.Path, false, nil, parts)
		}
		w.Programs = append(w.Programs, p)
	}
	switch {
	case w.Has(finding.WrongType):
		w.Programs = nil // flyctl rejects the file
	case len(w.Programs) == 0:
		base.Only = true
		w.Programs = append(w.Programs, base)
	}
	f.Workloads = append(f.Workloads, w)
	return f
}

// flyTable returns a table of the file, which may be nil.
func (w *Workload) flyTable(o map[string]any, key string) map[string]any {
	table, ok := o[key].(map[string]any)
	if !ok && o[key] != nil {
		w.fault(finding.WrongType, key, key+": want a table", "write ["+key+"], and the keys below it")
	}
	return table
}

func (w *Workload) flyGrace(value any) Setting[time.Duration] {
	const field = "kill_timeout"
	g := Setting[time.Duration]{
		Value: flyGrace, Field: field,
		Most: flyMost, AtMost: "kill_timeout = 300, the most that Fly allows, and a shorter stop",
		Write: func(d time.Duration) string { return fmt.Sprintf("kill_timeout = %d", int64(d/time.Second)) },
	}
	bad := func(text string) {
		w.fault(finding.WrongType, field, fmt.Sprintf("kill_timeout is %s: want a number of seconds, or a string with a unit", text), `kill_timeout = 30, or "30s"`)
	}
	switch value := value.(type) {
	case nil:
		return g
	case int64:
		g.Value, g.Text = Seconds(value), fmt.Sprint(value)
	case float64:
		// flyctl drops the fraction (internal/appconfig/patches.go, August 2026).
		g.Value, g.Text = Seconds(int64(max(-1, min(value, 1<<31)))), fmt.Sprint(value)
	case string:
		d, err := time.ParseDuration(value)
		if err != nil {
			bad(fmt.Sprintf("%q", value))
		}
		g.Value, g.Text = d, fmt.Sprintf("%q", value)
	default:
		bad(fmt.Sprint(value))
	}
	if g.Value > flyMost {
		w.fault(finding.GraceLimit, field, fmt.Sprintf("kill_timeout is %s: Fly allows at most 300 seconds", g.Text), "kill_timeout = 300, or less")
		g.Value = flyMost
	}
	return g
}

func (w *Workload) flySignal(value any) Setting[string] {
	const field = "kill_signal"
	switch value := value.(type) {
	case nil:
		return Setting[string]{Value: flySignal, Field: field, Fixed: true}
	case string:
		return signal(field, value)
	}
	w.fault(finding.WrongType, field, fmt.Sprintf("kill_signal is %v: want a string", value), `kill_signal = "SIGTERM"`)
	return Setting[string]{Field: field}
}

// flyMisplaced finds the keys of the stop in tables, where they have no effect, and keys that are similar to
// them.
func (w *Workload) flyMisplaced(table map[string]any, path string) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		field := join(path, key)
		isKey := key == "kill_timeout" || key == "kill_signal"
		switch {
		case isKey && path != "" && field != "experimental.kill_timeout" && !strings.Contains(path, "machine_checks"):
			w.fault(finding.GraceMisplaced, field, field+" has no effect: it belongs to the table above it", "move it before the first table of the file")
		case !isKey && (near(key, "kill_timeout") || near(key, "kill_signal")):
			w.fault(finding.UnknownField, field, field+" is not a key of fly.toml: it has no effect", "write kill_timeout or kill_signal")
		}
		switch value := table[key].(type) {
		case map[string]any:
			w.flyMisplaced(value, field)
		case []any:
			for _, v := range value {
				if t, ok := v.(map[string]any); ok {
					w.flyMisplaced(t, field)
				}
			}
		}
	}
}

// tomlPlaces finds the line of a key in TOML by its last part and the header of its table. It is for
// messages: the parser has checked the file.
func tomlPlaces(data []byte) func(string) finding.Place {
	return func(field string) finding.Place {
		table, key := "", field
		if i := strings.LastIndexByte(field, '.'); i >= 0 {
			table, key = field[:i], field[i+1:]
		}
		current := ""
		number := 0
		for line := range strings.Lines(string(data)) {
			number++
			raw := line
			line = strings.TrimSpace(line)
			if strings.HasPrefix(line, "[") {
				current = strings.Trim(strings.TrimSpace(strings.SplitN(line, "#", 2)[0]), "[] ")
			}
			name, value, ok := strings.Cut(line, "=")
			if ok && current == table && strings.Trim(strings.TrimSpace(name), `"'`) == key {
				text, _, _ := strings.Cut(value, "#")
				return placeIn(number, raw, strings.TrimSpace(text))
			}
		}
		return finding.Place{}
	}
}
