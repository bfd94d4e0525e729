package check_test

import (
	"strings"
	"testing"
)

func TestNomad(t *testing.T) {
	docker := func(task string) string { return strings.Replace(nomadJob(task), "exec", "docker", 1) }
	group := func(tasks string) string {
		return `{"ID": "web", "TaskGroups": [{"Name": "g", "Tasks": [` + tasks + `]}]}`
	}
	const enough = `"KillTimeout": 27000000000`
	testPlaces(t, "job.json", map[string]place{
		"the default is 5 s":              {data: nomadJob(""), want: "app 5s grace-default grace-too-short"},
		"nanoseconds":                     {data: nomadJob(enough), want: "app 27s"},
		"seconds by mistake":              {data: nomadJob(`"KillTimeout": 27`), want: "app 0s wrong-type grace-too-short"},
		"a string":                        {data: nomadJob(`"KillTimeout": "27s"`), want: "- - wrong-type"},
		"the clients cap it":              {data: nomadJob(`"KillTimeout": 45000000000`), want: "app 30s grace-capped"},
		"the default is SIGINT":           {data: nomadJob(enough), budget: onlySIGTERM, want: "app 27s stop-signal"},
		"KillSignal":                      {data: nomadJob(enough + `, "KillSignal": "SIGTERM"`), budget: onlySIGTERM, want: "app 27s"},
		"the docker driver sends SIGTERM": {data: docker(enough), budget: onlySIGTERM, want: "app 27s"},
		"the docker driver and STOPSIGNAL": {
			data: docker(enough), budget: onlySIGINT, want: "app 27s sigterm-unheard",
		},
		"the docker driver with KillSignal": {data: docker(enough + `, "KillSignal": "SIGINT"`), budget: onlySIGINT, want: "app 27s"},
		"the podman driver ignores KillSignal": {
			data: strings.Replace(nomadJob(enough+`, "KillSignal": "SIGINT"`), "exec", "podman", 1), budget: onlySIGINT, want: "app 27s sigterm-unheard",
		},
		"a signal that does not exist":  {data: nomadJob(enough + `, "KillSignal": "SIGSTOPP"`), want: "app 27s stop-signal"},
		"ShutdownDelay and a delay":     {data: nomadJob(enough + `, "ShutdownDelay": 5000000000`), want: "app 27s double-wait"},
		"ShutdownDelay without a delay": {data: nomadJob(enough + `, "ShutdownDelay": 5000000000`), budget: noDelay, want: "app 27s"},
		"a batch job":                   {data: strings.Replace(nomadJob(enough), `"ID"`, `"Type": "batch", "ID"`, 1), want: "app 27s job-delay"},
		"a shell": {
			data: group(`{"Name": "app", "Driver": "exec", "Config": {"command": "/bin/sh", "args": ["-c", "app"]}, ` + enough + `}`), want: "app 27s shell-pid1",
		},
		"a shell as docker's entrypoint": {
			data: group(`{"Name": "app", "Driver": "docker", "Config": {"entrypoint": ["sh", "-c"], "command": "app"}, ` + enough + `}`), want: "app 27s shell-pid1",
		},
		"without the key Job":                {data: group(`{"Name": "app", "Driver": "exec", ` + enough + `}`), want: "app 27s"},
		"names in another case":              {data: `{"job": {"id": "web", "taskgroups": [{"name": "g", "tasks": [{"name": "app", "driver": "exec", "killtimeout": 27000000000}]}]}}`, want: "app 27s"},
		"a leader":                           {data: group(`{"Name": "log", "Driver": "exec"}, {"Name": "app", "Driver": "exec", "Leader": true, ` + enough + `}`), want: "app 27s container-passed-over"},
		"two tasks":                          {data: group(`{"Name": "log", "Driver": "exec"}, {"Name": "app", "Driver": "exec", ` + enough + `}`), want: "- - container-ambiguous"},
		"a sidecar":                          {data: group(`{"Name": "log", "Driver": "exec", "Lifecycle": {"Hook": "prestart", "Sidecar": true}}, {"Name": "app", "Driver": "exec", ` + enough + `}`), want: "app 27s container-passed-over"},
		"a task that runs before":            {data: group(`{"Name": "init", "Driver": "exec", "Lifecycle": {"Hook": "prestart"}}, {"Name": "app", "Driver": "exec", ` + enough + `}`), want: "app 27s"},
		"two groups":                         {data: `{"ID": "w", "TaskGroups": [{"Name": "a", "Tasks": [{"Name": "x", "Driver": "exec", ` + enough + `}]}, {"Name": "b", "Tasks": [{"Name": "y", "Driver": "exec"}]}]}`, want: "x 27s\ny 5s grace-default grace-too-short"},
		"the variable":                       {data: nomadJob(enough + `, "Env": {"TERMINATION_GRACE_PERIOD_SECONDS": "30"}`), want: "app 27s env-grace-above"},
		"the variable, interpolated":         {data: nomadJob(enough + `, "Env": {"TERMINATION_GRACE_PERIOD_SECONDS": "${meta.grace}"}`), want: "app 27s env-not-checked"},
		"an unknown name":                    {data: nomadJob(enough + `, "VaultToken": "a"`), want: "app 27s"},
		"a name at the wrong place":          {data: strings.Replace(nomadJob(""), `"Tasks"`, `"KillTimeout": 27000000000, "Tasks"`, 1), want: "app 5s unknown-field grace-default grace-too-short"},
		"a misspelt name":                    {data: nomadJob(`"KillTimout": 27000000000`), want: "app 5s unknown-field grace-default grace-too-short"},
		"a name twice":                       {data: nomadJob(enough + `, ` + enough), want: "app 27s duplicate-field"},
		"a task without a name and a driver": {data: `{"TaskGroups": [{"Tasks": [{}]}]}`, budget: quick, want: "Tasks[0] 5s wrong-type wrong-type grace-default"},
		"a task that is null":                {data: `{"TaskGroups": [{"Tasks": [null]}]}`, budget: quick, want: "- - no-containers"},
		"a fault of another task": {
			data: group(`{"Name": "log", "Driver": "exec", "KillTimeout": 60000000000}, {"Name": "app", "Driver": "exec", "Leader": true, ` + enough + `}`), want: "app 27s container-passed-over",
		},
		"a template":           {data: `{"Job": {"TaskGroups": [{"Count": {{ count }}}]}}`, want: "- - not-rendered"},
		"no task groups":       {data: `{"Job": {"TaskGroups": []}}`, want: "unreadable: no task groups"},
		"a group that is null": {data: `{"Job": {"TaskGroups": [null]}}`, want: "unreadable: TaskGroups[0] is null"},
		"HCL":                  {name: "web.nomad", data: "job \"web\" {\n}\n", want: "- - not-rendered"},
	})
}
