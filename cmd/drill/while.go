package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// during is the mode of a drill whose servers run already, and which something else stops: the
// command of -while. It is not one of -mode.
const during mode = "while"

// checkWhile finds flags that make no sense without a process of the drill's own.
func (c *config) checkWhile(set map[string]bool) error {
	if len(c.command) > 0 {
		return errors.New("-while stops servers that run already: no server can be started as well")
	}
	if c.url == "" && c.address() == "" || !set["url"] && c.address() == defaultURL {
		return errors.New("-while needs -url, the address of the servers that run already")
	}
	for _, name := range []string{"mode", "control", "ready-url", "executed"} {
		if set[name] {
			return fmt.Errorf("-%s makes no sense with -while, whose servers are not the drill's own", name)
		}
	}
	return nil
}

// sharedTarget is the address at which the servers are reached.
func (s *session) sharedTarget() (*target, error) {
	w, err := s.subject.expand(vars{})
	if err != nil {
		return nil, err
	}
	return newTarget(0, w)
}

// drillWhile runs the command under load. The load goes on for as long after the command as before it.
func (s *session) drillWhile(ctx context.Context) error {
	if err := s.awaitWebSockets(ctx); err != nil {
		return err
	}
	s.progress.stage("load")
	if err := s.wait(ctx, s.cfg.load, int64(s.cfg.requests)); err != nil {
		return err
	}
	s.load.calm()
	s.progress.stage(s.cfg.while)
	cmd := exec.CommandContext(ctx, "sh", "-c", s.cfg.while)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // standard output is the report's
	ownGroup(cmd)
	cmd.Cancel = func() error { killGroup(cmd); return nil }
	st := Stop{Instance: "command", Signal: s.since(time.Now())}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		return err
	}
	st.Exit = s.since(time.Now())
	st.Status, st.Good = cmd.ProcessState.String(), cmd.ProcessState.Success()
	s.result.Stops = append(s.result.Stops, st)
	s.progress.stage("command ended")
	return s.wait(ctx, s.cfg.load, 0)
}
