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
// There is one grace period, from t0 to the exit, and no sum of settings to work out. t0 is the time
// of the first of these: a termination signal, Stop, Shutdown or Exit, Quiesce, the end of the
// context given to Run, main's return, the failure of a task of a group that main runs, the end of
// a task that was started with Start. Quiesce only announces a stop: the delay begins, and the
// program goes on. If the request follows so late that less than 2s are left, the exit is 2s after
// the request.
//
// There is no delay after main's return, the failure of a task or the end of a started one; each of
// these ends a delay that is running. Nor is there one where the stop was requested before Run, or
// without a Run. From t0 on, a task that returns nil does not stop the others.
//
// # Words
//
//   - stop: the request, by a signal for example. Drain: the time from the end of the delay to the
//     exit, in which the steps end.
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
//	floor   = min(1s, R/(2n))                   R: time left when the stop is planned
//	                                            n: number of steps that will run one after the other (main with its
//	                                            holds is one, a Concurrent scope counts as its longest chain)
//	minimum = max(floor, Reserve), capped by Timeout if there is one
//	          of a scope: the sum of its members' minimums, or the largest if it is Concurrent, instead of the floor
//	budget  = max(minimum, left - minimums of the steps after it), at most left, capped by Timeout
//	          left: the time until the end of the scope or group that the step is in, which has a budget by
//	          the same formula; of the program, until t0 + Grace. The steps after it: of the same scope or group.
//	margin  = budget/20, at least 25ms, at most 500ms and budget/2
//
// The step's work context ends at start + budget - margin, its deadline; at start + budget the step
// is abandoned. A step that returns at its deadline or later is late, which is a failure, unless it
// waited for something that it stops itself. A handler for which no time is left is skipped.
//
// Minimums are reduced, all of a list by the same factor, and never raised again:
//
//   - when the stop is planned, and when a step is registered later, to 0.9 of the time left, if
//     their sum exceeds that; this is logged;
//   - when a step begins, and when a limit comes forward, to the time left, if the minimums of the
//     step and of those after it exceed that.
//
// A limit comes forward when somebody closes a scope that is closed already, for example. A step
// that runs and has used its minimum then keeps 50ms.
//
// The program's stop is planned when the delay is over. A scope that is closed early, and a group,
// whose tasks are its steps, have a plan of their own, made when they begin to stop. A step that is
// in two plans has the smaller floor: one in a scope that is closed while the program stops.
//
// Groups that a step runs, and scopes that it closes, have to be over by the step's deadline. What
// begins to stop after that has half of the time from the deadline to the end. So the innermost
// step is abandoned first, and named. What the tasks of a group reserve does not raise the minimum
// of the step that runs the group. While a step closes a scope or a handler before its turn, no
// time is kept for that: the step has the time for it.
//
// So no step starves: however long the others take, each still has its minimum. A single slow
// step has nearly all of the grace period. With a Grace of 25s, ten handlers may hang, and the
// eleventh still has its second. Time that a step does not use goes to those after it. The report
// names each abandoned step, where it was registered, what it waits for, and the stacks of all its
// goroutines.
//
// A step's work context has the values of the context given to Run. context.Cause of it is
// ErrGrace at the deadline, and a *signals.Error after a second signal. TestBudgets in internal/tree
// has the rule as a table of examples.
//
// Being asked to stop is not an error. A step may return nil, its context's error or its cause,
// an error that wraps one of these, or what Expect names.
//
// # Signals
//
// The first termination signal starts the above, or joins a stop that has begun otherwise. A signal
// within 200ms of the one before counts as the same. A second one ends the delay, the root context,
// and the work contexts of the steps that are stopping. Each of those has at most its minimum, from
// the signal on. Each step to come has its minimum, from its start on: handlers and holds with a
// work context that is alive, tasks with one that has ended. The Reserve of a scope does not raise
// the minimums of its handlers. A third signal prints who is still running and exits with 128 + its
// number.
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
