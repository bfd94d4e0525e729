package check_test

import (
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

func TestECS(t *testing.T) {
	testPlaces(t, "task.json", map[string]place{
		"the default is 30 s": {data: `{"family": "web", "containerDefinitions": [{"name": "app", "image": "a"}]}`, want: "app 30s grace-default"},
		"stopTimeout":         {data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 20}]}`, want: "app 20s grace-too-short"},
		"Fargate":             {data: fargate(120), want: "a 120s"},
		"more than Fargate allows": {
			data: fargate(150), want: "a 120s grace-limit",
		},
		"less than Fargate allows": {data: fargate(1), want: "a 2s grace-limit grace-too-short"},
		"more than Fargate allows, on EC2": {
			data: `{"requiresCompatibilities": ["EC2"], "containerDefinitions": [{"name": "app", "stopTimeout": 150}]}`, want: "app 150s",
		},
		"the output of describe-task-definition": {
			data: `{"taskDefinition": {"taskDefinitionArn": "arn", "revision": 3, "registeredAt": 1.5, "containerDefinitions": [{"name": "app", "stopTimeout": 27}]}, "tags": []}`, want: "app 27s",
		},
		"the tags of a request":           {data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 27}], "tags": [{"key": "a", "value": "b"}]}`, want: "app 27s"},
		"container definitions only":      {data: `[{"name": "app", "image": "a", "stopTimeout": 27}]`, want: "app 27s"},
		"a sidecar that is not essential": {data: `{"containerDefinitions": [{"name": "log", "essential": false}, {"name": "app", "stopTimeout": 27}]}`, want: "app 27s container-passed-over"},
		"two essential containers":        {data: `{"containerDefinitions": [{"name": "log"}, {"name": "app"}]}`, want: "- - container-ambiguous"},
		"the container of -container": {
			data:   `{"containerDefinitions": [{"name": "log"}, {"name": "app", "stopTimeout": 27}]}`,
			budget: func(b *check.Budget) { b.Container = "app" }, want: "app 27s",
		},
		"a shell": {data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 27, "entryPoint": ["sh", "-c"], "command": ["app"]}]}`, want: "app 27s shell-pid1"},
		"a shell under an init process": {
			data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 27, "command": ["sh", "-c", "app"], "linuxParameters": {"initProcessEnabled": true}}]}`, want: "app 27s shell-pid1",
		},
		"the variable of the program": {
			data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 27, "environment": [{"name": "TERMINATION_GRACE_PERIOD_SECONDS", "value": "30"}]}]}`, want: "app 27s env-grace-above",
		},
		"the variable in a secret": {
			data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 27, "secrets": [{"name": "TERMINATION_GRACE_PERIOD_SECONDS", "valueFrom": "arn"}]}]}`, want: "app 27s env-not-checked",
		},
		"a name in the wrong case":          {data: `{"containerDefinitions": [{"name": "app", "StopTimeout": 27}]}`, want: "app 30s unknown-field grace-default"},
		"a misspelt name":                   {data: `{"containerDefinitions": [{"name": "app", "stopTimeOut": 27}]}`, want: "app 30s unknown-field grace-default"},
		"stopTimeout in the task":           {data: `{"stopTimeout": 27, "containerDefinitions": [{"name": "app"}]}`, want: "app 30s unknown-field grace-default"},
		"a string for a number":             {data: `{"containerDefinitions": [{"name": "app", "stopTimeout": "27"}]}`, want: "- - wrong-type"},
		"a name twice":                      {data: `{"containerDefinitions": [{"name": "app", "stopTimeout": 5, "stopTimeout": 27}]}`, want: "app 27s duplicate-field"},
		"a container that is null":          {data: `{"containerDefinitions": [null]}`, want: "containerDefinitions[0] 30s wrong-type grace-default"},
		"a container without a name":        {data: `{"containerDefinitions": [{}]}`, want: "containerDefinitions[0] 30s wrong-type grace-default"},
		"a launch type that does not exist": {data: `{"requiresCompatibilities": ["fargate"], "containerDefinitions": [{"name": "app", "stopTimeout": 27}]}`, want: "app 27s wrong-type"},
		"no containers":                     {data: `{"containerDefinitions": []}`, want: "- - no-containers"},
		"a template":                        {data: `{"containerDefinitions": [{"name": "app", "memory": ${memory}}]}`, want: "- - not-rendered"},
		"a template with a loop":            {data: "{\"containerDefinitions\": [{% for c in all %}{\"name\": \"{{ c }}\"}{% endfor %}]}", want: "- - not-rendered"},
		"a variable, and broken JSON":       {data: `{"containerDefinitions": [{"name": "${NAME}"]}`, want: "unreadable: line 1"},
		"text after the definition":         {data: `{"containerDefinitions": [{"name": "app"}]} {}`, want: "unreadable: text after the end"},
	})
}

// A key in another case has another value, before the key and after it.
func TestPlaceOfAKeyInItsCase(t *testing.T) {
	for _, keys := range []string{`"stopTimeout": 5, "StopTimeout": 60`, `"StopTimeout": 60, "stopTimeout": 5`} {
		f := manifest.Decode("task.json", "ecs", []byte(`{"containerDefinitions": [{"name": "app", `+keys+`}]}`))
		if got := f.Workloads[0].Place("containerDefinitions[0].stopTimeout").Text; got != "5" {
			t.Errorf("%s: text %q, want 5", keys, got)
		}
	}
}

func TestStrictJSONNamesTheLine(t *testing.T) {
	const data = "{\n\t\"containerDefinitions\": [\n\t\t{\"name\": \"app\",\n\t\t\"stoptimeout\": 27}\n\t]\n}"
	results := place{data: data}.results(t, "task.json")
	const want = "line 4: there is no field containerDefinitions[0].stoptimeout"
	if got := results[0].Findings[0]; got.Message != want || got.Place.Line != 4 {
		t.Errorf("got %q on line %d, want %q", got.Message, got.Place.Line, want)
	}
}
