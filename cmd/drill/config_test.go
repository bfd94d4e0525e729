package main

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigErrorsNameTheFlag(t *testing.T) {
	for _, test := range []struct {
		args string
		want string
	}{
		{"-nope", "flag provided but not defined: -nope"},
		{"-mode sideways", `invalid value "sideways" for flag -mode: want direct, rolling, haproxy`},
		{"-clients -1", "-clients -1: want more"},
		{"-runs 0", "-runs 0: want more"},
		{"-limit 0s", "-limit 0s: want more"},
		{"-signal NOPE -- x", "there is no signal SIGNOPE"},
		{"-load never", `invalid value "never" for flag -load`},
		{"-clients 0 -new 0 -h2 0 -- x", "there is no load"},
		{"-url http://127.0.0.1/", "there is no server to stop"},
		{"-url ftp://127.0.0.1/ -- x", `-url: "ftp://127.0.0.1/": want http://`},
		{"-ready-url /ready -- x", `-ready-url: "/ready": want http://`},
		{"-stream-url http://{{.Host}}/ -- x", "can't evaluate field Host"},
		{"-body {{ -- x", "-body: "},
		{"-header Authorization -- x", "want \"Name: value\""},
		{"-o drill.txt -- x", "ends in .html or .json"},
		{"-max-lost -1 -- x", "-max-lost -1: want more"},
		{"-grpc-message xyz -- x", "invalid value \"xyz\" for flag -grpc-message"},
		{"-ws-url http://127.0.0.1/ -- x", "-ws-url: \"http://127.0.0.1/\": want ws://"},
		{"-mode haproxy -grpc-url http://127.0.0.1/ -- x", "mode haproxy has no gRPC"},
		{"-while true", "-while needs -url"},
		{"-while true -url http://127.0.0.1/ -- x", "no server can be started as well"},
		{"-while true -url http://127.0.0.1/ -mode rolling", "-mode makes no sense with -while"},
		{"-while true -url http://127.0.0.1/ -control", "-control makes no sense with -while"},
		{"-- x {{.Pott}}", `argument "{{.Pott}}": `},
	} {
		_, err := parseConfig(strings.Fields(test.args), io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("drill %s: %v, want %q", test.args, err, test.want)
		}
	}
}

func TestConfig(t *testing.T) {
	c, err := parseConfig(strings.Fields("-mode direct,rolling -load 0 -think 0 -url https://127.0.0.1:{{.Port}}/a -- serve -p {{.Port}} -load 3s"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]mode{direct, rolling}, c.modes); diff != "" {
		t.Errorf("modes, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"serve", "-p", "{{.Port}}", "-load", "3s"}, c.command); diff != "" {
		t.Errorf("command, want -, got +:\n%s", diff)
	}
	if c.load != 0 || c.think != 0 || c.timeout != 10*time.Second || c.clients != perProcessor(32) || c.runs != 3 {
		t.Errorf("load %v, think %v, timeout %v, clients %d, runs %d; want 0, 0, 10s, 32 for each processor, 3", c.load, c.think, c.timeout, c.clients, c.runs)
	}
}

func TestHelpNamesEveryFlagAndTheExitStatus(t *testing.T) {
	var out strings.Builder
	if _, err := parseConfig([]string{"-help"}, &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("-help: %v, want flag.ErrHelp", err)
	}
	(&config{}).flags().VisitAll(func(f *flag.Flag) {
		if !strings.Contains(out.String(), "  -"+f.Name+" ") && !strings.Contains(out.String(), "  -"+f.Name+"\n") {
			t.Errorf("-%s is not in the help:\n%s", f.Name, &out)
		}
	})
	if !strings.Contains(out.String(), "Exit status: 0 nothing lost") {
		t.Errorf("no exit status in the help:\n%s", &out)
	}
}

func TestTemplatesOfAnInstance(t *testing.T) {
	s := &subject{
		wire: wire{url: "http://127.0.0.1:{{.Port}}/", body: `{"id":"{{.ID}}","port":{{.Port}}}`, header: lines{"A: {{.ID}}"}},
		args: []string{"serve", "-p={{.Port}}", "{{.Dir}}/x"}, ready: "http://127.0.0.1:{{.AdminPort}}/ready", executed: "{{.Dir}}/log",
	}
	i := &instance{subject: s, vars: vars{Port: 81, AdminPort: 91, Dir: "/d"}}
	if err := i.expand(); err != nil {
		t.Fatal(err)
	}
	got := append(i.args, i.url, i.ready, i.stream, i.body, i.header[0], i.executed)
	want := []string{"serve", "-p=81", "/d/x", "http://127.0.0.1:81/", "http://127.0.0.1:91/ready", "", `{"id":"drill-0000000000","port":81}`, "A: drill-0000000000", "/d/log"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestARequestWithoutABody(t *testing.T) {
	for args, want := range map[string]string{
		"-- x":                       "POST {{.ID}}",
		"-method GET -- x":           "GET ",
		"-method GET -body a -- x":   "GET a",
		"-method DELETE -body= -- x": "DELETE ",
	} {
		c, err := parseConfig(strings.Fields(args), io.Discard)
		if err != nil || c.method+" "+c.body != want {
			t.Errorf("drill %s: %v, method and body %q, want %q", args, err, c.method+" "+c.body, want)
		}
	}
}

func TestSecretsAreNotReported(t *testing.T) {
	c, err := parseConfig([]string{"-header", "Authorization: secret", "-runs", "2", "--", "x"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"header 1": "Authorization", "runs": "2"}, c.given); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestFreePortsDiffer(t *testing.T) {
	var a, b int
	if err := freePorts(&a, &b); err != nil || a == 0 || b == 0 || a == b {
		t.Errorf("freePorts = %v with %d and %d, want two of them", err, a, b)
	}
}

func TestHostPort(t *testing.T) {
	for url, want := range map[string]string{
		"http://127.0.0.1:80/x": "127.0.0.1:80",
		"https://localhost/":    "localhost:https",
		"http://[::1]:8080":     "[::1]:8080",
		"ws://localhost/":       "localhost:http",
		"wss://localhost/":      "localhost:https",
	} {
		if got := hostPort(url); got != want {
			t.Errorf("hostPort(%q) = %q, want %q", url, got, want)
		}
	}
}
