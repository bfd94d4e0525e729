package campaign

import "slices"

// allMutants are the faults that the campaign has to find, one by one.
func allMutants() []mutant {
	return slices.Concat(programMutants, groupMutants, startMutants, failureMutants, treeMutants)
}

// programMutants are in the files that are about the program: its timeline, its report, its log.
var programMutants = []mutant{
	{
		name: "the end is a millisecond late", breaks: "nothing goes on after t0 and Grace",
		in: "shutdown.Coordinator.request", old: "max(tree.Sum(c.t0, c.grace), tree.Sum(now, min(minGrace, c.grace)))", new: "time.Millisecond + max(tree.Sum(c.t0, c.grace), tree.Sum(now, min(minGrace, c.grace)))",
	},
	{
		name: "an announced stop waits for the delay again", breaks: "the delay is counted from t0, which Quiesce has stamped",
		in: "shutdown.Coordinator.request", old: "c.t0 + upTo - now", new: "upTo",
	},
	{
		name: "a stop long after it was announced has no time", breaks: "a stop has at least min(2 s, Grace) left",
		in: "shutdown.Coordinator.request", old: "tree.Sum(now, min(minGrace, c.grace))", new: "now",
	},
	{
		name: "a stop later than Grace after it was announced counts from there", breaks: "a stop later than Grace after Quiesce stamps t0 anew",
		in: "shutdown.Coordinator.request", old: "now > tree.Sum(c.t0, c.grace)", new: "false",
	},
	{
		name: "a failure does not end the delay", breaks: "main's return or a failing task ends a delay that runs",
		in: "shutdown.Coordinator.request", old: "if !delay { c.endDelay(now) }", new: "_ = delay",
	},
	{
		name: "main's return is granted the delay", breaks: "there is no delay after main's return or a failing task",
		in: "shutdown.Coordinator.request", old: "if !delay { upTo = 0 }", new: "",
	},
	{
		name: "who has announced the stop is not told that it has begun", breaks: "the channel of Quiesce is closed when the stop begins",
		in: "shutdown.Coordinator.request", old: "a.end()", new: "_ = a",
	},
	{
		name: "an announcement is over at once", breaks: "the channel of Quiesce is closed when the delay is over",
		in: "shutdown.Coordinator.announce", old: "time.AfterFunc(c.delayBefore(), func() { unlabel(); a.end(); t := c.lock(); defer t.Unlock(); delete(c.announcements, a) })", new: "a.end()",
	},
	{
		name: "it is not ready again after Resume", breaks: "Ready is true again after Resume",
		in: "shutdown.Coordinator.Resume", old: "c.t0, c.end = 0, 0", new: "c.end = 0",
	},
	{
		name: "there is nothing to resume", breaks: "Resume takes an announcement back until the stop",
		in: "shutdown.Coordinator.Resume", old: "c.phase != active || c.t0 == 0", new: "true",
	},
	{
		name: "Stopping stays closed after Resume", breaks: "after Resume, Stopping returns a new channel",
		in: "shutdown.Coordinator.Resume", old: "c.stopping = make(chan struct{})", new: "",
	},
	{
		name: "Stopping is never closed", breaks: "Stopping is closed at t0",
		in: "shutdown.Coordinator.setT0", old: "close(c.stopping)", new: "",
	},
	{
		name: "a second signal has no effect on steps", breaks: "a second signal ends the contexts of the steps that stop, and leaves each its minimum",
		in: "shutdown.Coordinator.force", old: "c.tree.Force(err)", new: "_ = err",
	},
	{
		name: "a second signal does not end the delay", breaks: "a second signal ends the delay",
		in: "shutdown.Coordinator.force", old: "c.endDelay(now)", new: "",
	},
	{
		name: "a second signal is not in the report", breaks: "the report says that a second signal has come",
		in: "shutdown.Coordinator.force", old: "c.forced = true", new: "",
	},
	{
		name: "duplicates of a signal count", breaks: "a signal within 200 ms of the last that counted is a duplicate",
		in: "shutdown.duplicateWindow", old: "200 * time.Millisecond", new: "time.Nanosecond",
	},
	{
		name: "the third signal exits with 1", breaks: "a third signal ends the process with 128 and its number",
		in: "shutdown.Coordinator.exitNow", old: "c.exit(err.ExitCode())", new: "c.exit(1)",
	},
	{
		name: "the stop has taken no time", breaks: "the report says how long the stop has taken",
		in: "shutdown.Coordinator.rootOver", old: "c.took = now - c.t0", new: "_ = now",
	},
	{
		name: "a failing task does not reach the program", breaks: "a failing task of main's group stamps t0",
		in: "shutdown.host.GroupStops", old: "if failed { c.request(now, cause{err: err}, false); return }", new: "",
	},
	{
		name: "the end of a started task stops no program", breaks: "the program stops when a started task ends",
		in: "shutdown.owner.Returned", old: "c.t0 == 0", new: "false",
	},
	{
		name: "the failure of a started task stops no program", breaks: "the program stops when a started task fails",
		in: "shutdown.owner.Returned", old: "r.Err != nil", new: "false",
	},
	{
		name: "the code of main's error is lost", breaks: "the exit code is that of the *ExitError that main returns",
		in: "shutdown.Coordinator.setCode", old: "c.codes[n] = code", new: "_ = n",
	},
	{
		name: "an exit code of 0 is a failure", breaks: "an *ExitError with code 0 says that all is well",
		in: "shutdown.owner.Excuses", old: "e.Code == 0", new: "false",
	},
	{
		name: "no cause is a failure", breaks: "a cause of Stop that is no polite one counts as a failure",
		in: "shutdown.causeOf", old: "!clean", new: "false && !clean",
	},
	{
		name: "each cause is a failure", breaks: "a cause of Stop that is a signal or a cancellation makes a clean stop",
		in: "shutdown.causeOf", old: "!clean", new: "true || !clean",
	},
	{
		name: "the exit code of a panic is 1", breaks: "the exit code is 2 if main panicked",
		in: "shutdown.Report.exitCode", old: "return 2", new: "return 1",
	},
	{
		name: "a running step is in the report as if it were over", breaks: "a report has the steps that are over",
		in: "shutdown.Coordinator.build", old: "s.Took < 0", new: "false",
	},
	{
		name: "there is no report before the end", breaks: "there is a report from t0 on",
		in: "shutdown.Coordinator.Report", old: "c.t0 == 0", new: "c.phase < finished",
	},
	{
		name: "a report in the drain does not say how long it has taken", breaks: "a report says how long the stop has taken by then",
		in: "shutdown.Coordinator.build", old: "r.Took = c.tree.Now() - c.t0", new: "_ = r.Took",
	},
	{
		name: "a report in the drain has no failures", breaks: "a failure is in Err and ExitCode of each report after it",
		in: "shutdown.Coordinator.build", old: "c.failures+len(c.early) == 0", new: "c.failures+len(c.early) == 0 || c.phase < finished",
	},
	{
		name: "a step that failed in time is shown as stuck", breaks: "stacks are shown of what did not return by its deadline",
		in: "shutdown.Coordinator.explain", old: "!n.StacksRequested()", new: "false",
	},
	{
		name: "a hold that is released while it is not awaited is in the report", breaks: "a hold that ends before it is awaited has no line",
		in: "shutdown.Coordinator.stepEnded", old: "n.Kind == tree.Hold", new: "false",
	},
	{
		name: "a step that ends before the stop is in the record", breaks: "a step that ends before the stop is not in the record",
		in: "shutdown.Coordinator.recording", old: "c.phase >= delaying", new: "c.phase >= active",
	},
	{
		name: "events are dropped", breaks: "Observe gets the events of each step",
		in: "shutdown.queueLimit", old: "8192", new: "2",
	},
	{
		name: "a progress line comes a second after another", breaks: "a progress line comes after 1, 2, 5 and 10 s of a step, and then each 10 s",
		in: "shutdown.Coordinator.watchProgress", old: "nextTick(c.waiting(now))", new: "nextTick(nil)",
	},
	{
		name: "a progress line comes for a time that was missed", breaks: "no progress line comes at another time",
		in: "shutdown.Coordinator.showProgress", old: "max(0, now-c.tick)", new: "time.Second",
	},
	{
		name: "each step has a progress line each second", breaks: "a progress line comes after 1, 2, 5 and 10 s of a step, and then each 10 s",
		in: "shutdown.due", old: "nextProgress(s.Elapsed-late-1) <= s.Elapsed", new: "true",
	},
	{
		name: "no progress line", breaks: "a progress line names the running steps",
		in: "shutdown.Coordinator.watchProgress", old: "c.progress = time.AfterFunc(wait, c.showProgress)", new: "c.progress = time.AfterFunc(wait, func() {})",
	},
	{
		name: "a goroutine that has not begun is no leak", breaks: "the report names goroutines that a step has left behind, also those that it started last",
		in: "shutdown.Coordinator.leaksNow", old: "notStarted = true", new: "notStarted = false",
	},
	{
		name: "goroutines that are left are not looked for", breaks: "the report names the goroutines that steps have left behind",
		in: "shutdown.Coordinator.findLeaks", old: "known.All()", new: "true || known.All()",
	},
	{
		name: "a bare hold is awaited by nobody", breaks: "main's end waits for a hold until it is released",
		in: "shutdown.Coordinator.holdFor", old: "return sync.OnceFunc(func() { c.tree.Return(n, tree.Result{}) }), true", new: "_ = sync.OnceFunc; c.tree.Return(n, tree.Result{}); return func() {}, true",
	},
	{
		name: "a hold is refused when main has been told", breaks: "a hold is accepted until main's step has ended",
		in: "shutdown.Coordinator.hold", old: "c.phase >= draining", new: "c.phase >= ending",
	},
	{
		name: "a late hold takes from the handlers", breaks: "a hold has no more than is left of main's budget",
		in: "shutdown.Coordinator.hold", old: "max(1, c.main.End-t.Now())", new: "0",
	},
	{
		name: "Unregister by name does not count", breaks: "Unregister returns how many it has taken back",
		in: "shutdown.Coordinator.Unregister", old: "n++", new: "n += 0",
	},
	{
		name: "the deadline of a Close is ignored", breaks: "what a Close runs has until the deadline of its context",
		in: "shutdown.Coordinator.close", old: "left > 0", new: "false",
	},
	{
		name: "a Close without a deadline has no limit", breaks: "a Close that no step bounds has Grace",
		in: "shutdown.Coordinator.close", old: "tree.Sum(t.Now(), c.graceOrDefault())", new: "tree.Never",
	},
	{
		name: "a Close does not end with the step that it is called in", breaks: "what a Close runs ends by the deadline of the step that calls",
		in: "shutdown.Coordinator.close", old: "tree.CloseOptions{By: by, Values: values, Limit: limit}", new: "tree.CloseOptions{Values: values, Limit: limit}",
	},
	{
		name: "a started task that closes itself is in progress", breaks: "a task that closes itself is told, and Close returns nil at once",
		in: "shutdown.Coordinator.close", old: "hidden || n.Encloses(by)", new: "hidden",
	},
	{
		name: "a Close returns no error", breaks: "a Close returns the errors of what it has run",
		in: "shutdown.Coordinator.close", old: "c.join(failed)", new: "c.join(failed[:0])",
	},
	{
		name: "Close runs the handlers of a released scope", breaks: "Close of a scope that was released does nothing",
		in: "shutdown.Scope.Close", old: "if released { return nil }", new: "_ = released",
	},
	{
		name: "what Release returns runs nothing", breaks: "the function that Release returns runs the handlers",
		in: "shutdown.Scope.Release", old: "return func(ctx context.Context) error { return s.c.close(ctx, &s.node) }", new: "return func(context.Context) error { return nil }",
	},
	{
		name: "a late registration is not refused", breaks: "the Err of a late registration is ErrDrained",
		in: "shutdown.Scope.register", old: "s.add(&r.node, nil) != nil", new: "s.add(&r.node, nil) == nil && false",
	},
	{
		name: "a Coordinator takes the steps of others for its own", breaks: "Shutdown is in progress only for who is within a step of this Coordinator's",
		in: "shutdown.Coordinator.calledByStep", old: "own || hidden || alone && !c.isFresh()", new: "true || own || hidden || alone",
	},
	{
		name: "Shutdown in a step waits for itself", breaks: "Shutdown called by a step returns ErrInProgress at once",
		in: "shutdown.Coordinator.Shutdown", old: "c.calledByStep(ctx)", new: "false && c.calledByStep(ctx)",
	},
	{
		name: "the end of Run's context is not heard", breaks: "the program stops when the context that Run is given ends",
		in: "shutdown.Coordinator.watchSignals", old: "done := c.parentDone", new: "var done <-chan struct{}",
	},
	{
		name: "a program within another hides it", breaks: "Shutdown called with a context that descends from a step's is in progress, also where a Coordinator is in between",
		in: "shutdown.Coordinator.open", old: "t.Outer = outer", new: "_ = outer",
	},
	{
		name: "a context belongs to no Coordinator", breaks: "a context belongs to the Coordinator whose step it is",
		in: "shutdown.FromContext", old: "n != nil", new: "n == nil && n != nil",
	},
}

