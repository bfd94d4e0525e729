//go:build !unix

package shutdown

import "os"

// reraise does nothing where a process cannot end by a signal.
func reraise(os.Signal) {}

// unblockStderr does nothing: the runtime's report of a panic may block there.
func unblockStderr() {}
