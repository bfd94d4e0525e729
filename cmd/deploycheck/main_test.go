package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	fits     = "apiVersion: v1\nkind: Pod\nmetadata: {name: fits}\nspec: {terminationGracePeriodSeconds: 30, containers: [{name: app}]}\n"
	tight    = "apiVersion: v1\nkind: Pod\nmetadata: {name: tight}\nspec: {terminationGracePeriodSeconds: 26, containers: [{name: app}]}\n"
	tooShort = "apiVersion: v1\nkind: Pod\nmetadata: {name: short}\nspec: {terminationGracePeriodSeconds: 20, containers: [{name: app}]}\n"
	service  = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n"
	rollout  = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: app}]}}}\n"
	unknown  = "apiVersion: extensions/v1beta1\nkind: Deployment\n"
)

// command runs deploycheck in a directory with these files.
func command(t *testing.T, files map[string]string, stdin string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, data := range files {
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	status = run(args, strings.NewReader(stdin), &out, &errs)
	return status, out.String(), errs.String()
}

func TestExitStatus(t *testing.T) {
	files := map[string]string{
		"fits.yaml": fits, "tight.yaml": tight, "short.yaml": tooShort, "service.yaml": service, "unknown.yaml": unknown, "bad.yaml": "{",
		"rollout.yaml": rollout, "dir/fits.yaml": fits, "dir/service.yaml": service, "services/a.yaml": service, "services/b.json": "{}", "empty.yaml": "# nothing\n", "patch.yaml": "- {op: add, path: /spec/replicas, value: 1}\n",
		"Dockerfile": "FROM a\n",
		"delay.yaml": "apiVersion: v1\nkind: Pod\nspec: {terminationGracePeriodSeconds: 30, containers: [{name: app, env: [{name: APP_DELAY, value: 8s}]}]}\n",
	}
	tests := map[string]struct {
		args  string
		stdin string
		want  int
	}{
		"ok":                                  {"fits.yaml", "", 0},
		"a warning":                           {"tight.yaml", "", 0},
		"a warning, -strict":                  {"-strict tight.yaml", "", 1},
		"a note, -strict":                     {"-strict dir", "", 0},
		"an error":                            {"short.yaml", "", 1},
		"an error in one of several":          {"fits.yaml short.yaml", "", 1},
		"standard input":                      {"-", tooShort, 1},
		"several documents":                   {"-", fits + "---\n" + service + "---\n" + tooShort, 1},
		"no workload":                         {"service.yaml", "", 0},
		"no workload, -strict":                {"-strict service.yaml", "", 1},
		"no workload in a directory, -strict": {"-strict services", "", 1},
		"an empty file, -strict":              {"-strict empty.yaml", "", 1},
		"an unknown workload":                 {"rollout.yaml", "", 0},
		"an unknown and a known workload, -strict":  {"-strict -", fits + "---\n" + rollout, 1},
		"a container, and only an unknown workload": {"-container app rollout.yaml", "", 0},
		"not YAML":                               {"fits.yaml bad.yaml", "", 2},
		"an unknown API":                         {"unknown.yaml", "", 2},
		"bad input and an error":                 {"bad.yaml short.yaml", "", 2},
		"no such file":                           {"none.yaml", "", 2},
		"no such container":                      {"-container web fits.yaml", "", 2},
		"no such container, beside a Dockerfile": {"-container web fits.yaml Dockerfile", "", 2},
		"a container, and only a Dockerfile":     {"-container web Dockerfile", "", 0},
		"only a patch":                           {"patch.yaml", "", 2},
		"a patch and a manifest":                 {"patch.yaml fits.yaml", "", 0},
		"a patch and a manifest, -strict":        {"-strict patch.yaml fits.yaml", "", 1},
		"no file":                                {"", "", 2},
		"an unknown flag":                        {"-no fits.yaml", "", 2},
		"a duration without a unit":              {"-delay 5 fits.yaml", "", 2},
		"a negative duration":                    {"-drain -5s fits.yaml", "", 2},
		"a port out of range":                    {"-prestop-port 65536 fits.yaml", "", 2},
		"an invalid port":                        {"-prestop-port 80x fits.yaml", "", 2},
		"an invalid signal":                      {"-signals SIG_X fits.yaml", "", 2},
		"a signal that does not exist":           {"-signals foo fits.yaml", "", 2},
		"a real-time signal":                     {"-signals TERM,SIGRTMIN+3 fits.yaml", "", 0},
		"a second name of a signal":              {"-signals TERM,IOT fits.yaml", "", 0},
		"-fix and -o json":                       {"-fix -o json fits.yaml", "", 2},
		"-fix and an error":                      {"-fix short.yaml", "", 1},
		"a kind":                                 {"-kind kubernetes fits.yaml", "", 0},
		"an unknown kind":                        {"-kind helm fits.yaml", "", 2},
		"an invalid output format":               {"-o yaml fits.yaml", "", 2},
		"no such plan":                           {"-plan none.json fits.yaml", "", 2},
		"standard input twice":                   {"-plan - -", "{}", 2},
		"flags after the files":                  {"tight.yaml -strict", "", 1},
		"a flag after --":                        {"tight.yaml -- -strict", "", 2},
		"help":                                   {"-h", "", 0},
		"margin":                                 {"-margin 6s -strict fits.yaml", "", 1},
		"drain":                                  {"-drain 31s fits.yaml", "", 1},
		"cleanup without drain":                  {"-cleanup 5s -margin 0s -strict fits.yaml", "", 0},
		"cleanup and drain":                      {"-drain 25s -cleanup 6s fits.yaml", "", 1},
		"the default drain is less the delay":    {"-delay 5s -strict fits.yaml", "", 0},
		"delay and drain":                        {"-delay 6s -drain 25s fits.yaml", "", 1},
		"a plan":                                 {"-plan - fits.yaml", `{"drain_seconds": 31}`, 1},
		"-drain stays where a manifest sets the delay":               {"-plan - -drain 60s delay.yaml", `{"drain_seconds": 20, "delay_variable": "APP_DELAY"}`, 1},
		"-drain and the delay of a manifest":                         {"-plan - -strict -drain 22s delay.yaml", `{"drain_seconds": 20, "delay_variable": "APP_DELAY"}`, 1},
		"a flag overrides the plan":                                  {"-plan - -drain 5s fits.yaml", `{"drain_seconds": 31}`, 0},
		"the drain follows from grace_seconds":                       {"-plan - -strict -margin 0s fits.yaml", `{"grace_seconds": 32}`, 0},
		"the drain follows from grace_seconds and is too long":       {"-plan - fits.yaml", `{"grace_seconds": 32.5}`, 1},
		"the drain follows from grace_seconds less pre_stop_seconds": {"-plan - -strict fits.yaml", `{"grace_seconds": 40, "pre_stop_seconds": 10}`, 0},
		"the program's grace period is longer than the pod's":        {"-plan - -strict -drain 5s fits.yaml", `{"drain_seconds": 31}`, 1},
		"a plan with a fraction":                                     {"-plan - -strict fits.yaml", `{"drain_seconds": 28.5}`, 1},
		"a plan with an unknown field":                               {"-plan - fits.yaml", `{"drain": 5}`, 2},
		"a plan with a field in the wrong case":                      {"-plan - fits.yaml", `{"Drain_seconds": 5}`, 2},
		"a plan with a field twice":                                  {"-plan - fits.yaml", `{"drain_seconds": 5, "drain_seconds": 6}`, 2},
		"a plan with a string":                                       {"-plan - fits.yaml", `{"drain_seconds": "5"}`, 2},
		"a plan with a negative time":                                {"-plan - fits.yaml", `{"drain_seconds": -5}`, 2},
		"a plan with a port out of range":                            {"-plan - fits.yaml", `{"prestop": {"port": 65536}}`, 2},
		"a plan that is null":                                        {"-plan - fits.yaml", `null`, 2},
		"a plan with a second object":                                {"-plan - fits.yaml", `{} {}`, 2},
		"a plan with an invalid signal":                              {"-plan - fits.yaml", `{"signals": ["-"]}`, 2},
		"a plan without signals, -strict":                            {"-plan - -strict fits.yaml", `{"signals": []}`, 1},
		"signals, -strict":                                           {"-signals TERM,int -strict fits.yaml", "", 0},
		"signals without SIGTERM, -strict":                           {"-signals SIGINT -strict fits.yaml", "", 1},
		"a plan with too many seconds":                               {"-plan - fits.yaml", `{"drain_seconds": 1e300}`, 2},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			status, stdout, stderr := command(t, files, tt.stdin, strings.Fields(tt.args)...)
			if status != tt.want {
				t.Errorf("status %d, want %d\nstdout:\n%s\nstderr:\n%s", status, tt.want, stdout, stderr)
			}
			if stdout == "" && stderr == "" {
				t.Error("no output")
			}
		})
	}
}

