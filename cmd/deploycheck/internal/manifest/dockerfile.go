package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	"github.com/moby/buildkit/frontend/dockerfile/shell"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// linuxShell runs the shell form of CMD and ENTRYPOINT (docs.docker.com, Dockerfile reference, SHELL, 2026).
var linuxShell = []string{"/bin/sh", "-c"}

func namedDockerfile(base string) bool {
	if strings.HasSuffix(base, ".dockerignore") {
		return false
	}
	for _, name := range []string{"dockerfile", "containerfile"} {
		if base == name || strings.HasPrefix(base, name+".") || strings.HasSuffix(base, "."+name) {
			return true
		}
	}
	return false
}

// isDockerfile recognises a Dockerfile by its name. With a longer name, such as Dockerfile.dev or dockerfile.go,
// and on standard input the first instruction decides. Actions of a template may come before it.
func isDockerfile(name string, data []byte) bool {
	base := strings.ToLower(filepath.Base(name))
	switch {
	case base == "dockerfile" || base == "containerfile":
		return true
	case name != Stdin && !namedDockerfile(base):
		return false
	}
	for line := range bytes.Lines(bytes.TrimPrefix(data, []byte("\ufeff"))) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '{' {
			first := strings.ToUpper(string(bytes.Fields(line)[0]))
			return first == "FROM" || first == "ARG"
		}
	}
	return false
}

// dockerfile reads the last stage of a Dockerfile, which is what docker build makes.
func dockerfile(name string, data []byte) File {
	f := File{Name: name}
	stages, metaArgs, err := parseDockerfile(data)
	if err != nil {
		f.unreadable("Dockerfile", data, err)
		return f
	}
	lines := map[string]int{}
	w := Workload{File: name, Document: 1, Kind: "Dockerfile", Name: filepath.Base(name), Lookup: func(field string) finding.Place {
		return finding.Place{Line: lines[field]}
	}}
	if name == Stdin {
		w.Name = "Dockerfile"
	}
	i := &image{workload: &w, shell: linuxShell, lines: lines, vars: variables{env: map[string]string{}, args: map[string]string{}, global: map[string]string{}}}
	global := &image{vars: variables{args: i.vars.global}}
	global.args(metaArgs)
	for j := range stages {
		stages[j].BaseName = global.expand(stages[j].BaseName)
	}
	for _, stage := range line(stages) {
		i.stage(stage)
	}
	// Without STOPSIGNAL the signal is SIGTERM (Dockerfile reference, STOPSIGNAL, BuildKit 0.31).
	p := Program{Own: true, Only: true, Signal: Setting[string]{Value: "SIGTERM", Field: "STOPSIGNAL"}, Command: argv("ENTRYPOINT", "CMD", false, i.entrypoint, i.cmd), Env: i.env}
	if i.stopSignal != nil {
		p.Signal = signal("STOPSIGNAL", *i.stopSignal)
	}
	w.Programs = []Program{p}
	// docker stop waits 10 s (docs.docker.com, docker container stop, 2026), Kubernetes and ECS 30 s.
	w.fault(finding.GraceDefault, "", "a Dockerfile does not set the grace period: docker stop gives 10 s, Kubernetes and ECS 30 s", "set it where the image runs: docker run --stop-timeout 30, or the files of the platform")
	f.Workloads = append(f.Workloads, w)
	return f
}

func parseDockerfile(data []byte) ([]instructions.Stage, []instructions.ArgCommand, error) {
	ast, err := parser.Parse(bytes.NewReader(data))
	if err != nil {
		return nil, nil, located(err)
	}
	stages, args, err := instructions.Parse(ast.AST, nil)
	if err != nil {
		return nil, nil, located(err)
	}
	if len(stages) == 0 {
		return nil, nil, errors.New("there is no FROM")
	}
	return stages, args, nil
}

// located adds the line to an error of the parser.
func located(err error) error {
	if at, ok := errors.AsType[*parser.LocationError](err); ok && !strings.Contains(err.Error(), "line ") && len(at.Locations) > 0 && len(at.Locations[0]) > 0 && at.Locations[0][0].Start.Line > 0 {
		return fmt.Errorf("line %d: %w", at.Locations[0][0].Start.Line, err)
	}
	return err
}

// line returns the last stage, preceded by the stages that it is built from.
func line(stages []instructions.Stage) []instructions.Stage {
	last := len(stages) - 1
	all := []instructions.Stage{stages[last]}
	for base, i := stages[last].BaseName, last; ; {
		i = slices.IndexFunc(stages[:i], func(s instructions.Stage) bool { return s.Name != "" && strings.EqualFold(s.Name, base) })
		if i < 0 {
			return all
		}
		all = append([]instructions.Stage{stages[i]}, all...)
		base = stages[i].BaseName
	}
}

// An image is what the instructions of its stages make of it.
type image struct {
	workload        *Workload
	shell           []string
	entrypoint, cmd []string
	stopSignal      *string
	env             []Variable
	vars            variables
	lines           map[string]int
}

// variables are those that an instruction may use. ENV wins over ARG. A stage takes the arguments before
// the first FROM, which are global, only by an ARG of its own (docs.docker.com, Dockerfile reference, ARG, 2026).
type variables struct{ env, args, global map[string]string }

func (v variables) Get(name string) (string, bool) {
	if value, ok := v.env[name]; ok {
		return value, true
	}
	value, ok := v.args[name]
	return value, ok
}

// Keys is needed by shell.EnvGetter.
func (v variables) Keys() []string {
	return append(slices.Collect(maps.Keys(v.env)), slices.Collect(maps.Keys(v.args))...)
}

func (i *image) args(all []instructions.ArgCommand) {
	for _, a := range all {
		for _, kv := range a.Args {
			if kv.Value != nil {
				i.vars.args[kv.Key] = i.expand(*kv.Value)
			} else if value, ok := i.vars.global[kv.Key]; ok {
				i.vars.args[kv.Key] = value
			}
		}
	}
}

func (i *image) expand(word string) string {
	text, _, err := shell.NewLex('\\').ProcessWord(word, i.vars)
	if err != nil {
		return word
	}
	return text
}

func (i *image) stage(s instructions.Stage) {
	ownCmd := false
	for _, c := range s.Commands {
		at := 0
		if located := c.Location(); len(located) > 0 {
			at = located[0].Start.Line
		}
		switch c := c.(type) {
		case *instructions.ShellCommand:
			i.shell = c.Shell
		case *instructions.EntrypointCommand:
			i.entrypoint = i.argv(c.ShellDependantCmdLine)
			i.lines["ENTRYPOINT"] = at
			if !ownCmd { // ENTRYPOINT resets the CMD of the base image
				i.cmd = nil
			}
		case *instructions.CmdCommand:
			i.cmd, ownCmd = i.argv(c.ShellDependantCmdLine), true
			i.lines["CMD"] = at
		case *instructions.StopSignalCommand:
			i.stopSignal = new(i.expand(c.Signal))
			i.lines["STOPSIGNAL"] = at
		case *instructions.EnvCommand:
			for _, kv := range c.Env {
				value := i.expand(kv.Value)
				i.vars.env[kv.Key] = value
				i.env = append(i.env, Variable{Name: kv.Key, Value: value, Known: true, Field: "ENV"})
				i.lines["ENV"] = at
			}
		case *instructions.ArgCommand:
			i.args([]instructions.ArgCommand{*c})
		}
	}
}

func (i *image) argv(c instructions.ShellDependantCmdLine) []string {
	if c.PrependShell {
		return append(slices.Clone(i.shell), strings.Join(c.CmdLine, " "))
	}
	return c.CmdLine
}
