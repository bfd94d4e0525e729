package campaign

import "slices"

// allMutants are the faults that the campaign has to find, one by one.
func allMutants() []mutant { return slices.Concat(mutants, treeMutants) }

// mutants are in the files that are about the program: its timeline, its report, its log.
var mutants = []mutant{
	{
		name: "the end is a millisecond late", breaks: "nothing goes on after t0 and Grace",
		in: "shutdown.Coordinator.request", old: "max(step.Sum(c.t0, c.grace), now+min(minGrace, c.grace))", new: "time.Millisecond + max(step.Sum(c.t0, c.grace), now+min(minGrace, c.grace))",
	},
	{
		name: "an announced stop waits for the delay again", breaks: "the delay is counted from t0, which Quiesce has stamped",
		in: "shutdown.Coordinator.request", old: "c.t0 + upTo - now", new: "upTo",
	},
	{
		name: "a stop long after it was announced has no time", breaks: "a stop has at least min(2 s, Grace) left",
		in: "shutdown.Coordinator.request", old: "now + min(minGrace, c.grace)", new: "now",
	},
	{
		name: "holds are not awaited", breaks: "no handler begins before main and the holds are over",
		in: "shutdown.Coordinator.mainEnded", old: "c.phase != ending || !c.mainOver || len(c.holds) > 0", new: "c.phase != ending || !c.mainOver",
	},
	{
		name: "a failure does not end the delay", breaks: "main's return or a failing task ends a delay that runs",
		in: "shutdown.Coordinator.request", old: "if !delay { c.endDelay(now) }", new: "_ = delay",
	},
	{
		name: "a second signal does not press", breaks: "a second signal ends the contexts of the steps that stop, and leaves each its minimum",
		in: "shutdown.Coordinator.force", old: "c.run.Force(now, cause)", new: "_ = cause",
	},
	{
		name: "a second signal does not end the delay", breaks: "a second signal ends the delay",
		in: "shutdown.Coordinator.force", old: "c.endDelay(now)", new: "",
	},
	{
		name: "duplicates of a signal count", breaks: "a signal within 200 ms of the last that counted is a duplicate",
		in: "shutdown.echo", old: "200 * time.Millisecond", new: "time.Nanosecond",
	},
	{
		name: "the third signal exits with 1", breaks: "a third signal ends the process with 128 and its number",
		in: "shutdown.Coordinator.leave", old: "c.exit(cause.ExitCode())", new: "c.exit(1)",
	},
	{
		name: "the exit code of a panic is 1", breaks: "the exit code is 2 if main panicked",
		in: "shutdown.Report.exitCode", old: "return 2", new: "return 1",
	},
	{
		name: "no cause is a failure", breaks: "a cause of Stop that is no polite one counts as a failure",
		in: "shutdown.faultOf", old: "cause == nil", new: "true",
	},
	{
		name: "it is not ready again after Resume", breaks: "Ready is true again after Resume",
		in: "shutdown.Coordinator.Resume", old: "c.quiesced, c.ready, c.t0, c.end = false, true, 0, 0", new: "c.quiesced, c.ready, c.t0, c.end = false, false, 0, 0",
	},
	{
		name: "there is nothing to resume", breaks: "Resume takes an announcement back until the stop",
		in: "shutdown.Coordinator.Resume", old: "c.phase != active || !c.quiesced", new: "true",
	},
	{
		name: "events are dropped", breaks: "Observe is told of each step",
		in: "shutdown.queueLimit", old: "8192", new: "2",
	},
	{
		name: "a goroutine that has not begun is no leak", breaks: "the report names goroutines that a step has left behind, also those that it started last",
		in: "shutdown.Coordinator.leaksNow", old: "unborn = true", new: "unborn = false",
	},
	{
		name: "goroutines that are left are not looked for", breaks: "the report names the goroutines that steps have left behind",
		in: "shutdown.Coordinator.findLeaks", old: "left <= 0", new: "true",
	},
	{
		name: "a bare hold is awaited by nobody", breaks: "main's end waits for a hold until it is released",
		in: "shutdown.Coordinator.holdFor", old: "return sync.OnceFunc(func() { c.release(s, step.Result{}) }), true", new: "c.release(s, step.Result{}); return sync.OnceFunc(func() {}), true",
	},
	{
		name: "a hold is refused when main has been told", breaks: "a hold is accepted until main's step has ended",
		in: "shutdown.Coordinator.hold", old: "c.phase >= draining", new: "c.phase >= ending",
	},
	{
		name: "what runs can be unregistered", breaks: "a task that runs cannot be taken back",
		in: "shutdown.Registration.unregister", old: "!r.running && r.unlink()", new: "r.running || r.unlink()",
	},
	{
		name: "nothing can be unregistered", breaks: "exactly one of run and unregister wins, and what has not begun can be taken back",
		in: "shutdown.Registration.unregister", old: "!r.running && r.unlink()", new: "false",
	},
	{
		name: "what is unregistered runs all the same", breaks: "what was unregistered never runs",
		in: "shutdown.Registration.unlink", old: "r.remove()", new: "",
	},
	{
		name: "Unregister by name does not look into scopes", breaks: "Unregister takes back all handlers of the name, in scopes too",
		in: "shutdown.Scope.named", old: "r.sub.named(name, f)", new: "_ = f",
	},
	{
		name: "Unregister by name does not look into what runs side by side", breaks: "Unregister takes back what has not begun in the scopes of a concurrent scope that runs",
		in: "shutdown.Scope.named", old: "s.pool != nil", new: "false",
	},
	{
		name: "Unregister by name does not count", breaks: "Unregister returns how many it has taken back",
		in: "shutdown.Coordinator.Unregister", old: "n++", new: "n += 0",
	},
	{
		name: "a handler is not closed before its turn", breaks: "Registration.Close runs a handler now",
		in: "shutdown.Registration.Close", old: "!r.member", new: "true",
	},
	{
		name: "the deadline of a Close is ignored", breaks: "what a Close runs has until the deadline of its context",
		in: "shutdown.Coordinator.clockFor", old: "by.left > 0", new: "false",
	},
	{
		name: "a Close does not end with the step that it is called in", breaks: "what a Close runs ends by the deadline of the step that calls",
		in: "shutdown.Coordinator.clockFor", old: "c.run.NewClock(outer, limit)", new: "c.run.NewClock(nil, limit)",
	},
	{
		name: "a Close may take longer than the timeout of its scope", breaks: "the Timeout of a scope is for all its handlers together",
		in: "shutdown.Coordinator.clockFor", old: "t > 0", new: "false",
	},
	{
		name: "a Close without time skips what it closes", breaks: "what is closed when the time of the caller is over is left to its turn",
		in: "shutdown.Coordinator.closeNow", old: "d.clock.Over(now) && s.hasTurn()", new: "false",
	},
	{
		name: "a Close returns no error", breaks: "a Close returns the errors of what it has run",
		in: "shutdown.Coordinator.closeNow", old: "errors.Join(d.errs...)", new: "errors.Join()",
	},
	{
		name: "what Release returns runs nothing", breaks: "the function that Release returns runs the handlers",
		in: "shutdown.Scope.Release", old: "s.close(ctx, scopeReleased)", new: "nil",
	},
	{
		name: "what was released is run by the program", breaks: "what was released runs when its function is called, and otherwise not at all",
		in: "shutdown.Scope.Release", old: "s.state = scopeReleased; s.leave()", new: "_ = s.leave",
	},
	{
		name: "what is registered in the drain is refused", breaks: "a handler that is registered by a handler runs next",
		in: "shutdown.Scope.add", old: "s.state == scopeClosed", new: "s.state >= scopeDraining",
	},
	{
		name: "what runs is in the report as if it were over", breaks: "a report has the steps that are over",
		in: "shutdown.Coordinator.build", old: "s.Took < 0", new: "false",
	},
	{
		name: "there is no report before the end", breaks: "there is a report from t0 on",
		in: "shutdown.Coordinator.Report", old: "c.t0 == 0", new: "c.phase < finished",
	},
	{
		name: "a report in the drain does not say how long it has taken", breaks: "a report says how long the stop has taken by then",
		in: "shutdown.Coordinator.build", old: "r.Took = c.run.Now() - c.t0", new: "_ = r.Took",
	},
	{
		name: "a report in the drain has no failures", breaks: "a failure is in Err and ExitCode of each report after it",
		in: "shutdown.Coordinator.build", old: "c.failures == 0", new: "c.failures == 0 || c.phase < finished",
	},
	{
		name: "who has announced the stop is not told that it has begun", breaks: "the channel of Quiesce is closed when the stop begins",
		in: "shutdown.Coordinator.request", old: "q.end()", new: "_ = q",
	},
	{
		name: "Stopping is never closed", breaks: "Stopping is closed at t0",
		in: "shutdown.Coordinator.stamp", old: "close(c.stopping)", new: "",
	},
	{
		name: "a Coordinator takes the steps of others for its own", breaks: "Shutdown is in progress only for who is within a step of this Coordinator's",
		in: "shutdown.Coordinator.calledByStep", old: "s != nil && s.Run() == c.run", new: "s != nil",
	},
	{
		name: "a context belongs to no Coordinator", breaks: "a context belongs to the Coordinator whose step it is",
		in: "shutdown.FromContext", old: "s != nil", new: "s == nil && s != nil",
	},
	{
		name: "the end of Run's context is not heard", breaks: "the program stops when the context that Run is given ends",
		in: "shutdown.Coordinator.open", old: "c.watch(ctx)", new: "_ = ctx",
	},
	{
		name: "a scope that is made in a drain has closed", breaks: "a scope that is made while the one around it runs takes its turn",
		in: "shutdown.Scope.nest", old: "sub.entry.late", new: "s.state == scopeDraining",
	},
}

