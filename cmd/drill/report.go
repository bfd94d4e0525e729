package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"time"
)

// A Report is all runs of one server in one mode. Text, JSON and the page are three views of it.
type Report struct {
	Server  string `json:"server"`
	Control bool   `json:"control,omitempty"`
	Mode    mode   `json:"mode"`
	// Grade is that of the worst run.
	Grade  string   `json:"grade"`
	Grades []string `json:"grades"`
	Lost   []int    `json:"lost"` // in each run
	// Table has a row for each kind and phase in which requests were lost.
	Table []Row     `json:"table"`
	Runs  []*Result `json:"runs"`
}

// A Row counts the losses of one kind in one phase.
type Row struct {
	Kind     string `json:"kind"`
	Phase    string `json:"phase"`
	Lost     []int  `json:"lost"`     // in each run
	Executed *int   `json:"executed"` // in all runs; nil: unknown
	Cause    string `json:"cause"`
	Remedy   string `json:"remedy"`
}

func (r Row) total() int { return sum(r.Lost) }

func sum(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

// add adds a run. The runs of a report are in order.
func (rep *Report) add(r *Result) {
	rep.Runs = append(rep.Runs, r)
	rep.Grade = max(rep.Grade, r.Grade)
	rep.Grades = append(rep.Grades, r.Grade)
	rep.Lost = append(rep.Lost, r.Lost)
	rep.tabulate()
}

// tabulate counts all runs by phase, and in each phase by kind.
func (rep *Report) tabulate() {
	rep.Table = []Row{}
	for p := range phases {
		for k := range kinds {
			row := Row{Kind: k.String(), Phase: p.String(), Lost: make([]int, len(rep.Runs))}
			for n, r := range rep.Runs {
				executed := 0
				for _, q := range r.lost {
					if q.kind == k && q.phase == p {
						row.Lost[n]++
						if q.executed {
							executed++
						}
					}
				}
				if r.Executed != nil {
					if row.Executed == nil {
						row.Executed = new(int)
					}
					*row.Executed += executed
				}
			}
			if row.total() > 0 {
				a := adviceOn(k, p)
				row.Cause, row.Remedy = a.cause, a.remedy
				rep.Table = append(rep.Table, row)
			}
		}
	}
}

// worst is the run that the grade is from. Of several, it is the one that lost most.
func (rep *Report) worst() *Result {
	w := rep.Runs[0]
	for _, r := range rep.Runs {
		if r.Grade > w.Grade || r.Grade == w.Grade && r.Lost > w.Lost {
			w = r
		}
	}
	return w
}

func (rep *Report) passed(maxLost int) bool {
	for _, r := range rep.Runs {
		if !r.passed(maxLost) {
			return false
		}
	}
	return true
}

// bottleneck describes the strain of the run in which it was worst; empty where the drill was fast enough.
func (rep *Report) bottleneck() string {
	var w Strain
	for _, r := range rep.Runs {
		if r.Strain.Bottleneck && (r.Strain.Share > w.Share || r.Strain.Late > w.Late) {
			w = r.Strain
		}
	}
	return w.String()
}

// A Document is what -o json writes.
type Document struct {
	Began   time.Time         `json:"began"`
	Machine Machine           `json:"machine"`
	Command []string          `json:"command,omitempty"`
	Flags   map[string]string `json:"flags"` // that were given; of -header only the names
	Reports []*Report         `json:"reports"`
}

// A Machine is where a drill was held.
type Machine struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Processors int    `json:"processors"`
	Go         string `json:"go"` // that the drill was built with
}

func newDocument(c *config, began time.Time, reports []*Report) *Document {
	return &Document{began, Machine{runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version()}, c.command, c.given, reports}
}

func (d *Document) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

// verdict decides the exit status. If the control lost nothing, the other reports mean nothing either:
// the load did not hit the moments in which requests are lost.
func verdict(reports []*Report, maxLost int) (ok bool, err error) {
	ok = true
	for _, rep := range reports {
		lost := 0
		for _, r := range rep.Runs {
			lost += r.requestsLost()
		}
		switch {
		case !rep.Control:
			ok = ok && rep.passed(maxLost)
		case lost == 0:
			return false, fmt.Errorf("the control lost nothing in mode %s, so this drill proves nothing: use more -clients, or more -runs", rep.Mode)
		}
	}
	return ok, nil
}
