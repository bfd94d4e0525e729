//go:build !unix && !windows

package notify

import "os"

// deadly is empty: WebAssembly has no signals, and not even all of their names.
var deadly []os.Signal
