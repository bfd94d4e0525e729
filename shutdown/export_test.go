package shutdown

import "os"

// SetSignals replaces the source of signals: a real one is fatal in a synctest bubble.
func SetSignals(c *Coordinator, arrived <-chan os.Signal) {
	c.listen = func([]os.Signal) (<-chan os.Signal, func()) { return arrived, func() {} }
	c.dropPipe = func() func() { return func() {} }
}

// SetExit replaces os.Exit.
func SetExit(c *Coordinator, exit func(int)) { c.exit = exit }
