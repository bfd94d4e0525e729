//go:build !unix

package shutdown

import "os"

// reraise does nothing: a process cannot end by a signal on this system.
func reraise(os.Signal) {}

// exitStatus returns the code: this system keeps all of its bits.
func exitStatus(code int) int { return code }

// unblockStderr does nothing: the runtime's report of a panic may block on this system.
func unblockStderr() {}
