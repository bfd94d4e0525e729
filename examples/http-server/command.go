package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/lastcall-go/lastcall/shutdown"
)

// What the program does instead of serving: what those who run it ask of it.
var commands = map[string]string{
	"plan":    "print the time that it needs to end, as JSON for kubecheck",
	"prestop": "the preStop hook of a pod: ask the one that serves to get ready for its stop",
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