// treeMutants are in what the tree of steps takes the place of: there each has to find a new place
// for the same fault.
var treeMutants = []mutant{
	{
		name: "the oldest handler is first", breaks: "handlers run newest first",
		in: "shutdown.drain.next", old: "r := d.at.newest", new: "r := d.at.newest\n\t\tfor r != nil && r.sub == nil && r.older != nil && r.older.sub == nil {\n\t\t\tr = r.older\n\t\t}",
	},
	{
		name: "a handler with a timeout is skipped", breaks: "each handler is called while there is time",
		in: "shutdown.drain.next", old: "r.remove()", new: "r.remove()\n\t\t\tif r.step.Timeout > 0 && r.step.Kind == step.Handler {\n\t\t\t\tcontinue\n\t\t\t}",
	},
	{
		name: "a Close waits for what calls it", breaks: "a Close never waits for its caller",
		in: "shutdown.drain.down", old: "d.letGo()", new: "",
	},
	{
		name: "a Close does not tell of what it has given up", breaks: "a Close returns the errors of all that it has run, of what was abandoned too",
		in: "shutdown.drain.StepOver", old: "d.failed(s)", new: "if s.Outcome != step.Abandoned {\n\t\td.failed(s)\n\t}",
	},
	{
		name: "a Close does not tell of what ran side by side", breaks: "a Close returns the errors of the handlers of concurrent scopes",
		in: "shutdown.lane.StepOver", old: "l.p.d.failed(s)", new: "",
	},
	{
		name: "a Close does not tell of scopes that ran side by side", breaks: "a Close returns the errors of scopes within concurrent ones",
		in: "shutdown.pool.startScope", old: "p.d.errs = append(p.d.errs, d.errs...)", new: "_ = d.errs",
	},
	{
		name: "a hog may take all that is left", breaks: "a step takes nothing of what is kept for those after it",
		in: "internal/step.Budget.Take", old: "max(scaled, left-time.Duration(b.scaled(b.owed)))", new: "left",
	},
	{
		name: "a reserve is ignored", breaks: "a step has its Reserve",
		in: "internal/step.Budget.Promise", old: "max(b.floor, t.Reserve)", new: "b.floor",
	},
	{
		name: "a timeout is ignored", breaks: "a step has no more than its Timeout",
		in: "internal/step.Budget.Take", old: "capped(min(allowance, left), timeout)", new: "min(allowance, left)",
	},
	{
		name: "what has begun late is skipped in a scope that is used up", breaks: "what comes late into a scope that has used up its time runs while the program has time",
		in: "internal/step.Budget.Take", old: "b.end <= now", new: "false",
	},
	{
		name: "the promises are not scaled", breaks: "where the minimums exceed nine tenths of what is left, all are scaled down, and the step that runs has time",
		in: "internal/step.Budget.Fit", old: "b.scaled(b.owed) <= most", new: "true",
	},
	{
		name: "there is no time between the cut and the end", breaks: "a context ends before its step is abandoned, so that one that obeys can return",
		in: "internal/step.Margin", old: "min(max(allowance/20, minMargin), allowance/2, maxMargin)", new: "1",
	},
	{
		name: "a promise shrinks with each overrun", breaks: "a minimum does not shrink because an earlier step overran",
		in: "internal/step.Budget.Take", old: "b.scaled(b.owed) > float64(left)", new: "b.floor = min(b.floor, left/2); b.scaled(b.owed) > float64(left)*0.9",
	},
	{
		name: "a second signal leaves a step more than its promise", breaks: "after a second signal a step has just its minimum",
		in: "internal/step.Run.Force", old: "c.shorten(s, now, s.Promise)", new: "c.shorten(s, now, max(s.Promise, time.Second))",
	},
	{
		name: "what is late is not", breaks: "a step that returns after its deadline is late",
		in: "internal/step.Step.Judge", old: "s.state == running && now > cut && !s.waited", new: "s.state == running && now > cut && false",
	},
	{
		name: "a step's own deadline is excused", breaks: "a step's own deadline is no excuse",
		in: "internal/step.Step.excused", old: "work == expired", new: "false",
	},
	{
		name: "a Goexit is an error of no kind", breaks: "a Goexit is an outcome of its own",
		in: "internal/step.Step.Judge", old: "return Goexited, r.Err", new: "return Failed, r.Err",
	},
	{
		name: "a panic in a deferred function of a Goexit leaves nobody to go on", breaks: "no way to end a goroutine holds up the drain",
		in: "internal/step.calls", old: "!inGoexit()", new: "true",
	},
	{
		name: "who is stuck is not named", breaks: "the error of what was abandoned names it",
		in: "internal/step.Clock.giveUp", old: "s.Name()", new: `""`,
	},
	{
		name: "nobody looks at what is stuck", breaks: "the report has the stacks of what was abandoned",
		in: "internal/step.Clock.dump", old: "c.run.After(func() { go s.takeStacks() })", new: "_ = s.takeStacks",
	},
	{
		name: "a context ends when its step is given up", breaks: "a context ends at its deadline, a margin before the step is abandoned",
		in: "internal/step.Clock.BeginFor", old: "s.cut.Store(int64(cut))", new: "s.cut.Store(int64(s.End))",
	},
	{
		name: "a step is given up half-way between its cut and its end", breaks: "no step is abandoned while it has time",
		in: "internal/step.Clock.due", old: "now >= s.End", new: "now >= cut+(s.End-cut)/2",
	},
	{
		name: "a context ends at the cut for no reason", breaks: "the cause of a context that ends at its deadline is ErrGrace",
		in: "internal/step.expired", old: "newEnding(context.DeadlineExceeded, ErrGrace)", new: "newEnding(context.DeadlineExceeded, context.DeadlineExceeded)",
	},
	{
		name: "a context ends by the second signal for no reason", breaks: "the cause of a context that a second signal ends is that signal",
		in: "internal/step.Run.Force", old: "s.Cut(cause)", new: "s.Cut(nil)",
	},
	{
		name: "a turn is passed on with what was seen of its step", breaks: "what one step did says nothing of the next",
		in: "internal/step.Step.Pass", old: "*t = Turn{}", new: "",
	},
	{
		name: "tasks stop oldest first", breaks: "tasks stop newest first",
		in: "group.Group.stop", old: "for t := g.newest; t != nil; t = t.prev { s.tasks = append(s.tasks, t) }", new: "for t := g.oldest; t != nil; t = t.next {\n\t\ts.tasks = append(s.tasks, t)\n\t}",
	},
	{
		name: "tasks are told all at once", breaks: "a task is told when the newer ones have ended",
		in: "group.stopper.advance", old: "s.waiting == 0 || s.g.Concurrent", new: "true",
	},
	{
		name: "a stuck task is not the group's error", breaks: "a group's error has each task that was abandoned",
		in: "group.stopper.collect", old: "s.g.failed(t, err)", new: "_ = err",
	},
	{
		name: "what a server returns when it is closed is an error", breaks: "what execute returns after its interrupt was called is no error",
		in: "group.Task.returned", old: "if t.interrupt != nil && r.How == step.Returned { r.Err = nil }", new: "",
	},
	{
		name: "the program is not told of a task that fails", breaks: "a failing task of main's group stamps t0",
		in: "group.Group.begin", old: "g.run.Host.Failed(g.outer, cause)", new: "_ = cause",
	},
	{
		name: "the end of a task does not stop the group", breaks: "a task that ends stops its group",
		in: "group.Task.returned", old: "!t.mayFinish", new: "!t.mayFinish && false",
	},
	{
		name: "a task that may finish stops the group", breaks: "a task with MayFinish that returns nil ends alone",
		in: "group.Task.returned", old: "!t.mayFinish", new: "!t.mayFinish || true",
	},
	{
		name: "a task is promised nothing", breaks: "each task of a group has its minimum of what main may take",
		in: "group.stopper.plan", old: "t.step.Promise = s.budget.Promise(t.step.Terms)", new: "t.step.Promise = time.Millisecond",
	},
	{
		name: "a reserve of a task is ignored", breaks: "a task has its Reserve",
		in: "group.stopper.plan", old: "s.budget.Promise(t.step.Terms)", new: "s.budget.Promise(step.Terms{Timeout: t.step.Timeout})",
	},
	{
		name: "a timeout of a task is ignored", breaks: "a task has no more than its Timeout",
		in: "group.stopper.begin", old: "t.stopper = s", new: "t.stopper = s\n\tt.step.Timeout = 0",
	},
	{
		name: "Task.Shutdown that gives up loses the task's error", breaks: "the error of a task whose Shutdown has given up is the group's",
		in: "group.Task.wait", old: "if mine { t.waiters-- }", new: "",
	},
	{
		name: "Task.Shutdown loses the error of a task that ends when its context does", breaks: "a task's error goes to one place, and is not lost",
		in: "group.Task.wait", old: "t.ended || t.stuck", new: "t.stuck",
	},
	{
		name: "the error of a task that is shut down is the group's, too", breaks: "the error that Task.Shutdown returns is not the group's",
		in: "group.Group.ended", old: "inTime && err != nil && t.waiters == 0", new: "inTime && err != nil",
	},
	{
		name: "a task that shuts itself down waits for itself", breaks: "Task.Shutdown called within the task returns at once",
		in: "group.Task.Shutdown", old: "t.step.Calls(ctx)", new: "false && t.step.Calls(ctx)",
	},
	{
		name: "the error of a task that shuts itself down is lost", breaks: "the error of a task that shuts itself down is the group's",
		in: "group.Task.Shutdown", old: "!inside && !t.stopped && t.result.Err == nil && t != g.first", new: "!t.stopped && t.result.Err == nil && t != g.first",
	},
	{
		name: "the error that stops a group is lost to a Shutdown", breaks: "the error that has stopped a group is the group's",
		in: "group.Task.Shutdown", old: "!inside && !t.stopped && t.result.Err == nil && t != g.first", new: "!inside && !t.stopped",
	},
	{
		name: "a task that is shut down is not cut", breaks: "Task.Shutdown ends the task's work context a margin before its own deadline",
		in: "group.Task.wait", old: "time.AfterFunc(left-step.Margin(left), t.step.Expire)", new: "time.AfterFunc(left-step.Margin(left), func() {})",
	},
	{
		name: "Shutdown of a task that has been given up waits for it", breaks: "Task.Shutdown returns when the task is abandoned",
		in: "group.Task.wait", old: "<-t.givenUp()", new: "<-(chan struct{})(nil)",
	},
}
