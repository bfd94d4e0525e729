package check_test

import "testing"

func TestFly(t *testing.T) {
	testPlaces(t, "fly.toml", map[string]place{
		"the default is 5 s":                {data: "app = \"a\"\n", want: "- 5s grace-default grace-too-short"},
		"seconds":                           {data: "kill_timeout = 27\n", want: "- 27s"},
		"a string":                          {data: "kill_timeout = \"1m30s\"\n", want: "- 90s"},
		"a string without a unit":           {data: "kill_timeout = \"30\"\n", want: "- - wrong-type"},
		"flyctl drops a fraction":           {data: "kill_timeout = 24.9\n", want: "- 24s grace-too-short"},
		"the most":                          {data: "kill_timeout = 300\n", want: "- 300s"},
		"more than the most":                {data: "kill_timeout = \"10m\"\n", want: "- 300s grace-limit"},
		"another type":                      {data: "kill_timeout = [30]\n", want: "- - wrong-type"},
		"the default is SIGINT":             {data: "kill_timeout = 27\n", budget: onlySIGTERM, want: "- 27s stop-signal"},
		"kill_signal":                       {data: "kill_timeout = 27\nkill_signal = \"SIGTERM\"\n", budget: onlySIGTERM, want: "- 27s"},
		"a kill_signal that does not exist": {data: "kill_timeout = 27\nkill_signal = \"TREM\"\n", want: "- 27s stop-signal"},
		"in a table":                        {data: "app = \"a\"\n[env]\nkill_timeout = 30\n", want: "- 5s grace-misplaced grace-default grace-too-short"},
		"in experimental":                   {data: "app = \"a\"\n[experimental]\nkill_timeout = 30\n", want: "- 30s"},
		"kill_signal in experimental":       {data: "kill_timeout = 30\n[experimental]\nkill_signal = \"SIGTERM\"\n", budget: onlySIGTERM, want: "- 30s grace-misplaced stop-signal"},
		"kill_timeout of a machine check":   {data: "kill_timeout = 30\n[[services]]\n[[services.machine_checks]]\nkill_timeout = \"5s\"\nkill_signal = \"SIGKILL\"\n", want: "- 30s"},
		"misspelt":                          {data: "kill_timout = 30\n", want: "- 5s unknown-field grace-default grace-too-short"},
		"processes":                         {data: "kill_timeout = 27\n[processes]\nweb = \"app\"\nworker = \"sh -c 'app worker'\"\n", want: "web 27s\nworker 27s shell-pid1"},
		"a process that is no string":       {data: "kill_timeout = 27\n[processes]\nweb = 1\n", want: "- - wrong-type"},
		"processes that are no table":       {data: "kill_timeout = 27\nprocesses = 3\n", want: "- - wrong-type"},
		"an app that is a table":            {data: "kill_timeout = 27\n[app]\nname = \"a\"\n", want: "- - wrong-type"},
		"env that is no table":              {data: "kill_timeout = 27\nenv = \"A=1\"\n", want: "- - wrong-type"},
		"an empty file":                     {data: "# nothing\n", budget: quick, want: "unreadable: no keys"},
		"experimental.cmd":                  {data: "kill_timeout = 27\n[experimental]\nentrypoint = [\"sh\", \"-c\"]\ncmd = \"app\"\n", want: "- 27s shell-pid1"},
		"the variable":                      {data: "kill_timeout = 27\n[env]\nTERMINATION_GRACE_PERIOD_SECONDS = 20\n", want: "- 27s env-grace-below"},
		"another name":                      {name: "production.toml", data: "app = \"a\"\nprimary_region = \"ams\"\nkill_timeout = 27\n", want: "- 27s"},
		"broken TOML":                       {data: "app = \"a\"\nkill_timeout = \n", want: "unreadable: line 2"},
		"a template":                        {data: "app = \"a\"\nkill_timeout = {{ grace }}\n", want: "- - not-rendered"},
		"a key twice":                       {data: "kill_timeout = 5\nkill_timeout = 27\n", want: "unreadable: kill_timeout is already defined"},
	})
}
