package check_test

import (
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
)

func TestProcfile(t *testing.T) {
	testPlaces(t, "Procfile", map[string]place{
		"30 s":                         {data: "web: app\n", want: "web 30s grace-default"},
		"longer than 30 s":             {data: "web: app\n", budget: func(b *check.Budget) { b.Drain = 30 * time.Second }, want: "web 30s grace-default grace-too-short"},
		"all processes get the signal": {data: "web: sh -c 'migrate && app'\n", want: "web 30s grace-default"},
		"always SIGTERM":               {data: "web: app\n", budget: onlySIGINT, want: "web 30s grace-default stop-signal"},
		"several":                      {data: "web: app\nworker: app worker\n", want: "web 30s grace-default\nworker 30s grace-default"},
		"the process of -container":    {data: "web: app\nworker: app worker\n", budget: func(b *check.Budget) { b.Container = "worker" }, want: "worker 30s grace-default"},
		"release is not stopped":       {data: "release: migrate\nweb: app\n", want: "web 30s grace-default"},
		"only release":                 {data: "release: migrate\n", want: ""},
		"comments and empty lines":     {data: "\n# comment\n  web:   app\r\n\n", want: "web 30s grace-default"},
		"a name twice":                 {data: "web: app\nweb: other\n", want: "web 30s duplicate-field grace-default"},
		"no colon":                     {data: "web: app\nworker app\n", want: "unreadable: line 2"},
		"no command":                   {data: "web:\n", want: "unreadable: line 1"},
		"a template":                   {data: "web: app\n{% if worker %}\n", want: "- - not-rendered"},
		"another name":                 {name: "Procfile.dev", data: "web: app\n", want: "web 30s grace-default"},
	})
}
