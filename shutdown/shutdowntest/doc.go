// Package shutdowntest is for tests of a program's own shutdown: that it ends for each
// reason there is, in order, in time, and with nothing lost or left behind.
//
//	func TestStop(t *testing.T) {
//		p := shutdowntest.Start(t, shutdowntest.New(t), run) // run(ctx) is what Main is given
//		// use it
//		p.Signal(syscall.SIGTERM)
//		p.Clean()
//		p.Order("main", "http", "db")
//		p.Within(time.Second)
//	}
//
// In run, [shutdown.FromContext] finds the Coordinator of the test. What registers with
// shutdown.Default instead is not seen, since that is one for the whole process: that is a
// reason for a library, and for the run of a program, to take FromContext's.
//
// # Virtual time
//
// Everything but the processes works in a bubble of testing/synctest, where the second in
// which a handler is waited for takes no time, and lasts exactly a second:
//
//	synctest.Test(t, func(t *testing.T) {
//		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: time.Minute}, run)
//		...
//	})
//
// The signals are the test's own there, and [Listen] is a network in memory, for a [Load]
// too. What ignores its context is abandoned by the Coordinator, but not by the bubble: let
// it go before the test ends.
//
// # Three ways to test
//
// [Start] runs a function in the test's process. [Exec] runs a real binary, which
// [Build] makes, and sends it real signals. [Load] has clients talk to either while it is
// stopped, and counts the requests that are lost. [TestTask] is the acceptance of an
// adapter: does this func(context.Context) error do what a task must?
package shutdowntest
