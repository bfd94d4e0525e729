// Package notify receives signals for packages signals and shutdown.
package notify

import (
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"

	"github.com/lastcall-go/lastcall/internal/known"
)

// buffer is the number of signals that may wait for the receiver. Package os/signal drops the
// rest. The third signal ends the program, so eight are enough.
const buffer = 8

// Defaults are the signals that ask a program to end.
var Defaults = []os.Signal{os.Interrupt, syscall.SIGTERM}

// Signals delivers the signals on the channel until stop is called. A signal that was ignored when
// the program was started stays ignored: nohup ignores SIGHUP, a shell without job control ignores
// SIGINT for its background jobs, and catching the signal would undo that. An empty sigs means
// none; to package os/signal it means all.
//
// WebAssembly has no signals: nothing is ever delivered.
func Signals(sigs []os.Signal) (c <-chan os.Signal, stop func()) {
	heard := make([]os.Signal, 0, len(sigs))
	for _, s := range sigs {
		// On WebAssembly Ignored panics: the runtime has no table of signals there.
		if runtime.GOARCH != "wasm" && !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	ch := make(chan os.Signal, buffer)
	if len(heard) == 0 {
		return ch, func() {}
	}
	signal.Notify(ch, heard...)
	known.Signals()
	return ch, sync.OnceFunc(func() { signal.Stop(ch) })
}

// HoldOff catches and drops SIGPIPE and SIGHUP until undo is called. Otherwise the process would
// end when its terminal is closed, or when it writes to a standard output or standard error that
// nobody reads any more: Ctrl-C also ends the process at the other end of a pipe. With HoldOff
// the write returns an error. A SIGHUP that was ignored when the program was started stays
// ignored. Other receivers of the signals still get them.
//
// sigs is the Signals field of a Coordinator. If it is empty but not nil, the program does not
// use signals, and HoldOff does nothing.
func HoldOff(sigs []os.Signal) (undo func()) {
	if sigs != nil && len(sigs) == 0 {
		return func() {}
	}
	_, undo = Signals(deadly)
	return undo
}

// Settle waits until each of these signals that the process has received so far is on the channels
// of all its receivers. Package os/signal delivers a signal to one channel after the other, in no
// order.
func Settle(sigs []os.Signal) {
	_, stop := Signals(sigs) // signal.Stop waits for deliveries in progress
	stop()
}

// Same reports whether two signals are equal. A user's type of signal may not be comparable, so
// that == panics. Such a signal equals no other.
func Same(a, b os.Signal) (same bool) {
	defer func() { _ = recover() }()
	return a == b
}
