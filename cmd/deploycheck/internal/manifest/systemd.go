package manifest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

const (
	// systemdGrace is DefaultTimeoutStopSec (systemd-system.conf(5), systemd 258).
	systemdGrace = 90 * time.Second
	// systemdSignal is the default of KillSignal (systemd.kill(5), systemd 258).
	systemdSignal = "SIGTERM"
)

// The values of KillMode (systemd.kill(5), systemd 258). The first one is the default.
var killModes = []string{"control-group", "mixed", "process", "none"}

var serviceSection = regexp.MustCompile(`(?m)^\s*\[Service\]\s*$`)

func namedUnit(base string) bool { return strings.HasSuffix(base, ".service") }

// isUnit recognises a service unit, or a drop-in of one.
func isUnit(name string, data []byte) bool {
	return namedUnit(strings.ToLower(filepath.Base(name))) || isDropIn(name) || name == Stdin && serviceSection.Match(data)
}

func isDropIn(name string) bool {
	return strings.HasSuffix(name, ".conf") && strings.HasSuffix(filepath.Base(filepath.Dir(name)), ".service.d")
}

// systemd reads a service unit with its drop-ins.
func systemd(name string, data []byte) File {
	f := File{Name: name}
	if bytes.Contains(data, []byte("[D-BUS Service]")) {
		f.Skipped = append(f.Skipped, "D-Bus service")
		return f
	}
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("<")) {
		f.Skipped = append(f.Skipped, "service in XML, such as Avahi's")
		return f
	}
	if isDropIn(name) { // the unit is checked with it
		f.Skipped = append(f.Skipped, "drop-in of "+strings.TrimSuffix(filepath.Base(filepath.Dir(name)), ".d"))
		return f
	}
	u := &unitFile{chosen: map[string]setting{}, Workload: Workload{File: name, Document: 1, Kind: "Systemd", Name: filepath.Base(name)}}
	if name == Stdin {
		u.Name = "unit"
	}
	if err := u.read(name, data); err != nil {
		f.unreadable("Systemd", data, err)
		return f
	}
	u.Lookup = u.place
	u.program()
	if i := slices.IndexFunc(u.Faults, func(f finding.Finding) bool { return f.Code == finding.NotRendered }); i >= 0 {
		u.Faults, u.Programs = u.Faults[i:i+1], nil
	}
	f.Workloads = append(f.Workloads, u.Workload)
	return f
}

// A unitFile is a service unit that is being read.
type unitFile struct {
	Workload
	settings []setting
	chosen   map[string]setting // the assignments that count, of the keys that have one value
}

func (u *unitFile) read(name string, data []byte) error {
	all, err := parseUnit(name, data)
	switch {
	case errors.Is(err, unit.ErrLineTooLong):
		return fmt.Errorf("%w: break it with a backslash", err)
	case err != nil:
		return err
	case !serviceSection.Match(data):
		return errors.New("there is no section [Service]")
	}
	u.settings = all
	if name == Stdin {
		return nil
	}
	paths, err := dropIns(name)
	if err != nil {
		return err
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err == nil {
			all, err = parseUnit(path, data)
		}
		if err != nil {
			return fmt.Errorf("drop-in %s: %w", path, err)
		}
		u.settings = append(u.settings, all...)
	}
	return nil
}

func (u *unitFile) place(key string) finding.Place {
	s, ok := u.chosen[key]
	if !ok {
		s, ok = u.last(key)
	}
	if ok && s.file == u.File { // a place is in the unit itself, not in a drop-in
		return placeIn(s.line, s.text, s.value)
	}
	return finding.Place{}
}

// values returns the assignments of a list in [Service]. An empty one resets the list.
func (u *unitFile) values(keys ...string) []setting {
	var all []setting
	for _, s := range u.settings {
		switch {
		case s.section != "Service" || !slices.Contains(keys, s.key):
		case s.value == "":
			all = nil
		default:
			all = append(all, s)
		}
	}
	return all
}

func (u *unitFile) last(keys ...string) (setting, bool) {
	all := u.values(keys...)
	if len(all) == 0 {
		return setting{}, false
	}
	return all[len(all)-1], true
}

// scalar returns the last assignment of a single value that is valid. systemd ignores the others, also
// empty ones, which it does not take for a reset.
func (u *unitFile) scalar(want string, valid func(value string) bool, keys ...string) (last setting, ok bool) {
	for _, s := range u.settings {
		switch {
		case s.section != "Service" || !slices.Contains(keys, s.key):
		case valid(s.value):
			last, ok = s, true
			u.chosen[s.key] = s
		case placeholders.MatchString(s.value):
			u.Faults = append(u.Faults, placeholderFault(s.key, s.value))
		default:
			u.faultAt(finding.WrongType, s, fmt.Sprintf("%s=%s is not %s: systemd ignores the line", s.key, s.value, want), "correct it, or remove the line")
		}
	}
	return last, ok
}

