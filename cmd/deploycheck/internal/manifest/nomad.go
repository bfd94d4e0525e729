package manifest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/nomad/api"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

const (
	// nomadGrace is the default of kill_timeout (api.Task.Canonicalize, nomad/api of October 2026).
	nomadGrace = 5 * time.Second
	// nomadMost is the default of a client's max_kill_timeout, to which it reduces kill_timeout
	// (command/agent/config.go in Nomad 1.11).
	nomadMost = 30 * time.Second
	// nomadSignal is what a task gets that has no kill_signal (drivers/shared/executor/executor.go in
	// Nomad 1.11). The drivers in nomadContainers leave the signal to the container instead
	// (drivers/docker/handle.go).
	nomadSignal = "SIGINT"
)

// nomadStop are the fields about the stop. Nomad drops fields that it does not know, so only those
// that may be meant for one of these are faults.
var nomadStop = []string{"KillTimeout", "KillSignal", "ShutdownDelay"}

var nomadContainers = []string{"docker", "podman"}

// ignoresSignal is the driver that always leaves the signal to the container (StopTask in driver.go of
// nomad-driver-podman, July 2026).
const ignoresSignal = "podman"

// hclJob matches the beginning of a job in HCL.
var hclJob = regexp.MustCompile(`(?m)^\s*job\s+("[^"\n]*"|[^\s"]+)\s*\{`)

// isHCL reports whether this is a job in HCL.
func isHCL(data []byte) bool { return !isObject(data) && hclJob.Match(data) }

func namedNomad(base string) bool {
	return isManifest(base) || strings.HasSuffix(base, ".nomad") || strings.HasSuffix(base, ".nomad.hcl")
}

func isNomad(name string, data []byte) bool {
	if name == Stdin || slices.Contains([]string{".nomad", ".hcl"}, filepath.Ext(name)) {
		if isHCL(data) {
			return true
		}
	}
	type job struct {
		TaskGroups json.RawMessage
	}
	var o struct {
		Job *job
		job
	}
	if !isObject(data) {
		return false
	}
	if json.Unmarshal(data, &o) == nil {
		return o.Job != nil && o.Job.TaskGroups != nil || o.TaskGroups != nil
	}
	return bytes.Contains(data, []byte(`"TaskGroups"`)) // a broken one, or a template
}

// nomad reads a job in JSON.
func nomad(name string, data []byte) File {
	f := File{Name: name}
	fail := func(err error) File {
		f.Errs = append(f.Errs, &Error{File: name, Err: err})
		return f
	}
	if isHCL(data) {
		from, base := name, filepath.Base(name)
		if name == Stdin {
			from, base = "web.nomad", "job"
		}
		f.source(place{tree: treeOf(nil)}, "Nomad", base, "this is a job in HCL: nothing in it was checked", "convert it, and check the result: nomad job run -output "+from+" | deploycheck -")
		return f
	}
	root, err := jsonTree(data)
	if err != nil {
		f.unreadable("Nomad", data, err)
		return f
	}
	path, node := "", root
	for _, m := range root.members {
		if strings.EqualFold(m.key, "Job") && m.value.object {
			path, node = m.key, m.value
		}
	}
	w := Workload{File: name, Document: 1, Kind: "Nomad", Lookup: root.place, Key: root.key}
	s := strictJSON{workload: &w, name: tagName, foldCase: true, only: nomadStop, fix: "correct its name, or move it: Nomad ignores it"}
	s.check(node, reflect.TypeFor[api.Job](), path)
	var job api.Job
	if err := json.Unmarshal(node.encode(), &job); err != nil {
		if len(w.Faults) == 0 {
			w.fault(finding.WrongType, path, plain(err), "write a value of the field's type")
		}
		f.Workloads = append(f.Workloads, w)
		return f
	}
	if len(job.TaskGroups) == 0 {
		return fail(errors.New("the job has no task groups"))
	}
	for i, group := range job.TaskGroups {
		if group == nil {
			return fail(fmt.Errorf("TaskGroups[%d] is null", i))
		}
		f.Workloads = append(f.Workloads, w.nomadGroup(&job, i, join(path, fmt.Sprintf("TaskGroups[%d]", i))))
		w.Faults = nil // the first group has the faults of the job
	}
	return f
}

