package group_test

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// Package os/signal starts its goroutine with the first Notify. In a bubble that
	// goroutine would keep the clock from moving, and a Coordinator catches SIGPIPE.
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPIPE)
	signal.Stop(c)
	goleak.VerifyTestMain(m)
}