// from is the drop-in that has the setting, or empty for the unit itself.
func (u *unitFile) from(s setting) string {
	if s.file == u.File {
		return ""
	}
	return s.file
}

func (u *unitFile) faultAt(code finding.Code, s setting, message, fix string) {
	u.fault(code, s.key, fmt.Sprintf("%s, line %d: %s", s.file, s.line, message), fix)
}

func (u *unitFile) program() {
	u.misspelt()
	mode := u.killMode()
	p := Program{
		Name: u.Name, Own: true, Only: true,
		Grace:  u.grace(),
		Signal: Setting[string]{Value: systemdSignal, Field: "KillSignal", Fixed: true},
	}
	if s, ok := u.scalar("a signal", isSignal, "KillSignal"); ok {
		p.Signal = signal("KillSignal", s.value)
		p.Signal.From = u.from(s)
	}
	if s, ok := u.scalar("a signal", isSignal, "RestartKillSignal"); ok { // instead of KillSignal
		also := signal("RestartKillSignal", s.value)
		also.From = u.from(s)
		p.Also = append(p.Also, also)
	}
	if s, ok := u.scalar("yes or no", isBoolean, "SendSIGHUP"); ok && !isFalse(s.value) { // right after KillSignal
		p.Also = append(p.Also, Setting[string]{Value: "SIGHUP", Text: "SIGHUP", Field: "SendSIGHUP", From: u.from(s)})
	}
	if command, ok := u.last("ExecStart"); ok && mode != "control-group" { // all processes get the signal in a control group
		p.Command = Setting[[]string]{Value: execWords(command.value), Text: command.value, Field: "ExecStart", From: u.from(command)}
	}
	for _, s := range u.values("ExecStop") {
		argv := execWords(s.value)
		if name, ok := killSignal(argv); ok { // KillSignal follows when the command has ended (systemd.service(5))
			also := signal("ExecStop", name)
			also.Text, also.From = also.Value, u.from(s)
			p.Also = append(p.Also, also)
			continue
		}
		if d, ok := containerStop(argv); ok {
			if d < p.Grace.Value {
				p.Grace = Setting[time.Duration]{
					Value: d, Text: strings.Join(argv, " "), Field: "ExecStop", From: u.from(s), Write: p.Grace.Write,
					Most: d, AtMost: "a longer time in ExecStop: " + filepath.Base(argv[0]) + " stop -t SECONDS",
				}
			}
			continue
		}
		p.Before = append(p.Before, argv)
	}
	for _, s := range u.values("Environment") {
		for _, word := range splitWords(s.value) {
			if name, value, ok := strings.Cut(word, "="); ok {
				p.Env = append(p.Env, Variable{Name: name, Value: value, Known: !strings.Contains(value, "%"), Field: "Environment", From: u.from(s)})
			}
		}
	}
	u.notify()
	u.restart()
	u.Programs = []Program{p}
}

// grace reads TimeoutStopSec, and TimeoutSec, which sets it, too. 0 disables the limit
// (config_parse_sec_fix_0 in src/core/load-fragment.c, systemd 258).
func (u *unitFile) grace() Setting[time.Duration] {
	g := Setting[time.Duration]{Value: systemdGrace, Field: "TimeoutStopSec", Write: func(d time.Duration) string {
		return fmt.Sprintf("TimeoutStopSec=%d", int64(d/time.Second))
	}}
	if s, ok := u.scalar("a time span below 2^64 µs, such as 30 or 1min 30s", isTimespan, "TimeoutStopSec", "TimeoutSec"); ok {
		g.Text, g.Field, g.From = s.value, s.key, u.from(s)
		if g.Value, _ = timespan(s.value); g.Value == 0 {
			g.Value = Forever
		}
	}
	if s, ok := u.scalar("yes or no", isBoolean, "SendSIGKILL"); ok && isFalse(s.value) {
		u.faultAt(finding.GraceInfinite, s, "SendSIGKILL="+s.value+": systemd does not kill a program that hangs", "nothing, if this is intended; otherwise remove SendSIGKILL")
		g.Value, g.Text = Forever, "SendSIGKILL="+s.value
	}
	return g
}

func isTimespan(value string) bool { _, ok := timespan(value); return ok }

func isBoolean(value string) bool {
	return isFalse(value) || slices.Contains([]string{"1", "yes", "y", "true", "t", "on"}, strings.ToLower(value))
}

