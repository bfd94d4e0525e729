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

// buffer is how many signals may arrive before the receiver looks: package
// os/signal drops what does not fit. Nobody needs to know of a ninth.
const buffer = 8

// Defaults are the signals that ask a program to end.
var Defaults = []os.Signal{os.Interrupt, syscall.SIGTERM}

// Signals delivers the signals on the channel until stop is called. Those that
// were ignored when the program was started stay so: nohup sets SIGHUP, a shell
// without job control SIGINT of what it runs in the background, and to catch them
// would undo that. No signals means none; to package os/signal it means all.
//
// WebAssembly has no signals: nothing is ever delivered.
func Signals(sigs []os.Signal) (c <-chan os.Signal, stop func()) {
	heard := make([]os.Signal, 0, len(sigs))
	for _, s := range sigs {
		// There, Ignored panics: the runtime has no table of signals.
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

// HoldOff catches and drops SIGPIPE and SIGHUP until it is undone. Without that, a write to
// a standard output or standard error that nobody reads any more ends the process (the other
// end of a pipe gets the same Ctrl-C), and so does a terminal that is closed. With it the write
// is an error. A SIGHUP that was ignored when the program was started stays so. Another
// receiver of either signal still gets it.
//
// sigs are a Coordinator's: where they are empty and not nil, the program wants nothing to
// do with signals, and HoldOff touches none.
func HoldOff(sigs []os.Signal) (undo func()) {
	if sigs != nil && len(sigs) == 0 {
		return func() {}
	}
	_, undo = Signals(deadly)
	return undo
}

// Settle returns when every one of these signals that this process has received is on the
// channels of those who receive it. Package os/signal delivers to one after the other, in no
// order.
func Settle(sigs []os.Signal) {
	_, stop := Signals(sigs) // signal.Stop waits for deliveries that are under way
	stop()
}

// Same reports whether two signals are equal. The type of a signal may be the user's, and
// one that cannot be compared, on which == panics. Such a signal equals none.
func Same(a, b os.Signal) (same bool) {
	defer func() { _ = recover() }()
	return a == b
}
