// Package notify receives signals for packages signals and shutdown.
package notify

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// buffer is how many signals may arrive before the receiver looks: package
// os/signal drops what does not fit. Nobody needs to know of a ninth.
const buffer = 8

// Defaults are the signals that ask a program to end.
var Defaults = []os.Signal{os.Interrupt, syscall.SIGTERM}

// Signals delivers the signals on the channel until stop is called. Those that
// were ignored when the program was started stay so: nohup sets SIGHUP, a shell
// without job control SIGINT of what it runs in the background, and to catch them
// would undo that. No signals means none; to package os/signal it means all.
func Signals(sigs []os.Signal) (c <-chan os.Signal, stop func()) {
	heard := make([]os.Signal, 0, len(sigs))
	for _, s := range sigs {
		if !signal.Ignored(s) {
			heard = append(heard, s)
		}
	}
	ch := make(chan os.Signal, buffer)
	if len(heard) == 0 {
		return ch, func() {}
	}
	signal.Notify(ch, heard...)
	return ch, sync.OnceFunc(func() { signal.Stop(ch) })
}

// DropPipe catches and drops SIGPIPE until it is undone: without that, a write to a
// standard output or standard error that nobody reads any more ends the process (the
// other end of a pipe gets the same Ctrl-C). With it the write is an error.
func DropPipe() (undo func()) {
	ch := make(chan os.Signal, 1) // full or not, the signal is caught
	signal.Notify(ch, syscall.SIGPIPE)
	return func() { signal.Stop(ch) }
}