// The plan has the same meaning as the flags.
func TestPlanIsTheFlags(t *testing.T) {
	const all = `{"container": "app", "grace_seconds": 28, "grace_source": "environment", "pre_stop_seconds": 0, "delay_seconds": 5, "drain_seconds": 19.5, "cleanup_seconds": 1, "margin_seconds": 3,
		"prestop": {"path": "/bye", "port": 9091, "port_name": "ops", "exec": "/app bye"}, "signals": ["SIGTERM", "SIGHUP"], "delay_variable": "APP_DELAY"}`
	fromPlan, err := parseOptions([]string{"-plan", "-", "x.yaml"}, strings.NewReader(all), nil)
	if err != nil {
		t.Fatal(err)
	}
	fromFlags, err := parseOptions([]string{
		"-container", "app", "-delay", "5s", "-drain", "19.5s", "-cleanup", "1s", "-margin", "3s",
		"-prestop-path", "/bye", "-prestop-port", "9091", "-prestop-port-name", "ops", "-prestop-exec", "/app bye", "-signals", "SIGTERM,SIGHUP", "x.yaml",
	}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	fromFlags.budget.Grace = fromPlan.budget.Grace // there are no flags for these
	fromFlags.budget.FromEnvironment, fromFlags.budget.FixedDrain = true, false
	fromFlags.budget.DelayVariable = "APP_DELAY"
	if diff := cmp.Diff(fromFlags.budget, fromPlan.budget); diff != "" {
		t.Errorf("budget (-flags +plan):\n%s", diff)
	}
	if got, want := fromPlan.budget.Grace.Seconds(), 25.5; got != want {
		t.Errorf("grace %v, want %v", got, want)
	}
}

// deploycheck reads the JSON of a shutdown.Plan. The plans are those of TestThePlanInJSON in package
// shutdown.
func TestThePlanOfAProgram(t *testing.T) {
	for _, printed := range []string{
		`{"grace_seconds":30,"grace_source":"field","pre_stop_seconds":0,"delay_seconds":5,"drain_seconds":1.001,"cleanup_seconds":0,"margin_seconds":2}`,
		`{"grace_source":"default","pre_stop_seconds":0,"delay_seconds":5,"drain_seconds":1.001,"cleanup_seconds":0,"margin_seconds":2}`,
	} {
		o, err := parseOptions([]string{"-plan", "-", "x.yaml"}, strings.NewReader(printed), nil)
		if err != nil {
			t.Errorf("%s: %v", printed, err)
			continue
		}
		b := o.budget
		if b.Grace != 6001*time.Millisecond || b.Delay.Seconds() != 5 || b.Drain != 1001*time.Millisecond || b.Cleanup != 0 || b.Margin.Seconds() != 2 {
			t.Errorf("%s\nbudget %+v, want a grace period of 6.001s with a delay of 5s", printed, b)
		}
	}
}

func TestJSON(t *testing.T) {
	files := map[string]string{"a.yaml": tooShort + "---\n" + service, "bad.yaml": "{", "service.yaml": service}
	status, stdout, _ := command(t, files, "", "-o", "json", "-delay", "5s", "a.yaml", "bad.yaml", "service.yaml")
	if status != exitBadInput {
		t.Errorf("status %d, want %d", status, exitBadInput)
	}
	var got []map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v:\n%s", err, stdout)
	}
	for _, r := range got {
		for _, f := range r["findings"].([]any) {
			for _, text := range []string{"message", "fix"} {
				if f.(map[string]any)[text] == "" {
					t.Errorf("%v: no %s", f, text)
				}
				delete(f.(map[string]any), text)
			}
		}
	}
	finding := func(code, severity string, line float64) []any {
		return []any{map[string]any{"code": code, "severity": severity, "line": line}}
	}
	want := []map[string]any{
		{
			"file": "a.yaml", "document": 1.0, "kind": "Pod", "name": "short", "container": "app", "verdict": "error", "mode": "none",
			"grace_seconds": 20.0, "pre_stop_seconds": 0.0, "required_seconds": 25.0, "headroom_seconds": -5.0, "findings": finding("grace-too-short", "error", 4),
		},
		{
			"file": "bad.yaml", "document": 1.0, "kind": "", "name": "", "container": "", "verdict": "error", "mode": "",
			"grace_seconds": nil, "pre_stop_seconds": nil, "required_seconds": nil, "headroom_seconds": nil, "findings": finding("unreadable", "error", 0),
		},
		{
			"file": "service.yaml", "document": 0.0, "kind": "", "name": "", "container": "", "verdict": "warn", "mode": "",
			"grace_seconds": nil, "pre_stop_seconds": nil, "required_seconds": nil, "headroom_seconds": nil, "findings": finding("no-workload", "warning", 0),
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

func TestJSONWithoutFindings(t *testing.T) {
	_, stdout, _ := command(t, map[string]string{"ok.yaml": fits}, "", "-o", "json", "ok.yaml")
	if !strings.Contains(stdout, `"findings": []`) {
		t.Errorf("no empty list of findings in:\n%s", stdout)
	}
}

func TestTable(t *testing.T) {
	status, stdout, stderr := command(t, nil, tooShort+"---\n"+fits+"---\n"+service, "-delay", "5s", "-")
	const want = `VERDICT  WORKLOAD   CONTAINER  MODE  GRACE  PRESTOP  REQUIRED  HEADROOM  FILE
error    Pod/short  app        none  20s    0s       25s       -5s       -
ok       Pod/fits   app        none  30s    0s       25s       5s        -

-, document 1, Pod/short, app
  error    grace-too-short: preStop 0s + delay 5s + drain 20s + cleanup 0s = 25s of 20s: killed 5s before the program exits
           fix: spec.terminationGracePeriodSeconds: 27 (25s and a margin of 2s), or shorten the program's stop

1 file, 2 workloads: 1 ok, 0 warn, 1 error; skipped: 1 Service
`
	if diff := cmp.Diff(want, stdout); diff != "" || status != exitFindings || stderr != "" {
		t.Errorf("status %d, stderr %q, table (-want +got):\n%s", status, stderr, diff)
	}
}

// Each code about files is tested with files that have it, and with files that only just do not.
func TestCodesOfFiles(t *testing.T) {
	has := map[finding.Code]map[string]string{
		finding.Unreadable:      {"dir/a.yaml": "a: [", "dir/b.yaml": fits},
		finding.UnknownAPI:      {"dir/a.yaml": unknown},
		finding.UnknownWorkload: {"dir/a.yaml": fits + "---\n" + rollout},
		finding.NotRendered:     {"dir/a.yaml": fits, "dir/b.yaml": "metadata:\n  name: {{ .Release.Name }}\n"},
		finding.NoWorkload:      {"dir/a.yaml": service, "dir/b.yaml": "# nothing"},
		finding.FilePassedOver:  {"dir/a.yaml": service, "dir/b.yaml": fits},
	}
	not := map[finding.Code]map[string]string{
		finding.Unreadable:      {"dir/a.yaml": "a: []", "dir/b.yaml": fits},
		finding.UnknownAPI:      {"dir/a.yaml": strings.Replace(unknown, "extensions/v1beta1", "example.org/v1beta1", 1)},
		finding.UnknownWorkload: {"dir/a.yaml": fits + "---\n" + strings.Replace(rollout, "containers", "images", 1)},
		finding.NotRendered:     {"dir/a.yaml": fits, "dir/b.yaml": "metadata:\n  name: '{{ .Release.Name }}'\n"},
		finding.NoWorkload:      {"dir/a.yaml": service, "dir/b.yaml": fits},
		finding.FilePassedOver:  {"dir/a.yaml": service + "---\n" + fits},
	}
	for code := range has {
		t.Run(string(code), func(t *testing.T) {
			quoted := `"code": "` + string(code) + `"`
			if _, out, _ := command(t, has[code], "", "-o", "json", "dir"); strings.Count(out, quoted) != 1 {
				t.Errorf("files %v:\n%s\nwant %s once", has[code], out, code)
			}
			if _, out, _ := command(t, not[code], "", "-o", "json", "dir"); strings.Contains(out, quoted) {
				t.Errorf("files %v:\n%s\nwant no %s", not[code], out, code)
			}
		})
	}
}

// README.md lists all codes with their severities.
func TestReadmeListsTheCodes(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([a-z0-9-]+)` \\| (note|warning|error) \\| [^|]+ \\| [^|]+ \\|$")
	listed := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		if _, twice := listed[m[1]]; twice {
			t.Errorf("%s is listed twice", m[1])
		}
		listed[m[1]] = m[2]
	}
	want := map[string]string{}
	for code, severity := range finding.Codes() {
		want[string(code)] = severity.String()
	}
	if diff := cmp.Diff(want, listed); diff != "" {
		t.Errorf("codes (-program +README.md):\n%s", diff)
	}
}

// README.md lists all flags.
func TestReadmeListsTheFlags(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, help, _ := command(t, nil, "", "-h")
	flags := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^  (-[a-z-]+)`).FindAllStringSubmatch(help, -1) {
		flags[m[1]] = true
	}
	want := strings.Fields("-cleanup -container -delay -drain -fix -kind -margin -o -plan -prestop-exec -prestop-path -prestop-port -prestop-port-name -signals -strict")
	if got := slices.Sorted(maps.Keys(flags)); !slices.Equal(got, want) {
		t.Errorf("flags %v, want %v", got, want)
	}
	for _, f := range want {
		if !strings.Contains(string(text), "| `"+f) {
			t.Errorf("README.md does not list %s", f)
		}
	}
}
