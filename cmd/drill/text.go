package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"
)

// String is the report for a terminal.
func (rep *Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: grade %s", rep.Server, rep.Mode, rep.Grade)
	if len(rep.Runs) > 1 {
		fmt.Fprintf(&b, ", the worst of %s", strings.Join(rep.Grades, " "))
	}
	w := rep.worst()
	fmt.Fprintln(&b)
	for _, reason := range w.Reasons {
		fmt.Fprintf(&b, "  %s\n", reason)
	}
	if s := rep.bottleneck(); s != "" {
		fmt.Fprintf(&b, "  %s\n", s)
	}
	if len(rep.Table) > 0 {
		fmt.Fprintf(&b, "\n%s\n", rep.tableText())
	}
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, row := range w.rows() {
		fmt.Fprintf(tw, "    %s\t%s\n", row.Name, row.Value)
	}
	_ = tw.Flush()
	for _, n := range w.Notes {
		fmt.Fprintf(&b, "    note: %s\n", n)
	}
	return b.String()
}

// tableText has a line for each row and one for its advice.
func (rep *Report) tableText() string {
	var b strings.Builder
	tw := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	head := "lost"
	if len(rep.Runs) > 1 {
		head = "lost in each run"
	}
	fmt.Fprintf(tw, "    phase\tkind\t%s\texecuted\n", head)
	for _, row := range rep.Table {
		fmt.Fprintf(tw, "    %s\t%s\t%s\t%s\n", row.Phase, row.Kind, row.lostText(), row.executedText())
	}
	_ = tw.Flush()
	for n, row := range rep.Table { // the rows of one cause and phase follow each other
		if n == 0 || row.Cause != rep.Table[n-1].Cause || row.Phase != rep.Table[n-1].Phase {
			fmt.Fprintf(&b, "  %s: %s\n    %s\n", row.Phase, row.Cause, row.Remedy)
		}
	}
	return b.String()
}

func (r Row) lostText() string { return strings.Trim(fmt.Sprint(r.Lost), "[]") }

func (r Row) executedText() string {
	if r.Executed == nil {
		return "unknown"
	}
	return count(*r.Executed)
}

type row struct{ Name, Value string }

// rows are what the terminal and the page show.
func (r *Result) rows() []row {
	rows := []row{
		{"sent", fmt.Sprintf("%s in %v", count(r.Sent), round(r.Took.duration()))},
		{"answered", count(r.Answered)},
		{"lost", lostText(r)},
	}
	if r.Lost > 0 {
		executed := "unknown: the server leaves no record (-executed)"
		if r.Executed != nil {
			executed = count(*r.Executed)
		}
		rows = append(rows, row{"lost but executed", executed})
	}
	if r.TurnedAway > 0 {
		rows = append(rows, row{"turned away", count(r.TurnedAway) + " connections refused, nothing sent on them: not lost"})
	}
	for _, c := range r.Clients {
		rows = append(rows, row{c.Client, fmt.Sprintf("%s sent, %s lost", count(c.Sent), count(c.Lost))})
	}
	if r.Latency.Max > 0 {
		rows = append(rows, row{"latency", fmt.Sprintf("p50 %v, p99 %v, max %v", round(r.Latency.P50.duration()), round(r.Latency.P99.duration()), round(r.Latency.Max.duration()))})
	}
	for _, st := range r.Stops {
		rows = append(rows, row{st.Instance, st.text()})
	}
	for _, h := range r.Held {
		rows = append(rows, row{h.name(), h.text()})
	}
	for _, l := range r.WebSockets {
		rows = append(append(rows, l.rows(r.Mode)...), l.bars())
	}
	if len(r.Losses) > 0 {
		rows = append(rows, row{"first loss", r.Losses[0].text()})
	}
	return append(rows, row{"the drill", fmt.Sprintf("%.0f %% of the processors, pauses up to %v too long (p99)", 100*r.Strain.Share, round(r.Strain.Late.duration()))})
}

func lostText(r *Result) string {
	if r.Lost == 0 {
		return "0"
	}
	return fmt.Sprintf("%s (%s)", count(r.Lost), kindsText(r.Kinds))
}

// text tells the times from the signal on.
func (st Stop) text() string {
	var parts []string
	add := func(what string, at *millis) {
		if at != nil {
			parts = append(parts, fmt.Sprintf("%s +%v", what, round((*at-st.Signal).duration())))
		}
	}
	add("not ready", st.NotReady)
	add("listener closed", st.Closed)
	add("last answer", st.LastAnswer)
	add("exit", &st.Exit)
	text := strings.Join(parts, ", ") + ", " + st.Status
	if st.Killed {
		text += " (killed by the drill)"
	}
	return text
}

func (h Held) name() string {
	if h.Silent {
		return "silent connections"
	}
	return "idle connections"
}

func (h Held) text() string {
	return fmt.Sprintf("%d of %s closed +%v to +%v", h.Count, h.Instance, round(h.First.duration()), round(h.Last.duration()))
}

func (l Loss) text() string {
	return fmt.Sprintf("%s, %s, %s, %s: %s", l.ID, l.Client, l.Phase, l.Kind, l.Error)
}

// count groups the digits by three.
func count(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// round leaves about three digits. More would be noise.
func round(d time.Duration) time.Duration {
	for unit := time.Second; unit > time.Microsecond; unit /= 10 {
		if d >= 10*unit {
			return d.Round(unit / 10)
		}
	}
	return d.Round(time.Microsecond)
}

// progress shows the state of a session on standard error: on a terminal in one line that is
// rewritten, otherwise in a line for each stage.
type progress struct {
	w        io.Writer
	terminal bool

	mu     sync.Mutex
	what   string // subject and mode
	now    string // stage
	load   *load
	ticker *time.Ticker
	done   chan struct{}
}

func newProgress(w io.Writer) *progress {
	p := &progress{w: w}
	if f, ok := w.(*os.File); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return p
}

// follow shows the numbers of a load from now on.
func (p *progress) follow(what string, l *load) {
	p.mu.Lock()
	p.what, p.load = what, l
	p.mu.Unlock()
	p.ticker, p.done = time.NewTicker(200*time.Millisecond), make(chan struct{})
	go func() {
		for {
			select {
			case <-p.ticker.C:
				p.mu.Lock()
				p.repaint()
				p.mu.Unlock()
			case <-p.done:
				return
			}
		}
	}()
}

// stage starts a new stage.
func (p *progress) stage(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = text
	if p.terminal {
		p.repaint()
		return
	}
	fmt.Fprintln(p.w, p.line())
}

func (p *progress) line() string {
	if p.load == nil {
		return p.now
	}
	l := p.load
	return fmt.Sprintf("%s  %5.1fs  answered %s  in flight %d  lost %s  %s",
		p.what, time.Since(l.start).Seconds(), count(int(l.answered.Load())), l.inFlight.Load(), count(int(l.lost.Load())), p.now)
}

func (p *progress) repaint() {
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.line())
	}
}

// end removes the line.
func (p *progress) end() {
	if p.ticker != nil {
		p.ticker.Stop()
		close(p.done)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
