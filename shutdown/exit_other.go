//go:build !unix

package shutdown

import "os"

// reraise does nothing where a process cannot end by a signal.
func reraise(os.Signal) {}

// exitStatus is the code: the system keeps all of it.
func exitStatus(code int) int { return code }

// unblockStderr does nothing: the runtime's report of a panic may block there.
func unblockStderr() {}
