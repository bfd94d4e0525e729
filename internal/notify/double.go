package notify

import (
	"os"
	"time"
)

// A Double replaces the functions of the operating system that a Coordinator calls. Tests need
// it: a real signal is fatal in a synctest bubble, and os.Exit would end the test.
type Double struct {
	Listen  func(sigs []os.Signal) (c <-chan os.Signal, stop func()) // for Signals
	HoldOff func(sigs []os.Signal) (undo func())                     // for HoldOff
	Exit    func(code int)                                           // for os.Exit; it must not return
	Site    [1]uintptr                                               // the site.Site of main; zero means Run's caller
}

// Use makes a *shutdown.Coordinator use a double. It returns false, and changes nothing, if the
// Coordinator was run already. Package shutdown sets Use, and shutdowntest calls it. It is not a
// method of Coordinator because users would see that.
var Use func(coordinator any, d Double) bool

// Claim makes a *shutdown.Coordinator the current one, on which the functions of package shutdown
// act, until release is called. If another is current, the claim waits until that is released.
// While it waits, misused is called with the name of each such function that a step of the
// Coordinator calls. Package shutdown sets Claim.
var Claim func(coordinator any, misused func(function string)) (release func())

// Hook tells a *shutdown.Coordinator that a preStop hook of the kubelet waits for an answer, until
// answered is called. Package shutdown sets Hook, and kube calls it.
var Hook func(coordinator any) (answered func())

// Health makes a *shutdown.Coordinator log that a health check of its program has failed, or passes
// again if err is nil. Package shutdown sets Health, and sdnotify calls it.
var Health func(coordinator any, err error)

// Warming reports whether the program of a *shutdown.Coordinator is not ready because it has not
// started. Package shutdown sets it.
var Warming func(coordinator any) bool

// Serves tells a *shutdown.Coordinator that the *tree.Node step has begun to serve requests. After it
// is told to stop, its work context has a deadline, and requests returns how much of the time until
// then the requests have. Package shutdown sets Serves, and httpdrain calls it.
var Serves func(coordinator, step any, requests func(untilDeadline time.Duration) time.Duration)

// Running describes each step that a *shutdown.Coordinator waits for: its kind, its name, and
// where it was registered. A report has only steps that are over. Package shutdown sets Running.
var Running func(coordinator any) []string
