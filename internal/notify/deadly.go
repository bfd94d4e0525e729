//go:build unix || windows

package notify

import (
	"os"
	"syscall"
)

// deadly are the signals that end a process in the middle of its drain though nobody has
// asked it to end.
var deadly = []os.Signal{syscall.SIGPIPE, syscall.SIGHUP}