// startMutants are in the starts with Warmup.
var startMutants = []mutant{
	{
		name: "a task begins before the one before it has started", breaks: "a task begins when those before it have started",
		in: "group.Group.startNext", old: "g.starting == nil && len(g.pending) > 0 && !g.begun", new: "len(g.pending) > 0 && !g.begun",
	},
	{
		name: "a group in which all have started has not", breaks: "a group that has started is Started for the step that runs it",
		in: "group.Group.started", old: "g.node.Tree().Started(g.outer, now)", new: "_ = now",
	},
	{
		name: "a stop goes on with the start", breaks: "what has not begun at the request to stop is never begun",
		in: "group.owner.StartEnded", old: "len(g.pending) > 0 && n.Tree().Host.Requested()", new: "false",
	},
	{
		name: "a task that returns early has started", breaks: "a task that ends without an error before it has started is an error",
		in: "group.Group.checkStart", old: "return n.Tree().NotStarted(n, now, true)", new: "return r",
	},
	{
		name: "a task may not finish during its start", breaks: "one with MayFinish has then started and finished",
		in: "group.Group.checkStart", old: "!n.Starting() || r.Err != nil || mayFinish", new: "!n.Starting() || r.Err != nil",
	},
	{
		name: "the start of a task has no limit", breaks: "a task that has not started in time fails its group",
		in: "internal/tree.Tree.failStart", old: "!n.starting || n.state != waiting || t.startIsUnlimited(n)", new: "n.starting {\n\t\tn.deadline, n.End = Never, Never\n\t}\n\tif true",
	},
	{
		name: "the limit of a start fails the task also during a stop", breaks: "once a stop was requested a start has no limit of its own",
		in: "internal/tree.Tree.startIsUnlimited", old: "n.told || n.parent.state == stopping || t.Host.Requested()", new: "n.told || n.parent.state == stopping",
	},
	{
		name: "a task that was told to stop can still start", breaks: "Started does nothing once the task was told to stop",
		in: "internal/tree.Tree.Started", old: "!n.told", new: "true",
	},
	{
		name: "Ready does not wait for starts", breaks: "Ready is false while a warm-up is under way",
		in: "shutdown.Coordinator.ready", old: "c.starts == 0", new: "true",
	},
	{
		name: "there is a delay although it was never ready", breaks: "if Ready was never true there is no delay",
		in: "shutdown.Coordinator.delayBefore", old: "!c.wasReady", new: "false",
	},
	{
		name: "main need not start", breaks: "main with a Warmup that has not started in time stops the program",
		in: "shutdown.owner.StartFailed", old: "o.c.request(now, cause{err: err}, false)", new: "_ = err",
	},
}

