package main

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is a server too, where a test starts this binary as one: the control, or the
// one that testServer names.
func TestMain(m *testing.M) {
	if os.Getenv(plainEnv) != "" {
		os.Exit(plain(os.Args[1:]))
	}
	if kind := os.Getenv(testServer); kind != "" {
		serveTest(kind)
	}
	if spec := os.Getenv(lossyServer); spec != "" {
		serveLossy(spec)
	}
	if kind := os.Getenv(protocolServer); kind != "" {
		serveProtocol(kind)
	}
	if spec := os.Getenv(leavingServer); spec != "" {
		serveLeaving(spec)
	}
	goleak.VerifyTestMain(m)
}
