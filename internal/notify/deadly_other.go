//go:build !unix && !windows

package notify

import "os"

// deadly is empty: WebAssembly has no signals, and package syscall lacks some of their names there.
var deadly []os.Signal
