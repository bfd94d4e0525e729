// Package shutdown ends a program: everything that it started, in order, on time, and with a
// record of what happened.
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
// There is one grace period, from t0 to the exit, and no sum of settings to work out. What comes
// first of these stamps t0: a termination signal, Stop or Shutdown, Quiesce, the end of the
// context given to Run, main's return, a failing task of a group that main runs, the end of a task
// that was started with Start. Quiesce only announces a stop: the delay begins, and the program
// goes on. There is no delay after main's return or a failing task, and either ends a delay that is
// running; nor is there one where the stop was requested before Run. From t0 on, a task that
// returns nil ends alone. The order is the same on every path.
//
// # Words
//
//   - stop: the request. Drain: what follows it.
//   - grace period: the time from t0 to the exit, Coordinator.Grace.
//   - delay: the first part of it, in which the program still serves, Coordinator.Delay.
//   - root context: the context that main is given. It ends when the delay is over.
//   - step: main, a task, a hold (work in flight, see Hold and Go), or a handler.
//   - work context: the context of what a step does while it stops. Of a handler, a hold and the
//     functions of a pair it is the one that they are given; main and a task are given one that
//     ends when they are told to stop, and get their work context from group.WorkContext.
//   - budget: the time that a step may use.
//   - minimum: the part of its budget that a step has whatever the steps before it do. A reserve
//     asks for more, see Reserve.
//   - deadline: when a step's work context ends, a little before its budget does.
//   - abandon: go on without a step that has not returned at the end of its budget.
//   - outcome: how a step ended. Cause: why the program stopped.
//   - leak: goroutines that a task or a handler has started and left behind.
//
// # The time of a step
//
// A step's time runs from its own start: when it is told to stop or, for a handler, called.
//
//	floor   = min(1s, R/(2n))                   R: time left when the stop is planned; n: steps one after the other
//	                                            (main with its holds is one, a Concurrent scope its longest chain)
//	minimum = max(floor, Reserve), capped by Timeout if there is one
//	          of a scope: the sum of its members' minimums, or the largest if it is Concurrent, instead of the floor
//	budget  = max(minimum, left - minimums of the steps after it), at most left, capped by Timeout
//	          left: of the time of the list that the step is in: for the program until t0 + Grace, for
//	          a scope or a group what its own budget is by the same formula
//	margin  = budget/20, at least 25ms, at most 500ms and budget/2
//
// The step's work context ends at start + budget - margin, its deadline; at start + budget the step
// is abandoned. A step that returns in between is late, unless it waited for something that it
// stops itself.
//
// Minimums are reduced, all by the same factor, and never raised again:
//
//   - when the stop is planned, and when a step is registered later, to 0.9 of the time left, if
//     their sum exceeds that; this is logged;
//   - when a step begins, to the time left, if its own and those of the steps after it exceed that.
//
// The stop is planned when the delay is over. What stops by itself is planned when it begins to: a
// scope that is closed, and each group, with its tasks as the steps. A step that is in two plans
// has the smaller floor.
//
// What stops within a step, its groups and what it closes, has to be over by the step's deadline;
// what begins to stop after that, half-way from there to the end. So the innermost step is
// abandoned first, and named. The step has one minimum, whatever its tasks have reserved. Nothing
// is kept for a scope or handler that a step closes before its turn, until that step is over: it
// has the time for it.
//
// So no step starves: however long the others take, each still has its minimum. A single slow
// step has nearly all of the grace period, and the eleventh after ten that hang its second. Time
// that a step does not use goes to those after it. An abandoned step is not forgotten: the report
// names it, where it was registered, what it waits for, and the stacks of all its goroutines.
//
// A step's work context has the values of the context given to Run. context.Cause of it is
// ErrGrace at the deadline, and a *signals.Error after a second signal. The tests of
// internal/tree have the rule as a table of examples.
//
// Being asked to stop is not an error. A step may return nil, its context's error or its cause,
// an error that wraps one of these, or what Expect names. Its own deadline is an error, ErrGrace.
//
// # Signals
//
// The first termination signal starts the above, or joins a stop that has begun otherwise. A
// second one, more than 200 ms later, ends the delay, the root context and the work contexts of
// the steps that run. Each of those has at most its minimum, counted from the signal; each step to
// come has its minimum, counted from its start, handlers with a context that is alive and tasks
// with a work context that has ended. A third signal prints who is still running and exits with
// 128 + its number.
//
// # What does not run handlers
//
// Nothing in a process can do anything about SIGKILL and fatal errors of the runtime (a
// concurrent map write, a stack overflow): what must survive them has to be written so that it
// can be interrupted at any point. Other ends have an alternative:
//
//   - os.Exit and log.Fatal end the process at once. Use Exit, or return an error.
//   - A panic on a goroutine that nobody owns ends the process. Start goroutines with group.Group
//     or Go, which own them.
//   - SIGHUP ends the process unless it is in Signals, and any signal does while neither Run, Main
//     nor Exit is active. Call Main first, and do the rest in it.
//   - SIGPIPE, from a write to a standard output that nobody reads, ends the process.
//     signal.Ignore turns it into an error that main can return.
//
// From t0 to the exit SIGHUP and SIGPIPE are caught and dropped, so that neither a closed terminal
// nor a reader that leaves ends the drain. SIGQUIT is left alone: it dumps all stacks, which is
// the operator's tool. The command examples/counter ends in each of these ways.
//
// On Windows the system ends a process 5 s after its console was closed, whatever it does: a
// Grace of at most 4 s suits commands there. A process cannot end by a signal there, so that
// Reraise is an exit code. docs/platforms.md has the other differences between systems.
//
// # Recipes
//
// [The examples of package recipes] show what to write for a worker, a ticker, a scheduler, a
// child process, files, a database or a Redis client, and how programs of oklog/run, errgroup and
// fx are moved over. For an http.Server see package httpdrain. A task that calls
// srv.ListenAndServe returns http.ErrServerClosed when it is told to stop: name it with
// group.Expect, or use group.Add with srv.Shutdown.
//
// # Python's atexit
//
// Register and Unregister are atexit's, with last in, first out and errors that do not stop the
// rest; a Scope is contextlib's ExitStack. What differs: handlers get a context and a budget,
// they run on signals too, a handler registered by a handler runs, and what went wrong is in the
// exit code.
//
// [The examples of package recipes]: https://github.com/lastcall-go/lastcall/tree/main/examples/recipes
package shutdown
