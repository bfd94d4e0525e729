package manifest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/mattn/go-shellwords"
	"github.com/sirupsen/logrus"
	"go.yaml.in/yaml/v3"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// composeGrace is the default of stop_grace_period (compose-spec, 05-services.md, October 2026).
const composeGrace = 10 * time.Second

// composePart matches the errors of compose-go about a file that another one completes.
var composePart = regexp.MustCompile(`neither an image nor a build|undefined (service|network|volume|config|secret)`)

// composeEmpty is in the error of compose-go about a file without services.
const composeEmpty = "empty compose file"

// composeRequired matches the error of compose-go about ${NAME:?message}.
var composeRequired = regexp.MustCompile(`required variable (\w+) is missing a value`)

// compose-go logs a warning for each variable that is not set.
func init() { logrus.SetOutput(io.Discard) }

var (
	composeName = regexp.MustCompile(`^(docker-)?compose([.-].*)?\.ya?ml$`)
	hasServices = regexp.MustCompile(`(?m)^services:|"services"`)
	hasKind     = regexp.MustCompile(`(?m)^(apiVersion|kind):`)
)

// isCompose recognises a Compose file by its name, and others by services with an image or a build.
func isCompose(name string, data []byte) bool {
	if hasKind.Match(data) {
		return false
	}
	base := strings.ToLower(filepath.Base(name))
	if composeName.MatchString(base) {
		return true
	}
	if !hasServices.Match(data) || strings.HasPrefix(base, "values") { // the values of a chart may be similar
		return false
	}
	var o struct {
		Services map[string]map[string]any `yaml:"services"`
	}
	if yaml.Unmarshal(data, &o) != nil {
		return false
	}
	for _, s := range o.Services {
		if _, ok := s["image"].(string); ok || s["build"] != nil || s["extends"] != nil {
			return true
		}
	}
	return false
}

// compose reads a Compose file as docker compose does: with the override file beside it, the file .env
// and the variables of the environment, and with the services of all profiles.
func compose(name string, data []byte) File {
	f := File{Name: name}
	c := composeFile{name: name, trees: map[string][]*yaml.Node{}}
	if first := c.partOf(); first != "" {
		f.Skipped = append(f.Skipped, "override of "+first)
		return f
	}
	if err := c.open(data); err != nil {
		f.unreadable("Compose", data, err)
		return f
	}
	w := Workload{File: name, Document: 1, Kind: "Compose", Lookup: c.place, Key: c.key}
	project, commands, err := c.load()
	if err != nil && composePart.MatchString(err.Error()) && c.addFirst() {
		project, commands, err = c.load()
	}
	f.parts = c.parts
	if isPart := name != Stdin && !slices.Contains(composeNames, filepath.Base(name)); err != nil && isPart {
		switch text := err.Error(); {
		case strings.Contains(text, composeEmpty):
			f.Skipped = append(f.Skipped, "empty Compose file")
			return f
		case composePart.MatchString(text):
			f.source(place{tree: treeOf(nil)}, "Compose", filepath.Base(name), fmt.Sprintf("a part of other Compose files, not checked: %v", c.plain(err)),
				"check the files together: docker compose -f compose.yaml -f "+filepath.Base(name)+" config | deploycheck -")
			return f
		}
	}
	if err != nil {
		if anyTemplate.Match(data) || !w.composeFault(err) {
			f.unreadable("Compose", data, c.plain(err))
			return f
		}
		w.Name = filepath.Base(c.dir)
		f.Workloads = append(f.Workloads, w)
		return f
	}
	w.Name = project.Name
	for _, service := range slices.Sorted(maps.Keys(project.Services)) {
		s := project.Services[service]
		if s.Provider == nil { // a provider is no container
			p := composeProgram(&s, commands[service])
			for _, key := range []string{"build", "image"} {
				if field := p.Path + "." + key; c.key(field).Column > 0 {
					p.Grace.Beside = field
				}
			}
			p.Grace.From, p.Signal.From = c.from(p.Grace.Field), c.from(p.Signal.Field)
			p.Command.From = c.from(p.Command.Field)
			for i := range p.Env {
				p.Env[i].From = c.from(p.Env[i].Field)
			}
			w.Programs = append(w.Programs, p)
		}
	}
	if len(w.Programs) == 0 && len(project.Services) > 0 {
		f.Skipped = append(f.Skipped, "Compose file with providers")
		return f
	}
	f.Workloads = append(f.Workloads, w)
	return f
}

