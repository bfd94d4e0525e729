package notify

import "os"

// A Double stands in for what a Coordinator has of the operating system: in a synctest
// bubble a real signal is fatal, and in a test the end of the process is that of the test.
type Double struct {
	Listen  func(sigs []os.Signal) (c <-chan os.Signal, stop func()) // for Signals
	HoldOff func(sigs []os.Signal) (undo func())                     // for HoldOff
	Exit    func(code int)                                           // for os.Exit; it must not return
	Site    [1]uintptr                                               // for the site.Site of main; zero is Run's caller
}

// Use has a *shutdown.Coordinator that may still be run use a double. It returns false, and
// changes nothing, for one that was run. Package shutdown sets it, and shutdowntest calls it:
// the fields are nobody else's business, and a method would be everybody's.
var Use func(coordinator any, d Double) bool

// Claim makes a *shutdown.Coordinator the one that package shutdown's functions act on, until
// release is called, if no other is. misused is called with the name of each such function
// that a step of it calls while another one is. Package shutdown sets it.
var Claim func(coordinator any, misused func(function string)) (release func())

// Running says of each step that a *shutdown.Coordinator waits for what it is, and where it
// was registered. A report has them only when they are over. Package shutdown sets it, too.
var Running func(coordinator any) []string
