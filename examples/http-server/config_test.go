package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(vars map[string]string) func(string) string {
	return func(name string) string { return vars[name] }
}

func TestParseConfig(t *testing.T) {
	defaults := config{addr: "127.0.0.1:8080", admin: "127.0.0.1:9090", db: defaultDB()}
	with := func(change func(*config)) config {
		c := defaults
		change(&c)
		return c
	}
	tests := map[string]struct {
		args []string
		env  map[string]string
		want config
	}{
		"defaults": {want: defaults},
		"flags": {
			args: []string{"-addr", ":0", "-admin", "[::1]:http", "-grace", "20s", "-delay=3s", "-warmup", "4s", "-spread", "10s", "-db", "x.db"},
			want: config{addr: ":0", admin: "[::1]:http", grace: 20 * time.Second, delay: 3 * time.Second, warmup: 4 * time.Second, spread: 10 * time.Second, db: "x.db"},
		},
		"environment": {
			env:  map[string]string{"HTTP_SERVER_ADDR": ":1", "HTTP_SERVER_ADMIN": ":2", "HTTP_SERVER_GRACE": "9s", "HTTP_SERVER_DELAY": "1s", "HTTP_SERVER_SPREAD": "2s", "HTTP_SERVER_DB": "y.db"},
			want: config{addr: ":1", admin: ":2", grace: 9 * time.Second, delay: time.Second, spread: 2 * time.Second, db: "y.db"},
		},
		"a command": {
			args: []string{"prestop", "-admin", ":1"},
			want: with(func(c *config) { c.command, c.admin = "prestop", ":1" }),
		},
		"a flag and its variable": {
			args: []string{"-grace", "20s"},
			env:  map[string]string{"HTTP_SERVER_GRACE": "nonsense"},
			want: with(func(c *config) { c.grace = 20 * time.Second }),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseConfig(tt.args, env(tt.env), io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(config{})); diff != "" {
				t.Errorf("parseConfig(%q), want -, got +:\n%s", tt.args, diff)
			}
		})
	}
}

func TestParseConfigErrors(t *testing.T) {
	tests := map[string]struct {
		args []string
		env  map[string]string
		want []string
	}{
		"port missing":       {args: []string{"-addr", "localhost"}, want: []string{"-addr", `"localhost"`, "host:port"}},
		"port too high":      {args: []string{"-admin", ":65536"}, want: []string{"-admin", `":65536"`, `port "65536"`}},
		"unit missing":       {args: []string{"-grace", "25"}, want: []string{"-grace", `"25"`, "duration"}},
		"negative":           {args: []string{"-delay", "-1s"}, want: []string{"-delay", `"-1s"`, "negative"}},
		"file name missing":  {args: []string{"-db", ""}, want: []string{"-db", "file"}},
		"unknown flag":       {args: []string{"-adr", ":1"}, want: []string{"-adr"}},
		"unknown command":    {args: []string{"serve"}, want: []string{`"serve"`}},
		"two commands":       {args: []string{"plan", "prestop"}, want: []string{`"prestop"`}},
		"variable, address":  {env: map[string]string{"HTTP_SERVER_ADDR": "8080"}, want: []string{"$HTTP_SERVER_ADDR", `"8080"`, "host:port"}},
		"variable, duration": {env: map[string]string{"HTTP_SERVER_DELAY": "soon"}, want: []string{"$HTTP_SERVER_DELAY", `"soon"`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := parseConfig(tt.args, env(tt.env), io.Discard)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not contain %q", err, want)
				}
			}
		})
	}
}

func TestHelpNamesEverySetting(t *testing.T) {
	var out bytes.Buffer
	if _, err := parseConfig([]string{"-h"}, env(nil), &out); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("parseConfig(-h) = %v, want flag.ErrHelp", err)
	}
	for _, s := range new(config).settings() {
		for _, want := range []string{"-" + s.flag, "$" + s.env} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("help lacks %s:\n%s", want, &out)
			}
		}
	}
	for name := range commands {
		if !strings.Contains(out.String(), "\n  "+name) {
			t.Errorf("help lacks %s:\n%s", name, &out)
		}
	}
}