func composeProgram(s *types.ServiceConfig, commands map[string]string) Program {
	path := "services." + s.Name
	p := Program{
		Name: s.Name, Path: path, Own: s.Build != nil,
		Grace: composeGraceOf(s, path+".stop_grace_period"),
		// docker stop sends the image's STOPSIGNAL, or SIGTERM (docs.docker.com, docker container stop, 2026).
		Signal: Setting[string]{Value: "SIGTERM", Field: path + ".stop_signal"},
	}
	if s.StopSignal != "" {
		p.Signal = signal(path+".stop_signal", s.StopSignal)
	}
	for _, key := range slices.Sorted(maps.Keys(commands)) {
		p.composeCut(path+"."+key, commands[key])
	}
	p.Command = argv(path+".entrypoint", path+".command", s.Init != nil && *s.Init, s.Entrypoint, s.Command)
	for _, hook := range s.PreStop {
		p.Before = append(p.Before, hook.Command)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Environment)) {
		v := Variable{Name: name, Field: path + ".environment." + name}
		if value := s.Environment[name]; value != nil {
			v.Value, v.Known = *value, true
		}
		p.Env = append(p.Env, v)
	}
	for _, port := range s.Ports {
		p.Ports = append(p.Ports, Port{Number: int(port.Target), Name: port.Name})
	}
	return p
}

func composeGraceOf(s *types.ServiceConfig, field string) Setting[time.Duration] {
	g := Setting[time.Duration]{Value: composeGrace, Field: field, Write: func(d time.Duration) string {
		return fmt.Sprintf("stop_grace_period: %ds", int64(d/time.Second))
	}}
	if s.StopGracePeriod == nil {
		return g
	}
	g.Text = s.StopGracePeriod.String()
	g.Value = time.Duration(*s.StopGracePeriod).Truncate(time.Second) // Docker has whole seconds (docker/compose 2.40, pkg/compose/create.go)
	if g.Value < 0 {
		g.Value = Forever // docker stop -t -1 waits for ever
	}
	return g
}

// composeCut finds a command line that needs a shell. Compose splits it into words, and drops
// everything from the first operator on.
func (p *Program) composeCut(field, text string) {
	words := shellwords.NewParser()
	if _, err := words.Parse(text); err == nil && words.Position >= 0 && words.Position < len([]rune(text)) {
		p.fault(finding.CommandCut, field, fmt.Sprintf("%s: Compose runs no shell, and drops %q", field, string([]rune(text)[words.Position:])),
			`write ["sh", "-c", "…"], with exec before the program`)
	}
}

// The errors of compose-go about a field.
var (
	composeNoKey   = regexp.MustCompile(`(?s)^validating .*?: (\S*) ?additional properties? '?([^' ]+)'?.* not allowed`)
	composeNoField = regexp.MustCompile(`(?s)^validating .*?: (\S+) false schema`)
	composeType    = regexp.MustCompile(`(?s)^validating .*?: (\S+) (must be .*)$`)
	composeDecode  = regexp.MustCompile(`(?s)^decoding failed.*?'([^']+)' (.*)$`)
	composeTwice   = regexp.MustCompile(`line (\d+): mapping key "([^"]+)" already defined at line \d+`)
)

// composeFault turns an error of compose-go about a field into a fault. Compose rejects the whole file.
func (w *Workload) composeFault(err error) bool {
	text := err.Error()
	at := func(field string) string {
		if line := w.Place(field).Line; line > 0 {
			return fmt.Sprintf("line %d: %s", line, field)
		}
		return field
	}
	if m := composeNoKey.FindStringSubmatch(text); m != nil {
		field := join(m[1], m[2])
		w.fault(finding.UnknownField, field, at(field)+": Compose has no such key", "correct its name, or move it: Compose rejects the file")
		return true
	}
	if m := composeNoField.FindStringSubmatch(text); m != nil {
		w.fault(finding.UnknownField, m[1], at(m[1])+": Compose has no such key", "correct its name, or move it: Compose rejects the file")
		return true
	}
	if m := composeType.FindStringSubmatch(text); m != nil {
		w.fault(finding.WrongType, m[1], at(m[1])+" "+m[2], wrongTypeFix(m[1]))
		return true
	}
	if m := composeDecode.FindStringSubmatch(text); m != nil {
		field := strings.ReplaceAll(strings.ReplaceAll(m[1], "[", "."), "]", "")
		w.fault(finding.WrongType, field, at(field)+": "+strings.TrimSpace(m[2]), wrongTypeFix(field))
		return true
	}
	if m := composeTwice.FindStringSubmatch(text); m != nil {
		w.fault(finding.DuplicateField, m[2], fmt.Sprintf("line %s: %s occurs twice", m[1], m[2]), "remove one of the two: Compose rejects the file")
		return true
	}
	return false
}

func wrongTypeFix(field string) string {
	if lastPart(field) == "stop_grace_period" {
		return "write a number with a unit, such as 30s: Compose rejects the file"
	}
	return "write a value of the field's type: Compose rejects the file"
}

// plain shortens an error of compose-go: the result names the file already.
func (c *composeFile) plain(err error) error {
	text := err.Error()
	for _, prefix := range []string{"failed to parse ", "validating "} {
		text = strings.TrimPrefix(text, prefix+c.files[c.own].Filename+": ")
	}
	text = strings.TrimSpace(text)
	if m := composeRequired.FindStringSubmatch(text); m != nil {
		text += ": set " + m[1] + ", or write it into .env"
	}
	return errors.New(text)
}
