// Package shutdowntest tests the shutdown of a program: that it stops whatever the cause is, in
// order, in time, and without losing work or leaking goroutines.
//
//	func TestStop(t *testing.T) {
//		p := shutdowntest.Start(t, shutdowntest.New(t), run) // run(ctx) is the function given to Main
//		// use the program
//		p.Signal(syscall.SIGTERM)
//		p.Clean()
//		p.Order("main", "http", "db")
//		p.Within(time.Second)
//	}
//
// In run, [shutdown.FromContext] returns the Coordinator of the test. While the program runs,
// functions such as [shutdown.Register] use this Coordinator, too. If programs of two tests run at
// the same time, only the program that was started first may call these functions. A call in the
// other program is a failure of its test.
//
// # Virtual time
//
// Everything in this package except [Build], [Exec], and a [Load] over TCP works in a bubble of
// testing/synctest. There a handler that takes a second takes no real time, and exactly a second of
// the bubble's time:
//
//	synctest.Test(t, func(t *testing.T) {
//		p := shutdowntest.Start(t, &shutdown.Coordinator{Grace: time.Minute}, run)
//		...
//	})
//
// [Listen] is a network in memory, for servers in a bubble and for the Dial of a Load. The
// Coordinator abandons a step that ignores its context, but the bubble waits for its goroutines:
// make the step return before the test ends.
//
// # Four kinds of tests
//
//   - [Start] runs a main function in the test's process.
//   - [Exec] runs a binary, which [Build] can build, and sends it real signals.
//   - [Load] sends requests to a server while it stops, and counts the requests that are lost.
//   - [TestTask] checks that a func(context.Context) error does what a task must do.
package shutdowntest
