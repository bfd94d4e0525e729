//go:build !unix

package recipes_test

import "os"

// There is no SIGTERM to send where this is built.
func terminate(p *os.Process) error { return p.Kill() }