// failureMutants are in Restart and MayFail.
var failureMutants = []mutant{
	{
		name: "one restart too many", breaks: "a task that has failed more than Limit times Within is not called again",
		in: "group.restarts.exhausted", old: "len(r.failures) >= r.Limit", new: "len(r.failures) > r.Limit",
	},
	{
		name: "each failure counts for ever", breaks: "only the failures Within count for the limit",
		in: "group.restarts.exhausted", old: "now-at > r.Within", new: "false",
	},
	{
		name: "no backoff grows", breaks: "a backoff is at most twice as long as the one before",
		in: "group.restarts.failed", old: "r.wait = 2 * wait", new: "r.wait = 4 * wait",
	},
	{
		name: "a backoff begins with Max", breaks: "the first backoff is at most Initial",
		in: "group.restarts.failed", old: "wait = r.wait", new: "wait = r.Max",
	},
	{
		name: "a backoff is too short", breaks: "at least half of a backoff is waited",
		in: "group.restarts.failed", old: "wait - rand.N(wait/2+1)", new: "rand.N(wait/2 + 1)",
	},
	{
		name: "a long run changes nothing", breaks: "after a run that has lasted Max, the backoff is Initial again",
		in: "group.restarts.failed", old: "now-r.called >= r.Max", new: "false",
	},
	{
		name: "a task is called again while its group stops", breaks: "a task is not called again once its group has begun to stop",
		in: "group.Group.restart", old: "r == nil || g.begun || n.AskedToStop()", new: "r == nil || n.AskedToStop()",
	},
	{
		name: "a task that was told to stop is called again", breaks: "a task that was told to stop is never called again",
		in: "group.Group.restart", old: "r == nil || g.begun || n.AskedToStop()", new: "r == nil || g.begun",
	},
	{
		name: "no task is called again", breaks: "a task with Restart that fails is called again",
		in: "group.owner.Returned", old: "err != nil && g.restart(n, now, err)", new: "false",
	},
	{
		name: "a backoff lasts until the task has its turn to stop", breaks: "a backoff ends at the stop, at once",
		in: "group.Group.begin", old: "g.waiting > 0", new: "false",
	},
	{
		name: "Task.Shutdown does not end a backoff", breaks: "a task that was shut down is never called again",
		in: "group.Task.Shutdown", old: "t.group.dropWaiting(n, tr.Now())", new: "_ = n",
	},
	{
		name: "restarts are not counted", breaks: "the report has the number of restarts",
		in: "internal/tree.Tree.Again", old: "more.Restarts++", new: "",
	},
	{
		name: "the failure before a restart is lost", breaks: "the report has the last failure that was followed by a restart",
		in: "internal/tree.Tree.Again", old: "more.back, more.result, more.LastErr = 0, Result{}, err", new: "more.back, more.result = 0, Result{}",
	},
	{
		name: "a task that may fail stops its group", breaks: "the failure of a task with MayFail ends that task, not the group",
		in: "group.owner.Returned", old: "err != nil && !n.MayFail()", new: "err != nil",
	},
	{
		name: "a task that may fail stops its group when it does not start", breaks: "a start of a task with MayFail that fails ends that task, not the group",
		in: "group.owner.StartFailed", old: "n.MayFail() || restartsLeft(n, now)", new: "restartsLeft(n, now)",
	},
	{
		name: "a failure before the stop has no line", breaks: "a failure of a task with MayFail before t0 has a line in the report",
		in: "shutdown.Coordinator.keepEarly", old: "c.early = append(c.early, s)", new: "",
	},
	{
		name: "Run does not return the failures of tasks that may fail", breaks: "Run joins the failures of tasks with MayFail",
		in: "internal/tree.directStop.add", old: "o.mayFail = append(o.mayFail, n)", new: "",
	},
}

