package shutdown

import (
	"os"
	"sync/atomic"
)

// SetSignals replaces the source of signals: a real one is fatal in a synctest bubble.
func SetSignals(c *Coordinator, arrived <-chan os.Signal) {
	c.listen = func([]os.Signal) (<-chan os.Signal, func()) { return arrived, func() {} }
	c.holdOff = func([]os.Signal) func() { return func() {} }
}

// SetExit replaces os.Exit.
func SetExit(c *Coordinator, exit func(int)) { c.exit = exit }

// CountSignals counts the sources of signals that are in use.
func CountSignals(c *Coordinator) *atomic.Int32 {
	n, listen := new(atomic.Int32), c.listen
	c.listen = func(sigs []os.Signal) (<-chan os.Signal, func()) {
		n.Add(1)
		arrived, stop := listen(sigs)
		return arrived, func() { n.Add(-1); stop() }
	}
	return n
}

// PlanFits is Plan.fits.
func PlanFits(p Plan) bool { return p.fits() }
