package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lastcall-go/lastcall/shutdown"
)

// commands are what the program can do instead of serving.
var commands = map[string]string{
	"plan":    "print how long a stop takes, as JSON for deploycheck",
	"prestop": "preStop hook: announce the stop to the server in this pod and wait for its delay",
}

func printPlan(c *shutdown.Coordinator, out io.Writer) error {
	p, err := c.Plan()
	if err != nil {
		return err
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(p)
}

func status(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "http-server:", err)
	return 1
}
