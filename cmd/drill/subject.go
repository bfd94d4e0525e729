package main

import (
	"os"
	"path/filepath"
)

// A subject is a server to drill. Its texts are templates over vars.
type subject struct {
	wire
	name            string
	control         bool
	args            []string // the command
	env             []string
	ready, executed string
}

// subjects returns the servers to drill.
func (c *config) subjects() ([]*subject, error) {
	if c.while != "" {
		return []*subject{{wire: c.wire, name: c.address()}}, nil
	}
	var all []*subject
	if c.control {
		s, err := controlSubject(c.ws != "")
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	if len(c.command) > 0 {
		all = append(all, c.commandSubject())
	}
	return all, nil
}

func (c *config) commandSubject() *subject {
	name := c.name
	if name == "" {
		name = filepath.Base(c.command[0])
	}
	return &subject{wire: c.wire, name: name, args: c.command, ready: c.ready, executed: c.executed}
}

// controlSubject is this program again, as the plain server of plain.go.
func controlSubject(webSockets bool) (*subject, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &subject{
		wire: wire{url: "http://127.0.0.1:{{.Port}}/", stream: "http://127.0.0.1:{{.Port}}/stream", method: "POST", body: "{{.ID}}"},
		name: "control (net/http)", control: true,
		args:  []string{self, "-addr", "127.0.0.1:{{.Port}}", "-executed", "{{.Dir}}/executed"},
		env:   []string{plainEnv + "=1"},
		ready: "http://127.0.0.1:{{.Port}}/readyz", executed: "{{.Dir}}/executed",
	}
	if webSockets {
		s.ws = "ws://127.0.0.1:{{.Port}}/ws"
	}
	return s, nil
}
