package manifest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	kjson "sigs.k8s.io/json"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// The grace period of an ECS container, from the documentation of stopTimeout in
// types.ContainerDefinition (aws-sdk-go-v2/service/ecs 1.105).
const (
	ecsGrace = 30 * time.Second // where neither stopTimeout nor the agent's ECS_CONTAINER_STOP_TIMEOUT is set
	// On Fargate stopTimeout is 2 s to 120 s.
	fargateLeast = 2 * time.Second
	fargateMost  = 120 * time.Second
)

// isECS reports whether this is a task definition, the output of aws ecs describe-task-definition, or
// a list of container definitions.
func isECS(_ string, data []byte) bool {
	var o struct {
		Containers json.RawMessage `json:"containerDefinitions"`
		Task       struct {
			Containers json.RawMessage `json:"containerDefinitions"`
		} `json:"taskDefinition"`
	}
	if isObject(data) {
		if json.Unmarshal(data, &o) == nil {
			return o.Containers != nil || o.Task.Containers != nil
		}
		return strings.Contains(string(data), `"containerDefinitions"`) // a broken one, or a template
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(data, &list) != nil || len(list) == 0 || list[0]["name"] == nil || list[0]["image"] == nil {
		return false
	}
	return slices.ContainsFunc(ecsMarks, func(name string) bool { return list[0][name] != nil })
}

// ecsMarks tell a list of container definitions from another list of things that have a name and an image.
var ecsMarks = []string{"command", "cpu", "entryPoint", "environment", "essential", "logConfiguration", "memory", "memoryReservation", "portMappings", "stopTimeout"}

// An ecsTask has the parts of a task definition that matter. A strictJSON has checked the types.
type ecsTask struct {
	Family   string         `json:"family"`
	Requires []string       `json:"requiresCompatibilities"`
	All      []ecsContainer `json:"containerDefinitions"`
}

type ecsContainer struct {
	Name        string   `json:"name"`
	Essential   *bool    `json:"essential"`
	StopTimeout *int32   `json:"stopTimeout"`
	EntryPoint  []string `json:"entryPoint"`
	Command     []string `json:"command"`
	Environment []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"environment"`
	Secrets []struct {
		Name string `json:"name"`
	} `json:"secrets"`
	LinuxParameters struct {
		Init bool `json:"initProcessEnabled"`
	} `json:"linuxParameters"`
}

// ecs reads a task definition.
func ecs(name string, data []byte) File {
	f := File{Name: name}
	root, err := jsonTree(data)
	if err != nil {
		f.unreadable("ECS", data, err)
		return f
	}
	w := Workload{File: name, Document: 1, Kind: "ECS", Name: filepath.Base(name)}
	path := ""
	task := root.member("taskDefinition")
	switch {
	case root.array: // containers only
		root = &jsonNode{line: root.line, object: true, members: []jsonMember{{key: "containerDefinitions", line: root.line, value: root}}}
		task = root
	case task != nil:
		path = "taskDefinition"
	default:
		task = root
	}
	w.Lookup, w.Key = root.place, root.key
	s := strictJSON{workload: &w, name: ecsName, fix: "correct its name, which is case-sensitive, or move it: the AWS CLI rejects the task definition"}
	s.check(task, reflect.TypeFor[types.TaskDefinition](), path)
	w.withoutTags(path)
	var t ecsTask
	if err := kjson.UnmarshalCaseSensitivePreserveInts(task.encode(), &t); err != nil {
		if len(w.Faults) == 0 {
			w.fault(finding.WrongType, path, plain(err), "write a value of the field's type")
		}
		f.Workloads = append(f.Workloads, w)
		return f
	}
	w.Name = cmp.Or(t.Family, w.Name)
	w.ecsCompatibilities(t.Requires, join(path, "requiresCompatibilities"))
	for i := range t.All {
		w.Programs = append(w.Programs, w.ecsProgram(&t, i, join(path, fmt.Sprintf("containerDefinitions[%d]", i))))
	}
	w.onlyEssential(t.All)
	f.Workloads = append(f.Workloads, w)
	return f
}

// ecsName is the name of a field of the SDK in JSON: StopTimeout is stopTimeout.
func ecsName(f reflect.StructField) string {
	if !f.IsExported() {
		return ""
	}
	return strings.ToLower(f.Name[:1]) + f.Name[1:]
}

// withoutTags removes the fault about tags, which a request has beside the task definition.
func (w *Workload) withoutTags(path string) {
	var faults []finding.Finding
	for _, f := range w.Faults {
		if f.Code != finding.UnknownField || f.Field != join(path, "tags") {
			faults = append(faults, f)
		}
	}
	w.Faults = faults
}

func (w *Workload) ecsProgram(t *ecsTask, i int, path string) Program {
	c := &t.All[i]
	if c.Name == "" {
		w.fault(finding.WrongType, path+".name", path+".name is not set: ECS rejects the task definition", "write the name of the container")
		c.Name = fmt.Sprintf("containerDefinitions[%d]", i)
	}
	p := Program{
		Name: c.Name, Path: path,
		Grace: w.ecsGrace(t, c, path+".stopTimeout"),
		// The agent sends the image's STOPSIGNAL, or SIGTERM (documentation of StopTask,
		// aws-sdk-go-v2/service/ecs 1.105).
		Signal:  Setting[string]{Value: "SIGTERM", Field: "STOPSIGNAL of the image"},
		Command: argv(path+".entryPoint", path+".command", c.LinuxParameters.Init, c.EntryPoint, c.Command),
	}
	for j, e := range c.Environment {
		p.Env = append(p.Env, Variable{Name: e.Name, Value: e.Value, Known: true, Field: fmt.Sprintf("%s.environment[%d]", path, j)})
	}
	for j, e := range c.Secrets {
		p.Env = append(p.Env, Variable{Name: e.Name, Field: fmt.Sprintf("%s.secrets[%d]", path, j)})
	}
	return p
}

// ecsCompatibilities finds a launch type that does not exist, such as fargate in lower case.
func (w *Workload) ecsCompatibilities(requires []string, field string) {
	var known []string
	for _, c := range types.CompatibilityEc2.Values() {
		known = append(known, string(c))
	}
	for i, r := range requires {
		if !slices.Contains(known, r) {
			at := fmt.Sprintf("%s[%d]", field, i)
			w.fault(finding.WrongType, at, fmt.Sprintf("%s is %q: ECS rejects the task definition", at, r), "write one of "+strings.Join(known, ", "))
		}
	}
}

func (w *Workload) ecsGrace(t *ecsTask, c *ecsContainer, field string) Setting[time.Duration] {
	fargate := false
	for _, r := range t.Requires {
		fargate = fargate || r == string(types.CompatibilityFargate)
	}
	g := Setting[time.Duration]{Value: ecsGrace, Field: field, Beside: strings.TrimSuffix(field, "stopTimeout") + "name", Write: func(d time.Duration) string {
		return fmt.Sprintf("\"stopTimeout\": %d", int64(d/time.Second))
	}}
	if fargate {
		g.Most, g.AtMost = fargateMost, "\"stopTimeout\": 120, the most that Fargate allows, and a shorter stop"
	}
	if c.StopTimeout == nil {
		return g
	}
	g.Value, g.Text = Seconds(int64(*c.StopTimeout)), strconv.Itoa(int(*c.StopTimeout))
	if fargate && (g.Value < fargateLeast || g.Value > fargateMost) {
		w.fault(finding.GraceLimit, field, fmt.Sprintf("%s is %s: Fargate allows 2 to 120 seconds, and rejects the task definition", field, g.Text), "a value from 2 to 120")
		g.Value = min(max(g.Value, fargateLeast), fargateMost)
	}
	return g
}

// onlyEssential marks the program of a task: the only container that is essential, which is the
// default.
func (w *Workload) onlyEssential(all []ecsContainer) {
	var essential []int
	for i := range all {
		if all[i].Essential == nil || *all[i].Essential {
			essential = append(essential, i)
		}
	}
	if len(essential) == 1 {
		w.Programs[essential[0]].Own = true
	}
}

// argv is the first process of a container: the entry point with its arguments. If only the arguments
// are known, they are taken for the whole command, which is the case for images without an entry
// point, and for those whose entry point is a script that ends in exec "$@".
func argv(entrypointField, field string, init bool, entrypoint, command []string) Setting[[]string] {
	words := append(entrypoint[:len(entrypoint):len(entrypoint)], command...)
	if len(entrypoint) > 0 {
		field = entrypointField
	}
	if len(words) == 0 {
		return Setting[[]string]{Field: field}
	}
	text := strings.Join(words, " ")
	if init {
		words = append([]string{"docker-init", "--"}, words...)
	}
	return Setting[[]string]{Value: words, Text: text, Field: field}
}
