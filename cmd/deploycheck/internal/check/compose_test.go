package check_test

import (
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
)

func TestCompose(t *testing.T) {
	testPlaces(t, "compose.yaml", map[string]place{
		"the default is 10 s": {data: "services: {web: {image: a}}", want: "web 10s grace-default grace-too-short"},
		"minutes and seconds": {data: "services: {web: {image: a, stop_grace_period: 1m30s}}", want: "web 90s"},
		"a day":               {data: "services: {web: {image: a, stop_grace_period: 1d}}", want: "web 86400s"},
		"Docker drops the fraction of a second": {
			data: "services: {web: {image: a, stop_grace_period: 24.9s}}", want: "web 24s grace-too-short",
		},
		"without a unit":             {data: "services: {web: {image: a, stop_grace_period: 90}}", want: "- - wrong-type"},
		"without a unit, a string":   {data: "services: {web: {image: a, stop_grace_period: '90'}}", want: "- - wrong-type"},
		"a negative time is forever": {data: "services: {web: {image: a, stop_grace_period: -1s}}", want: "web infinity grace-infinite"},
		"less than a second, negative": {
			data: "services: {web: {image: a, stop_grace_period: -500ms}}", want: "web 0s grace-zero grace-too-short",
		},
		"an anchor and a merge key": {
			data: "x-base: &base\n  stop_grace_period: 30s\nservices:\n  web:\n    <<: *base\n    image: a\n", want: "web 30s",
		},
		"a variable with a default": {
			data: "services: {web: {image: a, stop_grace_period: \"${GRACE_OF_WEB:-30s}\"}}", want: "web 30s",
		},
		"a variable of the environment": {
			data:    "services: {web: {image: a, stop_grace_period: \"${GRACE_OF_WEB:-30s}\"}}",
			environ: map[string]string{"GRACE_OF_WEB": "3s"}, want: "web 3s grace-too-short",
		},
		"a variable of .env": {
			data:   "services: {web: {image: a, stop_grace_period: \"${GRACE_OF_WEB:-30s}\"}}",
			beside: map[string]string{".env": "GRACE_OF_WEB=4s\n"}, want: "web 4s grace-too-short",
		},
		"a variable without a value":        {data: "services: {web: {image: a, stop_grace_period: \"${GRACE_OF_WEB}\"}}", want: "- - wrong-type"},
		"a required variable without value": {data: "services: {web: {image: \"${IMAGE_OF_WEB:?}\"}}", want: "unreadable: set IMAGE_OF_WEB, or write it into .env"},
		"a dollar that is escaped":          {data: "services: {web: {image: a, stop_grace_period: 30s, command: app $$X}}", want: "web 30s"},
		"an override file": {
			data:   "services: {web: {image: a, stop_grace_period: 3s}}",
			beside: map[string]string{"compose.override.yaml": "services: {web: {stop_grace_period: 30s}}"}, want: "web 30s",
		},
		"an override file of another name": {
			data:   "services: {web: {image: a, stop_grace_period: 3s}}",
			beside: map[string]string{"compose.test.yaml": "services: {web: {stop_grace_period: 30s}}"}, want: "web 3s grace-too-short",
		},
		"an override file that resets it": {
			data:   "services: {web: {image: a, stop_grace_period: 30s}}",
			beside: map[string]string{"compose.override.yaml": "services: {web: {stop_grace_period: !reset null}}"}, want: "web 10s grace-default grace-too-short",
		},
		"the files of COMPOSE_FILE": {
			data:   "services: {web: {image: a, stop_grace_period: 3s}}",
			beside: map[string]string{".env": "COMPOSE_FILE=compose.yaml:prod/compose.yaml\nCOMPOSE_PATH_SEPARATOR=:\n", "prod/compose.yaml": "services: {web: {stop_grace_period: 30s}}", "compose.override.yaml": "services: {web: {stop_grace_period: 4s}}"}, want: "web 30s",
		},
		"a file that is not in COMPOSE_FILE": {
			data:   "services: {web: {image: a, stop_grace_period: 3s}}",
			beside: map[string]string{".env": "COMPOSE_FILE=other.yaml\n", "other.yaml": "services: {web: {image: a, stop_grace_period: 30s}}"}, want: "web 3s grace-too-short",
		},
		"a part, with the first file before it": {
			name: "compose.prod.yaml", data: "services: {web: {stop_grace_period: 30s}}",
			beside: map[string]string{"compose.yaml": "services: {web: {image: a, stop_grace_period: 3s}}"}, want: "web 30s",
		},
		"a part without a first file": {name: "compose.prod.yaml", data: "services: {web: {stop_grace_period: 30s}}", want: "- - not-rendered"},
		"a part that no other file completes": {
			name: "compose.prod.yaml", data: "services: {web: {image: a, depends_on: [db]}}",
			beside: map[string]string{"compose.yaml": "services: {web: {image: a}}"}, want: "- - not-rendered",
		},
		"a part that the first file completes": {
			name: "compose.prod.yaml", data: "services: {web: {image: a, stop_grace_period: 30s, depends_on: [db]}}",
			beside: map[string]string{"compose.yaml": "services: {db: {image: b}}"}, budget: func(b *check.Budget) { b.Container = "web" }, want: "web 30s",
		},
		"a service that does not exist": {data: "services: {web: {image: a, depends_on: [db]}}", want: "unreadable: undefined service"},
		"a part without services":       {name: "compose.prod.yaml", data: "# services\n", want: ""},
		"no services":                   {data: "# services\n", want: "unreadable: empty compose file"},
		"extends": {
			data: "services: {base: {image: a, stop_grace_period: 30s}, web: {extends: {service: base}, build: .}}", want: "web 30s container-passed-over",
		},
		"extends from another file": {
			data:   "services: {web: {extends: {file: base.yaml, service: base}}}",
			beside: map[string]string{"base.yaml": "services: {base: {image: a, stop_grace_period: 30s}}"}, want: "web 30s",
		},
		"extends from a file that does not exist": {data: "services: {web: {extends: {file: base.yaml, service: base}}}", want: "unreadable: base.yaml"},
		"include": {
			data:   "include: [other.yaml]\nservices: {}",
			beside: map[string]string{"other.yaml": "services: {web: {image: a, stop_grace_period: 30s}}"}, want: "web 30s",
		},
		"a profile":                    {data: "services: {web: {image: a, profiles: [debug], stop_grace_period: 3s}}", want: "web 3s grace-too-short"},
		"services that are built here": {data: "services: {web: {build: ., stop_grace_period: 30s}, db: {image: b}, job: {build: .}}", want: "job 10s container-passed-over grace-default grace-too-short\nweb 30s"},
		"only a provider":              {data: "services: {db: {provider: {type: awesomecloud}}}", want: ""},
		"a provider and a service":     {data: "services: {db: {provider: {type: awesomecloud}}, web: {image: a, stop_grace_period: 30s}}", want: "web 30s"},
		"none is built here":           {data: "services: {web: {image: a}, db: {image: b}}", want: "- - container-ambiguous"},
		"the service of -container": {
			data:   "services: {web: {image: a}, db: {image: b, stop_grace_period: 30s}}",
			budget: func(b *check.Budget) { b.Container = "db" }, want: "db 30s",
		},
		"a command in a string runs no shell": {data: "services: {web: {image: a, stop_grace_period: 30s, command: app -x}}", want: "web 30s"},
		"a shell in a string":                 {data: "services: {web: {image: a, stop_grace_period: 30s, command: sh -c 'app -x'}}", want: "web 30s shell-pid1"},
		"a shell as the entrypoint":           {data: "services: {web: {image: a, stop_grace_period: 30s, entrypoint: [sh, -c], command: app}}", want: "web 30s shell-pid1"},
		"init passes the signal to the shell only": {
			data: "services: {web: {image: a, stop_grace_period: 30s, init: true, command: sh -c app}}", want: "web 30s shell-pid1",
		},
		"init and a program": {data: "services: {web: {image: a, stop_grace_period: 30s, init: true, command: app}}", want: "web 30s"},
		"an operator":        {data: "services: {web: {image: a, stop_grace_period: 30s, command: migrate && app}}", want: "web 30s command-cut"},
		"an operator in a service that is not checked": {
			data: "services: {web: {build: ., stop_grace_period: 30s}, db: {image: b, command: a > b}}", want: "web 30s container-passed-over",
		},
		"an operator in the second service": {
			data: "services: {web: {build: ., stop_grace_period: 30s}, worker: {build: ., stop_grace_period: 30s, command: a > b}}", want: "web 30s\nworker 30s command-cut",
		},
		"a stop_signal that does not exist": {
			data: "services: {web: {image: a, stop_grace_period: 30s, stop_signal: SIGFOO}}", budget: func(b *check.Budget) { b.Signals = []string{"SIGFOO"} }, want: "web 30s stop-signal",
		},
		"pre_stop is outside the grace period": {
			data: "services: {web: {image: a, stop_grace_period: 22s, pre_stop: [{command: /app prestop}]}}", want: "web 22s prestop-outside",
		},
		"pre_stop with another command": {
			data: "services: {web: {image: a, stop_grace_period: 22s, pre_stop: [{command: sleep 30}]}}", want: "web 22s prestop-outside grace-too-short",
		},
		"stop_signal":                    {data: "services: {web: {image: a, stop_grace_period: 30s, stop_signal: SIGQUIT}}", want: "web 30s stop-signal"},
		"stop_signal of -signals":        {data: "services: {web: {image: a, stop_grace_period: 30s, stop_signal: int}}", want: "web 30s"},
		"an unknown key":                 {data: "services:\n  web:\n    image: a\n    stop_graceperiod: 30s\n", want: "- - unknown-field"},
		"an unknown key at the top":      {data: "service: {}\nservices: {web: {image: a}}", want: "- - unknown-field"},
		"a key twice":                    {data: "services:\n  web:\n    image: a\n    image: b\n", want: "- - duplicate-field"},
		"several documents":              {data: "services: {web: {image: a}}\n---\nservices: {web: {stop_grace_period: 30s}}", want: "web 30s"},
		"JSON":                           {name: "compose.json", data: `{"services": {"web": {"image": "a", "stop_grace_period": "30s"}}}`, want: "web 30s"},
		"another name":                   {name: "stack.yml", data: "services: {web: {image: a, stop_grace_period: 30s}}", want: "web 30s"},
		"an alias within its own anchor": {data: "x-base: &base\n  <<: *base\nservices: {web: {image: a}}", want: "unreadable: line 1: an alias refers to the value around it"},
		"broken YAML":                    {data: "services: [", want: "unreadable: line 1"},
		"a template":                     {data: "services: {{ .Services }}", want: "- - not-rendered"},
		"a template with a statement":    {data: "services:\n{% for s in services %}\n  {{ s }}:\n    image: a\n{% endfor %}\n", want: "- - not-rendered"},
		"a variable, and broken YAML":    {data: "services: {web: {image: \"${IMAGE}\"", want: "unreadable: line 1"},
		"a placeholder of Swarm":         {data: "services: {web: {image: a, stop_grace_period: 30s, hostname: '{{.Node.Hostname}}'}}", want: "web 30s"},

		"a placeholder of Swarm, and an unknown key": {data: "services: {web: {image: a, grace: 30s, hostname: '{{.Node.Hostname}}'}}", want: "- - unknown-field"},
		"an env_file that is not there": {
			data: "services: {web: {image: a, stop_grace_period: 30s, env_file: secret.env}}", want: "web 30s",
		},
	})
}

// The message about an unknown key names its line.
func TestComposeNamesTheLine(t *testing.T) {
	for data, want := range map[string]string{
		"services:\n  web:\n    image: a\n    stop_graceperiod: 30s\n":  "line 4: services.web.stop_graceperiod: Compose has no such key",
		"services:\n  web:\n    image: a\n    stop_grace_period: 90\n":  "line 4: services.web.stop_grace_period must be a string",
		"services:\n  web:\n    image: a\n    stop_grace_period: 90x\n": `line 4: services.web.stop_grace_period: time: unknown unit "x" in duration "90x"`,
		"services:\n  web:\n    image: a\n    image: b\n":               "line 4: image occurs twice",
	} {
		results := place{data: data}.results(t, "compose.yaml")
		if got := results[0].Findings[0].Message; got != want {
			t.Errorf("%s\ngot %q\nwant %q", data, got, want)
		}
	}
}