func isFalse(value string) bool {
	return slices.Contains([]string{"0", "no", "n", "false", "f", "off"}, strings.ToLower(value))
}

// killMode reads KillMode. An empty value is the default (config_parse_kill_mode in
// src/core/load-fragment.c, systemd 258).
func (u *unitFile) killMode() string {
	s, _ := u.scalar("control-group, mixed, process or none", isKillMode, "KillMode")
	if s.value == "none" {
		u.faultAt(finding.KillMode, s, "KillMode=none: systemd sends no signal, so the program is not told to stop, and is left running", "remove KillMode, or write KillMode=mixed")
	}
	return cmp.Or(s.value, killModes[0])
}

func isKillMode(value string) bool { return value == "" || slices.Contains(killModes, value) }

// notify adds a note on Type=notify: with package sdnotify TimeoutStopSec is no fixed limit.
func (u *unitFile) notify() {
	if s, ok := u.last("Type"); ok && strings.HasPrefix(s.value, "notify") {
		u.faultAt(finding.GraceExtended, s, "Type="+s.value+": a program that uses package sdnotify extends TimeoutStopSec at each step, and is killed only if a step hangs", "nothing; the arithmetic is for a program that does not extend it")
	}
}

// restart finds an exit status of a clean stop that makes systemd start the program again.
func (u *unitFile) restart() {
	for _, s := range u.values("RestartForceExitStatus") { // each line adds to the list
		if status := cleanStatus(s.value); status != "" {
			u.faultAt(finding.RestartAfterStop, s, "RestartForceExitStatus has "+status+", the status of a clean stop: systemd starts the program again, unless systemctl stopped it", "remove it")
		}
	}
}

// cleanStatus returns the exit status 0 or its name (systemd.exec(5), "Process Exit Codes"), if one of them is
// in the list.
func cleanStatus(list string) string {
	for _, status := range strings.Fields(list) {
		if status == "0" || status == "SUCCESS" {
			return status
		}
	}
	return ""
}

// sections are those of a service unit (systemd.service(5), systemd 258).
var sections = []string{"Unit", "Service", "Install"}

// stopKeys are the keys of [Service] that matter here and are long enough to be misspelt.
var stopKeys = []string{"TimeoutStopSec", "TimeoutSec", "KillMode", "KillSignal", "RestartKillSignal", "SendSIGKILL", "SendSIGHUP", "ExecStart", "ExecStop", "Environment", "RestartForceExitStatus"}

// otherKeys are near to one of stopKeys, and exist (systemd.service(5), systemd.exec(5), systemd 258).
var otherKeys = []string{"TimeoutStartSec", "TimeoutAbortSec", "RestartSec", "ExecStopPost", "ExecReload", "ExecStartPre", "ExecStartPost"}

// misspelt finds what systemd ignores: misspelt keys, keys in another section, and misspelt sections.
func (u *unitFile) misspelt() {
	seen := map[string]bool{}
	for _, s := range u.settings {
		known := slices.Contains(stopKeys, s.key)
		switch {
		case !slices.Contains(sections, s.section) && !strings.HasPrefix(s.section, "X-"):
			if where := s.file + s.section; !seen[where] {
				u.faultAt(finding.UnknownField, s, "["+s.section+"] is not a section of a service: systemd ignores it", "write ["+strings.Join(sections, "], [")+"], or a name that begins with X-")
				seen[where] = true
			}
		case known && s.section != "Service" && s.key != "Environment" && !strings.HasPrefix(s.section, "X-"):
			u.faultAt(finding.GraceMisplaced, s, s.key+" has no effect in ["+s.section+"]", "move it to [Service]")
		case !known && s.section == "Service" && !slices.Contains(otherKeys, s.key):
			for _, want := range stopKeys {
				if near(s.key, want) {
					u.faultAt(finding.UnknownField, s, s.key+" is not a key of [Service]: systemd ignores it", "write "+want)
					break
				}
			}
		}
	}
}

// killSignal returns the signal that a command sends to the main process, if it is a kill.
func killSignal(argv []string) (name string, ok bool) {
	if len(argv) < 2 || filepath.Base(argv[0]) != "kill" || !slices.ContainsFunc(argv, func(word string) bool { return strings.Contains(word, "MAINPID") }) {
		return "", false
	}
	name = "SIGTERM"
	for i, word := range argv[1:] {
		switch {
		case (word == "-s" || word == "--signal" || word == "-n") && i+2 < len(argv):
			name = argv[i+2]
		case strings.HasPrefix(word, "--signal="):
			name = strings.TrimPrefix(word, "--signal=")
		case len(word) > 1 && word[0] == '-' && word[1] != '-' && word != "-s" && word != "-n":
			name = word[1:]
		}
	}
	return name, true
}
