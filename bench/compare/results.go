package main

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// markdown returns the text of RESULTS.md.
func (r *report) markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	how := ""
	if r.quick {
		how = " -quick"
	}
	p("# The cost of lastcall, and how it handles faults\n")
	p("Written by `go run ./bench/compare%s` on %s, in %s. Do not edit it: run the command again.\n", how, r.began.Format(time.DateOnly), r.took.Round(time.Second))
	p("- Machine: %s. Load average %s before, %s after.", machine(), r.loadBefore, r.loadAfter)
	p("- Compared with: %s.\n", strings.Join(versions(), ", "))
	p("The contestants take turns. Each figure is the median of several repetitions; ± is half the distance between the quartiles. A ratio is the median of the ratios of each repetition, so that other work on the machine affects both sides. In a table, ~ means that the difference may be chance (the Mann-Whitney U test of benchstat, p ≥ 0.05, which needs more than three repetitions). Compare the ratios rather than the nanoseconds, which depend on the machine.\n")
	p("## Targets\n")
	p("After each median comes its 95 %% confidence interval. A ~ means that the limit lies inside that interval: the run was too noisy or too short for an answer.\n\n%s", r.targets())
	p("## Small programs\n")
	p("### From SIGTERM to the exit of a process\n")
	p("The [programs](compare/exit) serve HTTP and have %d handlers that do nothing. No request is in flight. lastcall and fx write their logs. Each signal goes to a new process.\n\n%s", exitHandlers, r.exits.table(exitTime, nanoseconds))
	p("### Registering a handler and running it\n")
	p("The time for all registrations and the whole drain of a new Coordinator, with its report, divided by the number of handlers. For fx it is Append and Stop, without Start. Each measurement runs in a process of its own, whose only goroutine is main's.\n\n%s", r.handlers.table(wholeTime, nanoseconds, 1, 10, 100))
	p("## Many handlers\n")
	p("lastcall gives each handler a deadline, isolation from panics and Goexit, a profiler label, and a line in the report with its time. It runs them newest first. The log of fxtest.Lifecycle is discarded, and fx.App has none. *The least* is not a library. It is a list that keeps the call site of each handler, reads the clock, takes a lock, sets the label and writes a line of the report. It shows the cost of these alone.\n")
	p("![to register a handler](register.svg)\n\n![to run a handler](drain.svg)\n")
	p("### Registering one\n\n%s", r.handlers.table(registerTime, nanoseconds, r.handlers.large()...))
	p("### Running one\n\n%s", r.handlers.table(drainTime, nanoseconds, r.handlers.large()...))
	p("### Allocations, memory and goroutines for each of %s\n\n%s", count(r.handlers.largest()), r.handlerWeights())
	p("## Tasks\n")
	p("The tasks wait for the end of their contexts. The last one returns at once and so stops the others. lastcall and “in order” stop them one after the other, newest first, and wait for each. All others tell all tasks at once. *The least, in order* is oklog/run with the call site of each task, a profiler label, the clock and a recover, which a report about a stuck task needs.\n")
	p("![tasks from start to stopped](tasks.svg)\n")
	p("### From start to stopped, for each\n\n%s", r.tasks.table(runTime, nanoseconds))
	p("### Allocations, memory and goroutines for each of %s that wait\n\n%s", count(r.tasks.largest()), r.taskWeights())
	p("## Signals\n\nThe time from the call that sends SIGTERM to the end of the context, in a process of its own.\n\n%s", r.signal.table(doneTime, nanoseconds))
	p("## HTTP\n\nA request on a kept-alive connection of the loopback interface, in turns of %s requests. The target concerns the median of the differences between two turns. The second server of net/http shows how much of a difference is chance.\n\n%s", count(requestsEachTurn), r.requests())
	p("The time from the last response that a client has read to the end of the drain, and of `http.Server.Shutdown`, median and longest:\n\n%s", r.lags())
	p("## Growth\n\nThe cost for each one at the smallest and the largest size, and the exponent of growth over all sizes: 1 means in proportion. Tasks are made when all run, and drained when all have stopped. The time of an empty drain is subtracted. Memory is measured before the drain, and after it with the report.\n\n%s", r.growthTable())
	p("## Scans of goroutines\n\nA scan of all goroutines finds leaks, and the reason why a step is stuck. There is a scan when a step is stuck. There is another at the end of a drain, unless the number of goroutines shows that nothing leaked. A scan by wait state stops all goroutines while it runs, so it is left out for more than 10 000, and for more than 1 000 where a line only says that a step is waited for. The time of one scan, after a task has started this many goroutines:\n\n%s", r.scansTable())
	p("## Where others cost less\n\n%s", r.cheaper())
	p("## Faults\n")
	p("Three handlers or tasks, `%s`, `%s` and `%s`, run in a process of their own. The second is at fault. The limit of the whole stop is %s, if the library has such a limit. The programs use the library and `signal.NotifyContext` in the usual way, and log the error that they get. A process is killed %s after the SIGTERM.\n", oldest, culprit, newest, bound, seconds(patience))
	p("*Others* says how many of the two that are not at fault ran (handlers) or ended (tasks), in this order. *Named* says whether the output of the process has the name or the function of the one at fault. In *beside lastcall*, + is where the library is better, and − where it is worse.\n")
	for _, t := range r.handlerTrials {
		p("%s", t.markdown("handlers"))
	}
	for _, t := range r.taskTrials {
		p("%s", t.markdown("tasks"))
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (r *results) largest() int { return r.sizes[len(r.sizes)-1].n }

// large returns the sizes for the tables of many handlers.
func (r *results) large() (sizes []int) {
	for _, s := range r.sizes {
		if s.n >= many {
			sizes = append(sizes, s.n)
		}
	}
	return sizes
}

// table has a row for each contestant and two columns for each size; no sizes means all.
func (r *results) table(m measure, unit func(float64) string, sizes ...int) string {
	if sizes == nil {
		for _, s := range r.sizes {
			sizes = append(sizes, s.n)
		}
	}
	head := []string{""}
	for _, n := range sizes {
		head = append(head, "of "+count(n), "ratio")
	}
	rows := [][]string{head}
	for _, name := range r.names {
		row := []string{name}
		for _, n := range sizes {
			row = append(row, r.cell(name, n, m, unit), r.beside(name, n, m))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// beside returns the ratio to the first contestant, with a ~ if there may be no difference.
func (r *results) beside(name string, n int, m measure) string {
	ratio := times(r.ratio(name, r.names[0], n, m))
	if name != r.names[0] && alike(r.of(name, n, m), r.of(r.names[0], n, m)) {
		return ratio + " ~"
	}
	return ratio
}

func (r *results) cell(name string, n int, m measure, unit func(float64) string) string {
	values := r.of(name, n, m)
	if len(values) == 0 {
		return "–"
	}
	return unit(median(values)) + " " + percent(spread(values))
}

func (r *report) handlerWeights() string {
	return r.handlers.weights([]string{"", "allocations to register", "to run", "memory", "goroutines"}, registerAllocs, drainAllocs)
}

func (r *report) taskWeights() string {
	return r.tasks.weights([]string{"", "allocations", "memory", "goroutines"}, runAllocs)
}

func (r *results) weights(head []string, allocs ...measure) string {
	rows := [][]string{head}
	for _, name := range r.names {
		row := []string{name}
		for _, m := range allocs {
			row = append(row, digits(median(r.of(name, r.largest(), m))))
		}
		row = append(row, byteCount(median(r.of(name, r.largest(), heap))), digits(median(r.of(name, r.largest(), goroutines))))
		rows = append(rows, row)
	}
	return table(rows)
}

func (r *report) requests() string {
	rows := [][]string{{"", "time", "ratio", "more than " + netHTTP, "allocations"}}
	for _, name := range r.request.names {
		more := "–"
		if name != netHTTP {
			more = interval(r.more(name), nanoseconds)
		}
		rows = append(rows, []string{
			name, r.request.cell(name, 1, requestTime, nanoseconds),
			r.request.beside(name, 1, requestTime), more, digits(median(r.request.of(name, 1, requestAllocs))),
		})
	}
	return table(rows)
}

func (r *report) lags() string {
	rows := [][]string{{"", "httpdrain", "longest", "Shutdown", "longest"}}
	for _, s := range r.lag.sizes {
		row := []string{protocol(s.n)}
		for _, name := range r.lag.names {
			values := r.lag.of(name, s.n, lagTime)
			row = append(row, nanoseconds(median(values)), nanoseconds(quantile(values, 1)))
		}
		rows = append(rows, row)
	}
	return table(rows)
}

func (r *report) growthTable() string {
	rows := [][]string{{"", "", "of the fewest", "of the most", "exponent"}}
	for _, g := range r.growths {
		least, most := g.sizes[0], g.sizes[len(g.sizes)-1]
		name := fmt.Sprintf("%s, %s to %s", g.name, count(least), count(most))
		for _, m := range growthMeasures {
			if math.IsNaN(g.of(least, m)) {
				continue
			}
			unit := nanoseconds
			if m == heap || m == heapAfter {
				unit = byteCount
			}
			exponent := "–" // of what is too little to be measured
			if e := g.exponent(m); !math.IsNaN(e) {
				exponent = fmt.Sprintf("%.2f", e)
			}
			rows = append(rows, []string{name, string(m), unit(g.of(least, m)), unit(g.of(most, m)), exponent})
			name = ""
		}
	}
	return table(rows)
}

// cheaper lists what costs clearly less than lastcall.
func (r *report) cheaper() string {
	const clearly = 0.9
	rows := [][]string{{"", "of", "ratio"}}
	for _, c := range []struct {
		*results
		measures []measure
	}{
		{r.exits, []measure{exitTime}},
		{r.handlers, []measure{registerTime, drainTime, heap}},
		{r.tasks, []measure{runTime, heap}},
		{r.signal, []measure{doneTime}},
		{r.request, []measure{requestTime}},
	} {
		for _, m := range c.measures {
			for _, s := range c.sizes {
				var who []string
				for _, name := range c.names[1:] {
					if ratio := c.ratio(name, c.names[0], s.n, m); ratio < clearly && name != concurrent {
						who = append(who, name+" "+times(ratio))
					}
				}
				if who != nil && (m != heap || s.n == c.largest()) {
					rows = append(rows, []string{c.title + ", " + string(m), count(s.n), strings.Join(who, ", ")})
				}
			}
		}
	}
	if len(rows) == 1 {
		return "Nowhere in this run.\n"
	}
	return table(rows)
}

func (t *trial) markdown(what string) string {
	extra := ""
	head := []string{"", "others", "end", "status", "named", "beside lastcall"}
	if t.wants != "" {
		extra = "added"
		head = []string{"", "others", extra, "end", "status", "beside lastcall"}
	}
	rows := [][]string{head}
	for _, library := range t.libraries {
		o := t.outcomes[library]
		row := []string{library, o.othersText()}
		if extra != "" {
			row = append(row, yesNo(o.Extra))
		}
		row = append(row, o.endText(), o.Status)
		if extra == "" {
			row = append(row, o.namedText(t.fault))
		}
		v := "–"
		if library != t.libraries[0] {
			v = o.beside(t.outcomes[t.libraries[0]], t.fault).String()
		}
		rows = append(rows, append(row, v))
	}
	title := fmt.Sprintf("### %s\n", t.title)
	if t.does != "" {
		title += "\n" + t.does + "\n"
	}
	return title + "\n" + table(rows)
}

func (o *outcome) othersText() string {
	if len(o.Ended) == 0 {
		return "**0 of 2**"
	}
	text := fmt.Sprintf("%d of 2: %s", o.others(), strings.Join(o.Ended, ", "))
	if o.others() < 2 {
		text = "**" + text[:6] + "**" + text[6:]
	}
	return text
}

func (o *outcome) endText() string {
	var text string
	switch {
	case o.Killed:
		text = "**never**"
	case o.Asked:
		text = seconds(o.Took)
	default:
		text = "at once, by itself"
	}
	if o.Again {
		text += ", restarted before"
	}
	return text
}

func (o *outcome) namedText(f fault) string {
	if f.polite {
		return "–"
	}
	return yesNo(o.Named)
}

func (v verdict) String() string {
	var parts []string
	if v.better != nil {
		parts = append(parts, "**+ "+strings.Join(v.better, ", ")+"**")
	}
	if v.worse != nil {
		parts = append(parts, "− "+strings.Join(v.worse, ", "))
	}
	if parts == nil {
		return "the same"
	}
	return strings.Join(parts, "; ")
}
