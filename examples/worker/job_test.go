package main

import (
	"context"
	"errors"
	"flag"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestPayloads(t *testing.T) {
	for name, tt := range map[string]struct{ data, wrong string }{
		"a job":            {`{"id":"a-1","kind":"sleep","work":5}`, ""},
		"empty":            {``, "not a job"},
		"truncated":        {`{"id":"a-1","ki`, "not a job"},
		"another type":     {`{"id":7,"kind":"sleep"}`, "not a job"},
		"no ID":            {`{"kind":"sleep"}`, `ID ""`},
		"ID of two tokens": {`{"id":"a.b","kind":"sleep"}`, `"a.b"`},
		"a wildcard":       {`{"id":">","kind":"sleep"}`, `">"`},
		"a long ID":        {`{"id":"` + strings.Repeat("x", 101) + `","kind":"sleep"}`, "ID"},
		"no kind":          {`{"id":"a-1"}`, `kind ""`},
		"unknown kind":     {`{"id":"a-1","kind":"paint"}`, `"paint"`},
		"not an object":    {`[]`, "not a job"},
		"null":             {`null`, `ID ""`},
		"trailing data":    {`{"id":"a-1","kind":"sleep"} {}`, "not a job"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseJob([]byte(tt.data))
			switch {
			case tt.wrong == "" && err != nil:
				t.Error(err)
			case tt.wrong != "" && (err == nil || !strings.Contains(err.Error(), tt.wrong)):
				t.Errorf("error %v, want one that names %s", err, tt.wrong)
			}
		})
	}
}

func TestAttempt(t *testing.T) {
	kinds["goexit"] = func(context.Context, job) error { runtime.Goexit(); return nil }
	defer delete(kinds, "goexit")
	for kind, wrong := range map[string]string{
		"sleep": "", "fail": "always fails", "panic": "always panics", "goexit": "runtime.Goexit",
	} {
		t.Run(kind, func(t *testing.T) {
			outcomes := make(chan outcome, 1)
			go job{ID: "a", Kind: kind}.attempt(t.Context(), outcomes)
			o := <-outcomes
			switch {
			case wrong == "" && (o.err != nil || o.result.ID != "a"):
				t.Errorf("%+v, want the result", o)
			case wrong != "" && (o.err == nil || !strings.Contains(o.err.Error(), wrong)):
				t.Errorf("error %v, want %q", o.err, wrong)
			}
		})
	}
}

func TestParseConfig(t *testing.T) {
	for args, want := range map[string]string{
		"-workers -1":               "-workers -1",
		"-produce -1":               "-produce -1",
		"-tries 0":                  "-tries 0",
		"-deliveries 0":             "-deliveries 0",
		"-max-store -1":             "-max-store -1",
		"-grace -1s":                "-grace -1s",
		"-work -1s":                 "-work -1s",
		"-job-timeout 0":            "-job-timeout 0s",
		"-ack-wait 10ms":            "-ack-wait 10ms",
		"-batch a.b":                `"a.b"`,
		"-kind paint":               `"paint"`,
		"-listen 4222":              "host:port",
		"-listen 127.0.0.1:70000":   `"70000"`,
		"-nats nats://a -listen :1": "-nats and -listen",
		"-workers many":             `"many"`,
		"more":                      `"more"`,
		"-unknown":                  "-unknown",
	} {
		t.Run(args, func(t *testing.T) {
			_, err := parseConfig(strings.Fields(args), io.Discard)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want one that says %s", err, want)
			}
		})
	}
	if _, err := parseConfig([]string{"-h"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v, want flag.ErrHelp", err)
	}
	c, err := parseConfig([]string{"-nats", "nats://a", "-grace", "3s"}, io.Discard)
	if err != nil || c.url != "nats://a" || c.grace != 3*time.Second || c.demo || c.produce != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = parseConfig(nil, io.Discard)
	if err != nil || !c.demo || c.produce != demoJobs || !c.untilEmpty {
		t.Errorf("without flags: %+v, %v, want the demonstration", c, err)
	}
}

func TestRedacted(t *testing.T) {
	for urls, want := range map[string]string{
		"nats://127.0.0.1:4222":             "nats://127.0.0.1:4222",
		"a:b@host:4222":                     "nats://a:xxxxx@host:4222",
		"nats://a:b@host, tls://c:d@host:1": "nats://a:xxxxx@host,tls://c:xxxxx@host:1",
		"nats://a:b@host:port":              "",
	} {
		if got := redacted(urls); got != want {
			t.Errorf("redacted(%q) = %q, want %q", urls, got, want)
		}
	}
}
