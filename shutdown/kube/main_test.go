package kube_test

import (
	"os"
	"os/signal"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if play := programs[os.Getenv(childVariable)]; play != nil {
		play()
	}
	// The runtime's goroutine for signals is started here, and not in a bubble.
	arrived := make(chan os.Signal, 1)
	signal.Notify(arrived, os.Interrupt)
	signal.Stop(arrived)
	goleak.VerifyTestMain(m)
}
