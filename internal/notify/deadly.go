//go:build unix || windows

package notify

import (
	"os"
	"syscall"
)

// deadly has the signals that end a process during its drain although they are no request to
// stop.
var deadly = []os.Signal{syscall.SIGPIPE, syscall.SIGHUP}