func (w Workload) nomadGroup(job *api.Job, i int, path string) Workload {
	group := job.TaskGroups[i]
	w.Faults = slices.Clone(w.Faults)
	w.Name = cmp.Or(or(job.ID), or(job.Name))
	if len(job.TaskGroups) > 1 {
		w.Name += "/" + or(group.Name)
	}
	w.Batch = slices.Contains([]string{api.JobTypeBatch, api.JobTypeSysbatch}, or(job.Type))
	for j, task := range group.Tasks {
		// A prestart task has ended before the others begin, and a poststop task begins after
		// they have ended.
		if task == nil || task.Lifecycle != nil && task.Lifecycle.Hook != "" && !task.Lifecycle.Sidecar {
			continue
		}
		at := fmt.Sprintf("%s.Tasks[%d]", path, j)
		w.nomadRequired(at+".Name", task.Name)
		w.nomadRequired(at+".Driver", task.Driver)
		task.Name = cmp.Or(task.Name, fmt.Sprintf("Tasks[%d]", j))
		p := nomadTask(task, at)
		p.Wait += or(group.ShutdownDelay)
		w.Programs = append(w.Programs, p)
	}
	w.nomadLeader(group)
	return w
}

func (w *Workload) nomadRequired(field, value string) {
	if value == "" {
		w.fault(finding.WrongType, field, field+" is not set: Nomad rejects the job", "write it")
	}
}

// nomadLeader marks the program of a group: its leader, or the only task that is no sidecar.
func (w *Workload) nomadLeader(group *api.TaskGroup) {
	var leaders, mains []string
	for _, task := range group.Tasks {
		switch {
		case task == nil:
		case task.Leader:
			leaders = append(leaders, task.Name)
		case task.Lifecycle == nil || task.Lifecycle.Hook == "":
			mains = append(mains, task.Name)
		}
	}
	if len(leaders) == 0 {
		leaders = mains
	}
	for i := range w.Programs {
		w.Programs[i].Own = len(leaders) == 1 && w.Programs[i].Name == leaders[0]
	}
}

func nomadTask(task *api.Task, path string) Program {
	p := Program{
		Name: task.Name, Path: path,
		Signal: Setting[string]{Value: nomadSignal, Field: path + ".KillSignal"},
		Wait:   task.ShutdownDelay,
	}
	p.Grace = p.nomadGrace(task, path+".KillTimeout")
	if slices.Contains(nomadContainers, task.Driver) {
		p.Signal = Setting[string]{Value: "SIGTERM", Field: "STOPSIGNAL of the image"}
	} else {
		p.Signal.Fixed = true
	}
	if task.KillSignal != "" && task.Driver != ignoresSignal {
		p.Signal = signal(path+".KillSignal", task.KillSignal)
	}
	init, _ := task.Config["init"].(bool)
	p.Command = argv(path+".Config.entrypoint", path+".Config.command", init, words(task.Config["entrypoint"]), append(words(task.Config["command"]), words(task.Config["args"])...))
	for name, value := range task.Env {
		p.Env = append(p.Env, Variable{Name: name, Value: value, Known: !strings.Contains(value, "${"), Field: path + ".Env." + name})
	}
	return p
}

func (p *Program) nomadGrace(task *api.Task, field string) Setting[time.Duration] {
	g := Setting[time.Duration]{
		Value: nomadGrace, Field: field, Beside: strings.TrimSuffix(field, "KillTimeout") + "Name",
		Most: nomadMost, AtMost: "as much for KillTimeout and for max_kill_timeout of the clients, which is 30s by default",
		Write: func(d time.Duration) string { return fmt.Sprintf("\"KillTimeout\": %d", d.Nanoseconds()) },
	}
	if task.KillTimeout == nil {
		return g
	}
	g.Value, g.Text = *task.KillTimeout, fmt.Sprint(task.KillTimeout.Nanoseconds())
	switch {
	case g.Value > 0 && g.Value < time.Millisecond:
		p.fault(finding.WrongType, field, fmt.Sprintf("%s is %s: durations in the JSON of Nomad are nanoseconds", field, task.KillTimeout), g.Write(g.Value*time.Second))
	case g.Value > nomadMost:
		p.fault(finding.GraceCapped, field, fmt.Sprintf("%s is %gs, and a client reduces it to its max_kill_timeout, 30s by default", field, g.Value.Seconds()), fmt.Sprintf("set max_kill_timeout of all clients to at least %gs, or write %s", g.Value.Seconds(), g.Write(nomadMost)))
		g.Value = nomadMost
	}
	return g
}

// words returns a string or a list of strings as a list.
func words(value any) []string {
	switch value := value.(type) {
	case string:
		if value != "" {
			return []string{value}
		}
	case []any:
		var all []string
		for _, v := range value {
			if s, ok := v.(string); ok {
				all = append(all, s)
			}
		}
		return all
	}
	return nil
}

func or[T any](p *T) (value T) {
	if p != nil {
		value = *p
	}
	return value
}
