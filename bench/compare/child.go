package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// childArg is the first argument of the processes that this one starts.
const childArg = "child"

const costChild = "cost"

// child is the main function of a process that this one has started.
func child(args []string) error {
	time.AfterFunc(10*patience, func() { os.Exit(1) }) // its parent may have ended
	switch args[0] {
	case signalChild:
		return signalItself(os.Stdout)
	case costChild:
		return printCost(os.Stdout, args[1], args[2])
	case handlersChild:
		handlerFault(args[1], args[2])
	case tasksChild:
		taskFault(args[1], args[2])
	}
	return nil
}

// inChild measures handlers in a process of its own: its only goroutine is main's, as in the
// programs that users write, and no contestant finds the heap of another.
func inChild(name string, n int) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, childArg, costChild, name, strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return c, json.Unmarshal(out, &c)
}

func printCost(w io.Writer, name, n string) error {
	number, err := strconv.Atoi(n)
	if err != nil {
		return err
	}
	c, err := measureHandlers(name, number)
	if err != nil {
		return err
	}
	c[wholeTime] = c[registerTime] + c[drainTime]
	return json.NewEncoder(w).Encode(c)
}
