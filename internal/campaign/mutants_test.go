//go:build mutants

package campaign

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A mutant is a fault in the source of the core. It is compiled into the campaign in place
// of the file that it changes; nothing in the module is touched.
//
//	go test -tags mutants -run Mutants -v -timeout 1h ./internal/campaign
type mutant struct{ name, file, old, new string }

var mutants = []mutant{
	{"the oldest handler is first", "shutdown/drain.go", "r := d.at.newest\n", "r := d.at.newest\n\t\tfor r != nil && r.sub == nil && r.older != nil && r.older.sub == nil {\n\t\t\tr = r.older\n\t\t}\n"},
	{"a handler with a timeout is skipped", "shutdown/drain.go", "r.remove()\n\t\t\tif d.begin(r, now) {", "r.remove()\n\t\t\tif r.step.Timeout > 0 && r.step.Kind == step.Handler {\n\t\t\t\tcontinue\n\t\t\t}\n\t\t\tif d.begin(r, now) {"},
	{"a hog may take all that is left", "internal/step/budget.go", "allowance = max(scaled, left-time.Duration(b.scaled(b.owed)))", "allowance = left"},
	{"a reserve is ignored", "internal/step/budget.go", "return capped(max(b.floor, t.Reserve), t.Timeout)", "return capped(b.floor, t.Timeout)"},
	{"a timeout is ignored", "internal/step/budget.go", "return capped(min(allowance, left), timeout), scaled", "return min(allowance, left), scaled"},
	{"what has begun late is skipped in a scope that is used up", "internal/step/budget.go", "if b.end <= now {", "if false {"},
	{"the promises are not scaled", "internal/step/budget.go", "if b.scaled(b.owed) <= most {", "if true {"},
	{"there is no time between the cut and the end", "internal/step/budget.go", "return min(max(allowance/20, minMargin), allowance/2, maxMargin)", "return 1"},
	{"a promise shrinks with each overrun", "internal/step/budget.go", "if b.scaled(b.owed) > float64(left) {", "if b.floor = min(b.floor, left/2); b.scaled(b.owed) > float64(left)*0.9 {"},
	{"the end is a millisecond late", "shutdown/lifecycle.go", "c.end = max(step.Sum(c.t0, c.grace),", "c.end = time.Millisecond + max(step.Sum(c.t0, c.grace),"},
	{"an announced stop waits for the delay again", "shutdown/lifecycle.go", "wait := c.t0 + upTo - now", "wait := upTo"},
	{"a stop long after it was announced has no time", "shutdown/lifecycle.go", "now+min(minGrace, c.grace)", "now"},
	{"holds are not awaited", "shutdown/lifecycle.go", "if c.phase != ending || !c.mainOver || len(c.holds) > 0 {", "if c.phase != ending || !c.mainOver {"},
	{"a failure does not end the delay", "shutdown/lifecycle.go", "if !delay {\n\t\t\tc.endDelay(now)", "if false {\n\t\t\tc.endDelay(now)"},
	{"a second signal does not press", "shutdown/escalation.go", "c.run.Force(now, cause)", "_ = cause"},
	{"a second signal leaves a step more than its promise", "internal/step/clock.go", "c.shorten(s, now, s.Promise)", "c.shorten(s, now, max(s.Promise, time.Second))"},
	{"a second signal does not end the delay", "shutdown/escalation.go", "c.endDelay(now)\n\tc.mainEnd", "c.mainEnd"},
	{"duplicates of a signal count", "shutdown/escalation.go", "const echo = 200 * time.Millisecond", "const echo = time.Nanosecond"},
	{"the third signal exits with 1", "shutdown/escalation.go", "c.exit(cause.ExitCode())", "c.exit(1)"},
	{"what is late is not", "internal/step/result.go", "now > cut && !s.waited", "now > cut && false"},
	{"a step's own deadline is excused", "internal/step/result.go", "if work == expired {", "if false {"},
	{"a Goexit is an error of no kind", "internal/step/result.go", "case Goexit:\n\t\treturn Goexited, r.Err", "case Goexit:\n\t\treturn Failed, r.Err"},
	{"a panic in a deferred function of a Goexit leaves nobody to go on", "internal/step/serve.go", "alive = !inGoexit(); !alive", "alive = true; !alive"},
	{"who is stuck is not named", "internal/step/clock.go", "Errors.Stuck(s.Name(), now-s.Start, s.Stack())", `Errors.Stuck("", now-s.Start, s.Stack())`},
	{"nobody looks at what is stuck", "internal/step/clock.go", "c.run.After(func() { go s.takeStacks() })", "_ = s.takeStacks"},
	{"a context ends when its step is given up", "internal/step/clock.go", "s.cut.Store(int64(cut))\n\ts.prev", "s.cut.Store(int64(s.End))\n\ts.prev"},
	{"the exit code of a panic is 1", "shutdown/report.go", "if r.panicked {\n\t\treturn 2", "if r.panicked {\n\t\treturn 1"},
	{"no cause is a failure", "shutdown/coordinator.go", "case cause == nil, step.Excused", "case true, cause == nil, step.Excused"},
	{"it is not ready again after Resume", "shutdown/quiesce.go", "= false, true, 0, 0", "= false, false, 0, 0"},
	{"there is nothing to resume", "shutdown/quiesce.go", "c.phase != active || !c.quiesced {\n\t\treturn false", "true {\n\t\treturn false"},
	{"events are dropped", "shutdown/journal.go", "const queueLimit = 8192", "const queueLimit = 2"},
	{"a goroutine that has not begun is no leak", "shutdown/leaks.go", "unborn = true", "unborn = false"},
	{"goroutines that are left are not looked for", "shutdown/leaks.go", "if left <= 0 {", "if true {"},
	{"tasks stop oldest first", "group/stop.go", "for t := g.newest; t != nil; t = t.prev {", "for t := g.oldest; t != nil; t = t.next {"},
	{"tasks are told all at once", "group/stop.go", "(s.waiting == 0 || s.g.Concurrent)", "true"},
	{"a stuck task is not the group's error", "group/stop.go", "s.g.failed(t, err)", "_ = err"},
	{"what a server returns when it is closed is an error", "group/task.go", "r.Err = nil // http.ErrServerClosed", "_ = r.Err // http.ErrServerClosed"},
	{"a bare hold is awaited by nobody", "shutdown/hold.go", "return sync.OnceFunc(func() { c.release(s, step.Result{}) }), true", "c.release(s, step.Result{})\n\treturn sync.OnceFunc(func() {}), true"},
	{"what runs can be unregistered", "shutdown/registration.go", "return !r.running && r.unlink()", "return r.running || r.unlink()"},
	{"the program is not told of a task that fails", "group/group.go", "g.run.Host.Failed(g.outer, cause)", "_ = cause"},
	{"the end of a task does not stop the group", "group/task.go", "case !t.mayFinish:", "case !t.mayFinish && false:"},
	{"a task that may finish stops the group", "group/task.go", "case !t.mayFinish:", "case !t.mayFinish || true:"},
	{"a task is promised nothing", "group/stop.go", "t.step.Promise = s.budget.Promise(t.step.Terms)", "t.step.Promise = time.Millisecond"},
	{"a reserve of a task is ignored", "group/stop.go", "s.budget.Promise(t.step.Terms)", "s.budget.Promise(step.Terms{Timeout: t.step.Timeout})"},
	{"a timeout of a task is ignored", "group/stop.go", "\tt.stopper = s\n", "\tt.stopper = s\n\tt.step.Timeout = 0\n"},
	{"Task.Shutdown that gives up loses the task's error", "group/task.go", "\tif mine {\n\t\tt.waiters--", "\tif false {\n\t\tt.waiters--"},
	{"Task.Shutdown loses the error of a task that ends when its context does", "group/task.go", "if t.ended || t.stuck {\n\t\treturn t.err //", "if t.stuck {\n\t\treturn t.err //"},
	{"the error of a task that is shut down is the group's, too", "group/group.go", "err != nil && t.waiters == 0", "err != nil"},
	{"a task that shuts itself down waits for itself", "group/task.go", "\tinside := t.step.Calls(ctx)", "\tinside := false && t.step.Calls(ctx)"},
	{"the error of a task that shuts itself down is lost", "group/task.go", "mine := !inside && ", "mine := "},
	{"the error that stops a group is lost to a Shutdown", "group/task.go", " && t.result.Err == nil && t != g.first", ""},
	{"a task that is shut down is not cut", "group/task.go", "left-step.Margin(left), t.step.Expire", "left-step.Margin(left), func() {}"},
	{"Shutdown of a task that has been given up waits for it", "group/task.go", "\tcase <-t.givenUp():\n", ""},
	{"the deadline of a Close is ignored", "shutdown/registration.go", "case by.left > 0:", "case false:"},
	{"a Close does not end with the step that it is called in", "shutdown/registration.go", "c.run.NewClock(outer, limit)", "c.run.NewClock(nil, limit)"},
	{"a Close may take longer than the timeout of its scope", "shutdown/registration.go", "if t := s.entry.step.Timeout; t > 0 {", "if t := s.entry.step.Timeout; false {"},
	{"a Close without time skips what it closes", "shutdown/registration.go", "if d.clock.Over(now) && s.hasTurn() {", "if false {"},
	{"Unregister by name does not look into what runs side by side", "shutdown/scope.go", "if s.pool != nil {\n\t\tfor", "if false {\n\t\tfor"},
	{"a Close waits for what calls it", "shutdown/drain.go", "\t\t\td.letGo()\n", ""},
	{"a Close returns no error", "shutdown/registration.go", "return errors.Join(d.errs...)", "return errors.Join()"},
	{"a Close does not tell of what ran side by side", "shutdown/pool.go", "\tl.p.d.failed(s)\n", ""},
	{"a Close does not tell of scopes that ran side by side", "shutdown/pool.go", "p.d.errs = append(p.d.errs, d.errs...)", "_ = d.errs"},
	{"what Release returns runs nothing", "shutdown/scope.go", "return s.close(ctx, scopeReleased) }", "return nil }"},
	{"what was released is run by the program", "shutdown/scope.go", "s.state = scopeReleased\n\ts.leave()", "_ = s.leave"},
	{"a Close does not tell of what it has given up", "shutdown/drain.go", "\td.failed(s)\n\tif s.Outcome == step.Abandoned {\n\t\td.places", "\tif s.Outcome != step.Abandoned {\n\t\td.failed(s)\n\t}\n\tif s.Outcome == step.Abandoned {\n\t\td.places"},
	{"what runs is in the report as if it were over", "shutdown/report.go", "return s.Took < 0 })", "return false })"},
	{"there is no report before the end", "shutdown/report.go", "case c.t0 == 0:", "case c.phase < finished:"},
	{"a report in the drain does not say how long it has taken", "shutdown/report.go", "r.Took = c.run.Now() - c.t0", "_ = r.Took"},
	{"a report in the drain has no failures", "shutdown/report.go", "if c.failures == 0 {", "if c.failures == 0 || c.phase < finished {"},
	{"Unregister by name does not look into scopes", "shutdown/scope.go", "r.sub.named(name, f)", "_ = f"},
	{"Unregister by name does not count", "shutdown/coordinator.go", "\t\t\tn++\n", "\t\t\tn += 0\n"},
	{"what is unregistered runs all the same", "shutdown/registration.go", "\tr.remove()\n\tr.home.forgive(r)", "\tr.home.forgive(r)"},
	{"a step is given up half-way between its cut and its end", "internal/step/clock.go", "if now >= s.End {\n\t\tc.giveUp(s, now)\n\t\treturn 0\n\t}\n\tif look := s.look(); now < look {\n\t\treturn look\n\t}\n\tc.dump(s)\n\treturn s.End\n", "end := cut + (s.End-cut)/2\n\tif now >= end {\n\t\tc.giveUp(s, now)\n\t\treturn 0\n\t}\n\tif look := s.look(); now < look {\n\t\treturn look\n\t}\n\tc.dump(s)\n\treturn end\n"},
	{"a context ends at the cut for no reason", "internal/step/context.go", "newEnding(context.DeadlineExceeded, ErrGrace)", "newEnding(context.DeadlineExceeded, context.DeadlineExceeded)"},
	{"a context ends by the second signal for no reason", "internal/step/clock.go", "\tr.After(func() { s.Cut(cause) })", "\tr.After(func() { s.Cut(nil) })"},
	{"who has announced the stop is not told that it has begun", "shutdown/lifecycle.go", "\t\tq.end()\n", "\t\t_ = q\n"},
	{"Stopping is never closed", "shutdown/lifecycle.go", "\tclose(c.stopping)\n", ""},
	{"what is registered in the drain is refused", "shutdown/scope.go", "s.state == scopeClosed || s.state", "s.state >= scopeDraining || s.state"},
	{"a hold is refused when main has been told", "shutdown/hold.go", "c.mainOver || c.phase >= draining", "c.mainOver || c.phase >= ending"},
	{"nothing can be unregistered", "shutdown/registration.go", "return !r.running && r.unlink()", "return false"},
	{"a handler is not closed before its turn", "shutdown/registration.go", "case !r.member:", "case true, !r.member:"},
	{"a turn is passed on with what was seen of its step", "internal/step/step.go", "\t*t = Turn{}\n", ""},
}

func TestMutants(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) { m.hunt(t, root) })
	}
}

var seedOf = regexp.MustCompile(`(?m)seed (\d+):`)

// hunt plays programs against the mutant until one finds it.
func (m mutant) hunt(t *testing.T, root string) {
	file := filepath.Join(root, filepath.FromSlash(m.file))
	source, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		t.Fatalf("%q is %d times in %s, want once", m.old, n, m.file)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, filepath.Base(m.file)), filepath.Join(dir, "overlay.json")
	write(t, changed, []byte(strings.Replace(string(source), m.old, m.new, 1)))
	plan, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, plan)
	cmd := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-run", "^TestCampaign$", ".",
		"-campaign.seed", "1", "-campaign.n", fmt.Sprint(maxSeeds))
	out, err := cmd.CombinedOutput()
	at := seedOf.FindStringSubmatch(string(out))
	switch {
	case err == nil:
		t.Errorf("not found in %d programs", maxSeeds)
	case at == nil:
		t.Errorf("%v\n%s", err, out)
	default:
		lines := strings.SplitN(string(out), "\n", 4)
		t.Logf("found after %s programs: %s", at[1], strings.TrimSpace(lines[min(2, len(lines)-1)]))
	}
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
