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
//	stop requested                  root context cancelled                    exit, whatever happens
//	t0                              t0 + Delay                                            t0 + Grace
//	│ Ready() turns false           │ tasks stop, newest first     │ handlers run, newest first    │
//	│ everything is still served    │ each awaited                 │ each awaited                  │
//	├─────────── Delay ─────────────┼──────────── main ────────────┼────────── handlers ───────────┤
//
// There is one grace period, from t0 to the exit. No other setting has to be added to it.
//
// t0 is the time of the first of these:
//
//   - a termination signal
//   - a call of [Stop], [Shutdown], [Exit] or [Coordinator.Quiesce]
//   - the end of the context given to Run
//   - main's return
//   - the failure of a task of a group that main runs, unless the task has [group.MayFail], or is
//     called again by [group.Restart]
//   - the end of a task that was started with Start
//
// Quiesce only announces a stop: the delay begins, and the program goes on. If the request follows
// within Grace of the announcement, the exit is at t0 + Grace, but not earlier than min(2s, Grace)
// after the request. If it follows later, t0 is the time of the request, and there is no delay. In
// one case the 2s are 1.5s: see kube.PreStop.
//
// There is no delay after main's return, the failure of a task, or the end of a started task. There
// is none either if the stop was requested before Run, or if there is no Run. Main's return and the
// failure of a task also end a delay that is running. From t0 on, a task that returns nil neither
// stops the others nor ends the delay.
//
// # The start
//
// Ready is true from the start of Run, unless Coordinator.Warmup is set or a task has a warm-up. A
// step with a warm-up starts when its function is called. It has started when it calls
// [group.Started]. The tasks of a group start oldest first. Those after a task with a warm-up are
// not begun before it has started. If it has not started within its warm-up, its stacks are taken,
// its context ends, and its group stops. If main has not, the program does. A stop ends the tasks
// that have begun, and the others are never begun. There is no delay if Ready was never true.
//
// # Words
//
//   - stop: the request to end the program. Drain: the end of the program's steps, after the delay.
//   - termination signal: one of Coordinator.Signals. The default is SIGINT and SIGTERM.
//   - grace period: the time from t0 to the exit, Coordinator.Grace.
//   - delay: the first part of the grace period, in which the program still serves,
//     Coordinator.Delay.
//   - root context: the context that main is given. It ends when the delay is over.
//   - step: main, a task, a hold or a handler. A task is a member of a group, or was started with
//     [Start]. A hold is work in flight, see [Hold] and [Go]. A handler is a function given to
//     [Register].
//   - list: a program, a scope or a group. Its members stop one after the other, newest first, or all
//     at once if the list is Concurrent. A scope has handlers and scopes as its members, and a group
//     has tasks. The program has main and, after it, the handlers, tasks and scopes that are in no
//     other list.
//   - told to stop: main and a task are told to stop by the end of their context, and a pair of
//     functions (see [group.Group.Add]) by the call of its interrupt. A handler is called instead.
//     A hold is not told.
//   - work context: the context for the work that a step does while it stops. A handler, a hold and
//     the functions of a pair are given their work context. Main and a task get theirs from
//     [group.WorkContext].
//   - budget: the time that a step may use.
//   - minimum: the part of a step's budget that no step before it can take away. [Reserve] raises it.
//   - deadline: when a step's work context ends, a little before the end of its budget.
//   - abandon: go on without a step that has not returned at the end of its budget.
//   - limit: a time at which a step or a list has to be over. If there are several, the earliest
//     applies.
//   - outcome: how a step ended. Cause: why the program stopped.
//   - leak: goroutines that a task or a handler has started and left behind. A goroutine belongs to
//     the step whose profiler label (see runtime/pprof) it has. It inherits the label from the
//     goroutine that starts it.
//   - current Coordinator: the one that Register and the other functions of this package use. It is
//     the Coordinator whose Main runs, or else Default.
//
// # The time of a step
//
// A step may use all the time that is left, except the minimums of the steps after it. So no step
// starves: however long the others take, each still has its minimum, unless the minimums had to be
// reduced, as described below. With few steps, a slow one has nearly all of the grace period. With a
// Grace of 25s and eleven handlers, main has 14s. If the first ten handlers hang, the eleventh still
// has its second. Time that a step does not use goes to the steps after it.
//
// A step's time runs from its own start: when it is told to stop or, for a handler, called. The
// time of a hold starts with that of main. A hold that begins later has the rest of main's budget.
//
//	floor   = min(1s, R/(2n))
//	          R: the time left when the stop is planned
//	          n: the number of steps that will run one after the other, with those in scopes.
//	             Main with its holds counts as one, a Concurrent list as its member with most steps.
//	minimum = max(floor, Reserve), capped by Timeout if there is one
//	          A scope has, instead of the floor, the sum of its members' minimums,
//	          or the largest of them if it is Concurrent.
//	budget  = max(minimum, left - minimums of the steps after it), at most left, capped by Timeout
//	          left: the time to the limit of the list that the step is in
//	          the steps after it: the steps and scopes of that list whose turn comes later
//	margin  = budget/20, at least 25ms, at most 500ms and budget/2
//
// The limit of the program is t0 + Grace. A scope has a budget by the same formula, and the end of
// that budget is its limit. [Scope.Close] describes the limit of a scope that is closed early, and
// the field Grace of [group.Group] that of a group.
//
// The step's work context ends at start + budget - margin, its deadline. At start + budget the step
// is abandoned. The report names each abandoned step, where it was registered, what it waits for,
// and the stacks of all its goroutines. A step that returns at its deadline or later is late, which
// is a failure. It is not late if at its deadline it was waiting for a group that it runs, or for a
// scope or handler that it closes. A step is late as well if it returns [ErrGrace], or an error that
// wraps it: the step says that its deadline has cut its work short. A handler is skipped if no time
// is left for it, for example because the process was suspended.
//
// The stop of the program, with all scopes in it, is planned when the delay is over. The stop of a
// group is planned when it begins, and that of a scope if it is closed early: R and n are then those
// of the group or scope alone. The floor is computed then. It changes in one case: if a scope is
// closed early while the program stops, each of its steps has the smaller of the program's floor and
// the scope's.
//
// If the minimums of a list do not fit into the time left, all of them are reduced by the same
// factor. They are never raised again. This happens
//
//   - when the stop is planned, and when a step is registered later: to 0.9 of the time left, if
//     the sum of the minimums exceeds that; this is logged;
//   - when a step begins, and when its limit becomes earlier: to the time left, if the minimums of
//     the step and of those after it exceed that.
//
// The limit of a step that runs becomes earlier when, for example, a second caller closes the same
// scope with an earlier deadline. If the step has used its minimum by then, it has
// 50ms from that moment.
//
// The groups that a step runs, and the scopes and handlers that it closes, have to be over by the
// step's deadline. If such a group, scope or handler begins to stop only after that deadline, its
// limit is half-way from there to the end of the step's budget. So the innermost step is abandoned
// first, and named.
//
// The Reserve of a group's task does not raise the minimum of the step that runs the group. While a
// step closes a scope or a handler before its turn, no time is kept for that scope or handler: it
// uses the time of the step.
//
// A step's work context has the values of the context given to Run. At the deadline its Err is
// context.DeadlineExceeded, with [ErrGrace] as the context.Cause. After a second signal its Err is
// context.Canceled, with a [*signals.Error] as the cause. TestBudgets in internal/tree has the
// formula as a table of examples.
//
// Being told to stop is not an error. A step may return nil, its context's error or its cause,
// an error that wraps one of these, or an error that [Expect] names. The deadline is an exception:
// ErrGrace, or context.DeadlineExceeded from a work context, is a failure.
//
// # Signals
//
// The first termination signal begins the stop, or joins a stop that has begun otherwise. A signal
// within 200ms of the last one that counted does not count. The second signal ends the delay, the
// root context, and the work contexts of the steps that are stopping. Each of these steps has at
// most its minimum, counted from the signal. If the second signal comes during the delay, main is
// told to stop, and is one of these steps. Each step to come has its minimum, counted from its start. The work
// contexts of handlers and holds to come are alive. Those of tasks to come have ended. The Reserve
// of a scope does not raise the minimums of its handlers. The third signal prints which steps are
// still running, and exits with 128 + its number.
//
// # What does not run handlers
//
// Nothing in a process can do anything about SIGKILL and fatal errors of the runtime (a
// concurrent map write, a stack overflow): what must survive them has to be written so that it
// can be interrupted at any point. For other ends there is an alternative:
//
//   - os.Exit and log.Fatal end the process at once. Use [Exit], or return an error.
//   - A panic on a goroutine that nobody owns ends the process. Start goroutines with
//     [group.Group] or [Go], which own them.
//   - Before t0, SIGHUP ends the process unless it is in Signals. While neither Run, Main, Shutdown
//     nor Exit is active, SIGINT and SIGTERM do, too. Call [Main] first, and do the rest in it.
//   - Before t0, SIGPIPE, from a write to a standard output that nobody reads, ends the process.
//     signal.Ignore turns it into an error that main can return.
//
// From t0 to the exit, or to the return of Run, SIGPIPE and a SIGHUP that is not in Signals are
// caught and dropped. So neither a closed terminal nor a reader that leaves ends the process.
// SIGQUIT is left alone: it dumps all stacks, which is the operator's tool. The command
// examples/counter ends in each of these ways.
//
// On Windows the system ends a process 5 s after its console was closed, whatever the process does:
// commands should have a Grace of at most 4 s there. A process cannot end by a signal there, so
// Reraise sets the exit code instead. docs/platforms.md has the other differences between systems.
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
// [Register] and [Unregister] are those of atexit: the last handler registered runs first, and an error
// does not keep the other handlers from running. A [Scope] is contextlib's ExitStack. There are four
// differences. Handlers get a context and a budget. They run on signals, too. A handler that is
// registered by a handler runs. A failure is in the exit code.
//
// [The examples of package recipes]: https://github.com/lastcall-go/lastcall/tree/main/examples/recipes
package shutdown
