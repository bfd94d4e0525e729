// Package shutdown ends a program: everything that it started, in order, on time, and
// with a record of what happened.
//
//	func main() { os.Exit(shutdown.Main(run)) }
//
//	func run(ctx context.Context) error {
//		db, err := sql.Open("pgx", dsn)
//		if err != nil {
//			return err
//		}
//		shutdown.Register(shutdown.Closer(db), shutdown.Name("db"))
//
//		var g group.Group
//		g.Go("worker", worker.Run)
//		g.Go("http", httpdrain.Serve(srv))
//		return g.Run(ctx)
//	}
//
// # The timeline
//
//	stop requested                  root context cancelled                                   exit, whatever happens
//	t0                              t0 + Delay                                               t0 + Grace
//	│ Ready() turns false           │ tasks stop, newest first     │ handlers run, newest first    │
//	│ everything is still served    │ each awaited                 │ each awaited                  │
//	├─────────── Delay ─────────────┼──────────── main ────────────┼────────── handlers ───────────┤
//
// There is one grace period, from the request to the exit, and no sum of settings to
// work out. What stamps t0 is the first of: a termination signal, Stop, Quiesce, the end
// of the context given to Run, main's return, and a failing task of a group that main
// runs. There is no delay after the last two. The order is the same on every path.
//
// Main, each task, each hold and each handler is a step. A step has a context of its own
// that is not cancelled yet, with a deadline within the grace period, and
//
//   - nobody starves: what is left is divided so that each step to come keeps a promise of
//     a second (less where there are many, more with Reserve), whatever the ones before
//     it do;
//   - it is cut, then given up: its context ends 5 % of its time, 25 to 500 ms, before it
//     is left behind;
//   - given up is not forgotten: the drain goes on, and the report names the step, where
//     it was registered, what it waits for, and the stacks of all its goroutines.
//
// To be asked to stop is not an error: a step may return nil, its context's error, or its
// cause. Its own deadline is one, ErrGrace.
//
// # Signals
//
// The first termination signal starts the above. A second one, more than 200 ms later, ends
// the delay and the contexts of what is running, and gives that and each step to come just
// its promise. A third prints who is still running and exits with 128 + its number.
//
// # What does not run handlers
//
// Nothing in a process can do anything about SIGKILL and fatal errors of the runtime (a
// concurrent map write, a stack overflow); what must survive them has to be written so that
// it can be cut at any point. os.Exit, and log.Fatal with it, end the process at once: use
// Exit, or return an error. A panic on a goroutine that nobody owns ends the process as
// well: start goroutines with group.Group or Go, which own them. SIGHUP ends the process
// unless it is in Signals, and any signal does while neither Run, Main nor Exit is active:
// call Main first, and do the rest in it. SIGQUIT is left alone: it dumps all stacks, which
// is the operator's tool. SIGPIPE, of a write to a standard output that nobody reads, is
// held off only once the stop has begun: signal.Ignore makes it an error that main can
// return. The command examples/counter ends in each of these ways.
//
// On Windows, the system ends a process 5 s after its console was closed, whatever it does:
// a Grace of at most 4 s suits commands there. A process cannot end by a signal there, so
// that Reraise is an exit code. What else differs from system to system is in docs/platforms.md.
//
// # Recipes
//
// What to write for a worker, a ticker, a scheduler, a child process, files, a database or
// a Redis client, and how programs of oklog/run, errgroup and fx are moved over, is in
// [the examples of package recipes]. For an http.Server see package httpdrain.
//
// # Python's atexit
//
// Register and Unregister are atexit's, with last in, first out and errors that do not stop
// the rest; a Scope is contextlib's ExitStack. What differs: handlers get a context and a
// share of the time, they run on signals too, a handler registered by a handler runs, and
// what went wrong is in the exit code.
//
// [the examples of package recipes]: https://github.com/lastcall-go/lastcall/tree/main/examples/recipes
package shutdown
