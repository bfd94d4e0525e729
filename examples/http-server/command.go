package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/lastcall-go/lastcall/shutdown"
)

// commands are what the program can do instead of serving.
var commands = map[string]string{
	"plan":    "print how long a stop takes, as JSON for deploycheck",
	"prestop": "preStop hook: announce the stop to the server in this pod and wait for its delay",
}

// printPlan prints the Coordinator's plan, and what deploycheck needs besides to judge a manifest
// without flags: where the preStop hook is, and which variable sets the delay.
func printPlan(c *shutdown.Coordinator, admin string, out io.Writer) error {
	p, err := c.Plan()
	if err != nil {
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	plan := map[string]any{}
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(admin)
	if err != nil {
		return err
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		return err
	}
	plan["prestop"] = map[string]any{"path": "/prestop", "port": number, "exec": "http-server prestop"}
	plan["delay_variable"] = "HTTP_SERVER_DELAY"
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(plan)
}

func status(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "http-server:", err)
	return 1
}