// groupMutants are in what a group adds to the tree.
var groupMutants = []mutant{
	{
		name: "the end of a task does not stop the group", breaks: "a task that ends stops its group",
		in: "group.owner.Returned", old: "!mayFinish", new: "false",
	},
	{
		name: "a task that may finish stops the group", breaks: "a task with MayFinish that returns nil ends alone",
		in: "group.owner.Returned", old: "policyOf(n).mayFinish || host.Stopping()", new: "host.Stopping()",
	},
	{
		name: "a task that ends after t0 stops its group", breaks: "from t0 on a task that ends without an error ends alone",
		in: "group.owner.Returned", old: "policyOf(n).mayFinish || host.Stopping()", new: "policyOf(n).mayFinish",
	},
	{
		name: "a task that fails while its group stops by itself does not reach the program", breaks: "a failing task of main's group stamps t0, also while that group stops by itself",
		in: "group.owner.Returned", old: "g.notifyHost(now, &TaskError{n.Name(), err}, true)", new: "",
	},
	{
		name: "the interrupt of a pair that may finish is not called", breaks: "interrupt is called also for an execute that has returned",
		in: "group.owner.Returned", old: "n.Tree().Tell(n, nil, nil)", new: "",
	},
	{
		name: "a group without tasks goes on", breaks: "Run returns when no task is left",
		in: "group.owner.Returned", old: "last && g.node.Members() == 1", new: "false",
	},
	{
		name: "the task that stops a group does not reach the program", breaks: "a failing task of main's group stamps t0",
		in: "group.Group.begin", old: "g.notifyHost(now, cause, first != nil)", new: "g.notifyHost(now, cause, false)",
	},
	{
		name: "a task is added when the stop has begun", breaks: "a task that is added after the stop has begun is refused",
		in: "group.Group.begin", old: "g.list.Close()", new: "",
	},
	{
		name: "a group within a step that stops has its own grace only", breaks: "a group's stop ends by the deadline of the step that runs it",
		in: "group.Group.open", old: "tr.RunBy(&g.node, outer)", new: "tr.RunBy(&g.node, nil)",
	},
	{
		name: "a group that stops by itself has no limit", breaks: "a group that stops by itself is bounded by the grace period",
		in: "group.Group.limit", old: "tree.Sum(now, tr.Host.Grace())", new: "tree.Never",
	},
	{
		name: "a group in a task that is shut down has no limit", breaks: "Task.Shutdown without a limit leaves groups within their grace period",
		in: "group.Group.limit", old: "g.outer.Stopping()", new: "(g.outer.Stopping() || g.outer.WasTold())",
	},
	{
		name: "a group of equals stops one by one", breaks: "Concurrent tells all tasks at once",
		in: "group.Group.open", old: "g.list.Concurrent, g.list.Owner = g.Concurrent, owner{g}", new: "g.list.Concurrent, g.list.Owner = false, owner{g}",
	},
	{
		name: "a group is always one of equals", breaks: "a task is told when the newer ones have ended",
		in: "group.Group.open", old: "g.list.Concurrent, g.list.Owner = g.Concurrent, owner{g}", new: "g.list.Concurrent, g.list.Owner = true, owner{g}",
	},
	{
		name: "a group does not hear the end of its context", breaks: "a group stops when its context ends",
		in: "group.Group.watch", old: "g.requestStop(cause)", new: "<-g.began",
	},
	{
		name: "the error of a group lacks all but the first", breaks: "a group's error has each task that failed",
		in: "group.Group.result", old: "errs = append(errs, err)", new: "errs = append(errs[:0], err)",
	},
	{
		name: "a task that shuts itself down is in progress", breaks: "Task.Shutdown called within the task asks, and returns nil at once",
		in: "group.Task.Shutdown", old: "hidden || n.Encloses(by)", new: "hidden",
	},
	{
		name: "Task.Shutdown abandons the task", breaks: "a task stays a member when Task.Shutdown gives up",
		in: "internal/tree.Tree.StopTask", old: "t.limitTaskStop(n, now, now, Sum(now, returnTime))", new: "t.abandon(n, now)",
	},
	{
		name: "Task.Shutdown does not cut the task", breaks: "Task.Shutdown ends the task's work context a margin before its own deadline",
		in: "group.Task.Shutdown", old: "tree.Sum(tr.Now(), left)", new: "tree.Sum(tr.Now(), left-left+tree.Never)",
	},
	{
		name: "Task.Shutdown returns no error", breaks: "Task.Shutdown returns the task's own error",
		in: "group.Task.Shutdown", old: "return failure", new: "return nil",
	},
	{
		name: "a panic with a cancellation is excused", breaks: "neither a panic with a cancellation nor an abandoned step is excused",
		in: "group.init", old: "switch err.(type) { case *PanicError, *StuckError: return true }", new: "_ = err",
	},
}

