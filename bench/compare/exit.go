package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	byHand = "signal.NotifyContext and Shutdown"

	exitHandlers = 10 // in each program of the folder exit
	exitPrograms = "github.com/lastcall-go/lastcall/bench/compare/exit/"
	settled      = 50 * time.Millisecond // after "ready": the program waits for the signal by then
)

// programFolders are the folders of exitPrograms.
var programFolders = map[string]string{lastcall: "lastcall", byHand: "hand", fxName: "fx"}

// holdExits builds the programs and measures the time of each from SIGTERM to its end.
func holdExits(ctx context.Context, repetitions int, progress func(string)) (*results, error) {
	dir, err := os.MkdirTemp("", "lastcall-compare-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	progress("building the programs that exit")
	built, installed := filepath.Join(dir, "built"), filepath.Join(dir, "installed")
	build := exec.CommandContext(ctx, "go", "build", "-o", built+string(filepath.Separator), exitPrograms+"...")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build %s...: %w\n%s", exitPrograms, err, out)
	}
	// Deployed programs are copies. Copies exit sooner than the files that the linker wrote: by a
	// third, on the Linux machine on which this was tried.
	if err := os.CopyFS(installed, os.DirFS(built)); err != nil {
		return nil, err
	}
	return contest{
		title: "a process",
		names: []string{lastcall, byHand, fxName},
		sizes: []size{{exitHandlers, repetitions}},
		measure: func(name string, _ int) (cost, error) {
			return measureExit(filepath.Join(installed, programFolders[name]))
		},
	}.hold(ctx, progress)
}

func measureExit(program string) (cost, error) {
	cmd := exec.Command(program)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	killer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer killer.Stop()
	ready := bufio.NewScanner(stdout).Scan()
	time.Sleep(settled)
	start := time.Now()
	if ready {
		err = cmd.Process.Signal(syscall.SIGTERM)
	} else {
		err = errors.Join(errors.New("the program did not print that it is ready"), cmd.Process.Kill())
	}
	state, waited := cmd.Process.Wait() // not cmd.Wait, which closes the pipe as well
	took := time.Since(start)
	_ = stdout.Close()
	if err := errors.Join(err, waited); err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	if !state.Success() {
		return nil, fmt.Errorf("%s: %v", program, state)
	}
	return cost{exitTime: float64(took)}, nil
}