// treeMutants are in the tree of steps: order, time, who waits for whom, and what became of each.
var treeMutants = []mutant{
	{
		name: "a late handler of a concurrent scope waits", breaks: "a handler that is registered on a running concurrent scope starts at once; a hold runs at once",
		in: "internal/tree.Tree.Add", old: "l.state == stopping && l.List.Concurrent && n.List == nil", new: "false",
	},
	{
		name: "a closed scope takes handlers", breaks: "a closed or released scope refuses registrations",
		in: "internal/tree.Tree.Add", old: "l.List.closed || l.state == over", new: "l.state == over",
	},
	{
		name: "a scope that is over takes handlers", breaks: "a scope that is over refuses registrations",
		in: "internal/tree.Tree.Add", old: "l.List.closed || l.state == over", new: "false",
	},
	{
		name: "a late registration has no plan", breaks: "a scope that is made late has the minimums of the plan around it",
		in: "internal/tree.Tree.Add", old: "n.List.scale, n.List.floor = 1, l.List.floor", new: "n.List.scale = 1",
	},
	{
		name: "a running task can be unregistered", breaks: "a task that runs cannot be taken back",
		in: "internal/tree.Tree.Remove", old: "!n.Queued() || n.started", new: "!n.Queued()",
	},
	{
		name: "nothing can be unregistered", breaks: "exactly one of run and unregister wins, and what has not begun can be taken back",
		in: "internal/tree.Tree.Remove", old: "!n.Queued() || n.started", new: "true",
	},
	{
		name: "what is unregistered runs all the same", breaks: "what was unregistered never runs",
		in: "internal/tree.Tree.Remove", old: "n.leave()", new: "",
	},
	{
		name: "the program runs the handlers of a released scope", breaks: "the handlers of a released scope run only when its function is called",
		in: "internal/tree.Tree.Detach", old: "n.leave(); n.parent, n.List.closed = nil, true", new: "n.List.closed = true",
	},
	{
		name: "a released scope takes handlers", breaks: "a released scope refuses registrations",
		in: "internal/tree.Tree.Detach", old: "n.parent, n.List.closed = nil, true", new: "n.parent = nil",
	},
	{
		name: "Unregister by name does not look into scopes", breaks: "Unregister takes back all handlers of the name, in scopes too",
		in: "internal/tree.Node.Each", old: "m.Each(f)", new: "_ = f",
	},
	{
		name: "Unregister by name does not look into what runs", breaks: "Unregister takes back what has not begun in scopes that run",
		in: "internal/tree.Node.Each", old: "[]*Node{n.List.active, n.List.queue}", new: "[]*Node{n.List.queue}",
	},
	{
		name: "a waiting task is not a member", breaks: "a group runs while it has tasks",
		in: "internal/tree.Node.Members", old: "n.List.size", new: "0",
	},
	{
		name: "what has begun is kept for, too", breaks: "a step has all that is not kept for those after it",
		in: "internal/tree.Node.leave", old: "l.adjust(n, -1)", new: "",
	},
	{
		name: "a reserve is ignored", breaks: "a step has its Reserve",
		in: "internal/tree.Node.minimum", old: "max(m, float64(n.Reserve))", new: "m",
	},
	{
		name: "a minimum is more than the timeout", breaks: "a minimum is never more than the Timeout",
		in: "internal/tree.Node.minimum", old: "n.Timeout > 0", new: "false",
	},
	{
		name: "the largest minimum of a list outlives its queue", breaks: "an empty queue claims nothing",
		in: "internal/tree.Node.adjust", old: "!li.Concurrent && n.direct == nil", new: "n.direct == nil",
	},
	{
		name: "a list that stops side by side is kept its sum", breaks: "a concurrent scope counts as its largest",
		in: "internal/tree.Node.combine", old: "l.List.Concurrent", new: "false",
	},
	{
		name: "a list that stops side by side counts all its steps", breaks: "a concurrent scope counts as its longest chain",
		in: "internal/tree.Node.count", old: "c = max(c, m.count())", new: "c += m.count()",
	},
	{
		name: "a list of plain steps side by side counts them all", breaks: "a concurrent scope counts as one",
		in: "internal/tree.Node.count", old: "min(n.List.size, 1)", new: "n.List.size",
	},
	{
		name: "a scope counts as one step", breaks: "a scope counts as the sum of its handlers",
		in: "internal/tree.Node.count", old: "c += m.count()", new: "c++",
	},
	{
		name: "a minimum is two seconds", breaks: "the minimum of a step without a reserve is a second at most",
		in: "internal/tree.maxFloor", old: "time.Second", new: "2 * time.Second",
	},
	{
		name: "the floor is all of a step's share", breaks: "the floor is half of a step's share of the time left",
		in: "internal/tree.planFloor", old: "2 * max(n, 1)", new: "max(n, 1)",
	},
	{
		name: "there is no time between deadline and end", breaks: "a context ends before its step is abandoned, so that one that obeys can return",
		in: "internal/tree.Margin", old: "min(max(budget/20, minMargin), budget/2, maxMargin)", new: "1",
	},
	{
		name: "a margin is a tenth", breaks: "the margin is a twentieth of the budget",
		in: "internal/tree.Margin", old: "budget/20", new: "budget/10",
	},
	{
		name: "minimums may have all there is", breaks: "if the minimums exceed nine tenths of the time left, all are scaled down",
		in: "internal/tree.mostPlanned", old: "0.9", new: "1.0",
	},
	{
		name: "the minimums are not scaled", breaks: "if the minimums exceed nine tenths of the time left, all are scaled down, and the step that runs has time",
		in: "internal/tree.Tree.fit", old: "l.List.scale*l.minimums() > most", new: "false",
	},
	{
		name: "the limit of a Close is not that of what it closes", breaks: "what a Close runs has until the deadline of its context",
		in: "internal/tree.Node.limitWith", old: "at = min(at, o.limit)", new: "_ = o.limit",
	},
	{
		name: "what a step closes is not bounded by it", breaks: "what a step waits for ends by its deadline",
		in: "internal/tree.Node.limitWith", old: "at = min(at, w.innerDeadline(now))", new: "_ = w",
	},
	{
		name: "a timeout is ignored", breaks: "a step has no more than its Timeout",
		in: "internal/tree.Node.limitWith", old: "n.Timeout > 0", new: "false",
	},
	{
		name: "a hog may take all that is left", breaks: "a step takes nothing of what is kept for those after it",
		in: "internal/tree.Node.share", old: "kept = l.List.scale * l.minimums()", new: "kept = 0",
	},
	{
		name: "steps side by side keep time for each other", breaks: "steps side by side have the same time",
		in: "internal/tree.Node.share", old: "!l.List.Concurrent", new: "true",
	},
	{
		name: "the first step takes more than its part of a time that is too short", breaks: "if the minimums exceed the time left, all are scaled down",
		in: "internal/tree.Node.share", old: "all > float64(left)", new: "false",
	},
	{
		name: "a minimum shrinks with each overrun", breaks: "a minimum does not shrink because an earlier step overran",
		in: "internal/tree.Node.share", old: "float64(left) / all", new: "mostPlanned * float64(left) / all",
	},
	{
		name: "a step has just its minimum", breaks: "a step has the time left less the minimums of the steps after it",
		in: "internal/tree.Node.share", old: "max(least, left-duration(kept))", new: "least",
	},
	{
		name: "a running step claims more than it was given", breaks: "a running step claims at most the time until its end",
		in: "internal/tree.Node.remaining", old: "n.End != 0", new: "false",
	},
	{
		name: "a list claims its reserve again and again", breaks: "of a scope's Reserve is left what it has not had",
		in: "internal/tree.Node.remaining", old: "scale*float64(n.Reserve)-had", new: "scale*float64(n.Reserve)",
	},
	{
		name: "the innermost step is not abandoned first", breaks: "a step within another is over by the outer one's deadline",
		in: "internal/tree.Node.innerDeadline", old: "min(n.deadline, n.taskStop.innerDeadline(now))", new: "min(n.End, n.taskStop.innerDeadline(now))",
	},
	{
		name: "a Task.Shutdown does not cut a task that has its turn", breaks: "Task.Shutdown ends the task's work context a margin before its own deadline, also in its turn",
		in: "internal/tree.Tree.StopTask", old: "time.AfterFunc(deadline-now, func() { unlabel(); t.Lock(); defer t.Unlock(); t.finish(&n.work, expired) })", new: "time.AfterFunc(deadline-now, func() {})",
	},
	{
		name: "a limit that comes forward ends nothing", breaks: "a limit that comes forward ends earlier what runs",
		in: "internal/tree.Tree.tighten", old: "end < s.End", new: "false",
	},
	{
		name: "who waits by a Close is not known", breaks: "two that close each other are refused",
		in: "internal/tree.Node.anyWaiter", old: "s.direct != nil", new: "false",
	},
	{
		name: "the lists around are not known to wait", breaks: "a handler that closes its own scope is refused",
		in: "internal/tree.Node.anyWaiter", old: "p != nil && (s.linked || s.taken) && (f(p) || p.anyWaiter(f))", new: "p == nil && p != nil",
	},
	{
		name: "a scope does not wait for a closed scope in it", breaks: "a scope waits for a scope in it that somebody closes",
		in: "internal/tree.Node.anyWaiter", old: "s.linked || s.taken", new: "s.taken",
	},
	{
		name: "a step is abandoned half-way between its deadline and its end", breaks: "no step is abandoned while it has time",
		in: "internal/tree.Tree.due", old: "now >= n.End", new: "now >= n.deadline+(n.End-n.deadline)/2",
	},
	{
		name: "a context does not end at its deadline", breaks: "a context ends at its deadline",
		in: "internal/tree.Tree.due", old: "t.finish(&n.work, expired)", new: "",
	},
	{
		name: "a stuck task is not named", breaks: "the error of an abandoned task names it",
		in: "internal/tree.Tree.giveUp", old: "n.Name()", new: "\"\"",
	},
	{
		name: "there is no plan", breaks: "each step has a minimum",
		in: "internal/tree.Tree.Stop", old: "n.plan(o.floor)", new: "n.plan(1)",
	},
	{
		name: "a stop is not fitted", breaks: "if the minimums exceed nine tenths of the time left, all are scaled down",
		in: "internal/tree.Tree.Stop", old: "t.fit(n, now)", new: "",
	},
	{
		name: "a Close waits for what calls it", breaks: "a Close never waits for its caller",
		in: "internal/tree.Tree.Close", old: "by != nil && n.waitsFor(by)", new: "false",
	},
	{
		name: "a Close returns no error of what it has begun", breaks: "a Close returns the errors of what it has run",
		in: "internal/tree.Tree.Close", old: "n.state == waiting", new: "false",
	},
	{
		name: "a Close returns the errors of another one", breaks: "a second Close returns nil",
		in: "internal/tree.Tree.Close", old: "n.state == waiting", new: "true",
	},
	{
		name: "an early failure of a pair goes to a later Shutdown", breaks: "the group returns the error of a task that failed before its Shutdown",
		in: "internal/tree.Tree.StopTask", old: "stops || failing", new: "stops || failing && false",
	},
	{
		name: "a Close without time skips its handlers", breaks: "a Close whose caller has no time left leaves the handlers to their turn",
		in: "internal/tree.Tree.closeBy", old: "min(c.Limit, n.limit(now)) <= now && n.hasTurn()", new: "false",
	},
	{
		name: "a second Close brings no limit forward", breaks: "a Close that waits for another has its own limit, too",
		in: "internal/tree.Tree.closeBy", old: "o.limit = min(o.limit, c.Limit)", new: "",
	},
	{
		name: "a second Close does not hurry what runs", breaks: "what a Close waits for ends by the limit of each who waits",
		in: "internal/tree.Tree.closeBy", old: "t.tighten(n, now)", new: "",
	},
	{
		name: "the first who gives up ends it for all", breaks: "Task.Shutdown that gives up leaves the task to others that wait",
		in: "internal/tree.Tree.StopTask", old: "d.callers == 0", new: "true",
	},
	{
		name: "a hold after a second signal has no context", breaks: "each step that begins after a second signal has a live context",
		in: "internal/tree.Tree.begin", old: "t.forced != nil && n.Kind != Hold", new: "t.forced != nil",
	},
	{
		name: "a step within a stopping one is not limited by its deadline", breaks: "a step within another ends by the outer one's deadline, even if it began to stop earlier",
		in: "internal/tree.Tree.begin", old: "t.tighten(n, now)", new: "",
	},
	{
		name: "what is called without time is abandoned", breaks: "what no time is left for is skipped",
		in: "internal/tree.Tree.beginTooLate", old: "n.called()", new: "false",
	},
	{
		name: "a turn does not bound what somebody closes", breaks: "what somebody closes is bounded by the plan when its turn comes",
		in: "internal/tree.Tree.advance", old: "t.tighten(n, now)", new: "",
	},
	{
		name: "what somebody closes is called again in its turn", breaks: "each step is called once",
		in: "internal/tree.Tree.advance", old: "n.state == stopping", new: "false",
	},
	{
		name: "the oldest handler is first", breaks: "handlers run newest first",
		in: "internal/tree.Tree.advance", old: "n := li.queue", new: "n := li.queue\n\t\tfor n.Kind == Handler && n.older != nil && n.older.Kind == Handler {\n\t\t\tn = n.older\n\t\t}",
	},
	{
		name: "tasks stop oldest first", breaks: "tasks stop newest first",
		in: "internal/tree.Tree.advance", old: "n := li.queue", new: "n := li.queue\n\t\tfor n.Kind == Task && n.older != nil {\n\t\t\tn = n.older\n\t\t}",
	},
	{
		name: "all begin at once", breaks: "a step begins when the newer ones are over",
		in: "internal/tree.Tree.advance", old: "li.active == nil || li.Concurrent", new: "true",
	},
	{
		name: "a concurrent scope runs its handlers one after the other", breaks: "the handlers of a concurrent scope run side by side",
		in: "internal/tree.Tree.advance", old: "li.active == nil || li.Concurrent", new: "li.active == nil",
	},
	{
		name: "a handler with a timeout is skipped", breaks: "each handler is called while there is time",
		in: "internal/tree.Tree.begin", old: "!n.called() && !n.started && n.Run != nil", new: "n.Kind == Handler && n.Timeout > 0",
	},
	{
		name: "a Close does not return the errors of abandoned handlers", breaks: "a Close returns the errors of all its handlers, also of abandoned ones",
		in: "internal/tree.Tree.end", old: "o != OK", new: "o != OK && o != Abandoned",
	},
	{
		name: "a pair is told twice", breaks: "interrupt is called once",
		in: "internal/tree.Tree.Tell", old: "if n.told { return }", new: "if n.told && !n.pair() {\n\t\treturn\n\t}",
	},
	{
		name: "after a second signal a running step keeps its budget", breaks: "after a second signal a step has just its minimum from then on",
		in: "internal/tree.Tree.Force", old: "t.tighten(nil, t.Now())", new: "",
	},
	{
		name: "a second signal ends no context", breaks: "a second signal ends the contexts of the steps that stop",
		in: "internal/tree.Tree.Force", old: "t.finish(&s.work, t.forced)", new: "",
	},
	{
		name: "a context ends by the second signal for no reason", breaks: "the cause of a context that a second signal ends is that signal",
		in: "internal/tree.Tree.Force", old: "Asked(cause)", new: "Asked(nil)",
	},
	{
		name: "a panic leaves nobody to go on", breaks: "no way to end a goroutine holds up the drain",
		in: "internal/tree.runStep", old: "next.n != nil", new: "false && next.n != nil",
	},
	{
		name: "what a server returns when it is closed is an error", breaks: "what execute returns after its interrupt was called is no error",
		in: "internal/tree.Tree.returned", old: "r.Err = nil", new: "",
	},
	{
		name: "a pair is over when one of its functions is back", breaks: "a pair has ended when both functions have returned",
		in: "internal/tree.Tree.returned", old: "!n.pair() || n.More.back == 1", new: "true",
	},
	{
		name: "a task that fails during a stop does not reach the program", breaks: "a failing task of main's group stamps t0, also while that group stops by itself",
		in: "internal/tree.Tree.returned", old: "inTime && l.List.Owner != nil", new: "inTime && l.state == waiting && l.List.Owner != nil",
	},
	{
		name: "an Exit is a Goexit", breaks: "a step that calls Exit has returned",
		in: "internal/tree.goexited", old: "Result{How: Exit}", new: "Result{Err: Errors.Goexit, How: Goexit}",
	},
	{
		name: "a step that returns at its deadline is in time", breaks: "a step that returns only because its context ends at its deadline is late",
		in: "internal/tree.Node.judge", old: "now >= n.deadline", new: "now > n.deadline",
	},
	{
		name: "a late step is not late", breaks: "a step that returns after its deadline is late",
		in: "internal/tree.Node.judge", old: "now >= n.deadline", new: "false",
	},
	{
		name: "a Goexit is an error of no kind", breaks: "a Goexit is an outcome of its own",
		in: "internal/tree.Node.judge", old: "return Goexited, r.Err", new: "return Failed, r.Err",
	},
	{
		name: "a panic is an error of no kind", breaks: "a panic is an outcome of its own",
		in: "internal/tree.Node.judge", old: "return Panicked, r.Err", new: "return Failed, r.Err",
	},
	{
		name: "a step's own deadline is excused", breaks: "a step's own deadline is no excuse",
		in: "internal/tree.Node.asked", old: "e != nil && e != expired", new: "e != nil",
	},
	{
		name: "an abandoned task is excused", breaks: "a task that its group has abandoned is an error, whatever the cause of the group's stop",
		in: "internal/tree.excusedOf", old: "Errors.Failure(err)", new: "false",
	},
	{
		name: "a polite error is a failure", breaks: "an error that says of itself that it is context.Canceled is no failure of what was asked to stop",
		in: "internal/tree.excusedOf", old: "len(asked) > 0 && matches(err, context.Canceled)", new: "false",
	},
	{
		name: "a context ends at its deadline for no reason", breaks: "the cause of a context that ends at its deadline is ErrGrace",
		in: "internal/tree.expired", old: "newEnding(context.DeadlineExceeded, ErrGrace)", new: "newEnding(context.DeadlineExceeded, context.DeadlineExceeded)",
	},
	{
		name: "a step is found by nothing but its context", breaks: "a step that calls is found by its goroutine",
		in: "internal/tree.Tree.Caller", old: "!stacks.Inside()", new: "true",
	},
	{
		name: "a deadline changes", breaks: "Deadline of one context answers the same each time it is asked",
		in: "internal/tree.Context.Deadline", old: "c.deadline", new: "c.node.deadline",
	},
	{
		name: "a context has no step", breaks: "a context belongs to the Coordinator whose step it is",
		in: "internal/tree.Context.own", old: "key == (nodeKey{})", new: "false",
	},
	{
		name: "nobody hears the end of a context that has ended", breaks: "what is derived from a context ends with it",
		in: "internal/tree.Context.finish", old: "(*f)()", new: "_ = f",
	},
	{
		name: "there is no scan for a stuck step", breaks: "the report has the stacks of an abandoned step",
		in: "internal/tree.Tree.takeRequestedStacks", old: "t.TakeStacks(nodes)", new: "_ = nodes",
	},
}
