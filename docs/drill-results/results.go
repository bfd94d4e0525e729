package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// Results are what the table is made of. The file results.json has them.
type Results struct {
	Machine Machine  `json:"machine"` // of the last measurement
	Flags   []string `json:"flags"`   // of the drill, for every server
	Servers []*Entry `json:"servers"`
}

// A Machine is where the drills were held.
type Machine struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	Processors int    `json:"processors"`
	Go         string `json:"go"`
}

// An Entry is one server.
type Entry struct {
	Dir      string   `json:"dir"`
	Name     string   `json:"name"`
	Versions string   `json:"versions"`
	Command  []string `json:"command"`
	Flags    []string `json:"flags"` // of the drill, for this server
	// Measured has the last measurement, and then the one before it.
	Measured []Measurement `json:"measured"`
}

// A Measurement is one call of the drill.
type Measurement struct {
	Began   string             `json:"began"`   // UTC
	Outcome map[string]Outcome `json:"outcome"` // by mode
}

// An Outcome is what a report of the drill says. Each slice has an element for each run.
type Outcome struct {
	Grade      string    `json:"grade"` // of the worst run
	Grades     []string  `json:"grades"`
	Answered   []int     `json:"answered"`
	Lost       []int     `json:"lost"`
	Executed   []int     `json:"lost_but_executed"`
	TurnedAway []int     `json:"turned_away"`
	Exit       []float64 `json:"exit_ms"` // from the signal, of the slower one of two servers
	Table      []Row     `json:"table"`
	Reasons    []string  `json:"reasons"`    // of the grade, in the worst run
	Bottleneck bool      `json:"bottleneck"` // the drill or the machine was, in a run
}

// A Row counts the losses of one kind in one phase.
type Row struct {
	Phase    string `json:"phase"`
	Kind     string `json:"kind"`
	Lost     []int  `json:"lost"`
	Executed *int   `json:"executed"` // in all runs
}

// A report is the part of the drill's JSON that matters here.
type report struct {
	Mode   string
	Grade  string
	Grades []string
	Lost   []int
	Table  []Row
	Runs   []struct {
		Grade      string
		Reasons    []string
		Answered   int
		Lost       int
		Executed   *int `json:"lost_but_executed"`
		TurnedAway int  `json:"turned_away"`
		Drill      struct{ Bottleneck bool }
		Stops      []struct {
			Signal float64 `json:"signal_ms"`
			Exit   float64 `json:"exit_ms"`
		}
	}
}

func (rep *report) outcome() (Outcome, error) {
	o := Outcome{Grade: rep.Grade, Grades: rep.Grades, Lost: rep.Lost, Table: rep.Table}
	worst := rep.Runs[0]
	for n, r := range rep.Runs {
		if r.Executed == nil {
			return o, fmt.Errorf("mode %s, run %d: it is not known which requests were executed", rep.Mode, n+1)
		}
		exit := 0.0
		for _, st := range r.Stops {
			exit = max(exit, st.Exit-st.Signal)
		}
		o.Answered = append(o.Answered, r.Answered)
		o.Executed = append(o.Executed, *r.Executed)
		o.TurnedAway = append(o.TurnedAway, r.TurnedAway)
		o.Exit = append(o.Exit, exit)
		o.Bottleneck = o.Bottleneck || r.Drill.Bottleneck
		if r.Grade > worst.Grade || r.Grade == worst.Grade && r.Lost > worst.Lost {
			worst = r
		}
	}
	o.Reasons = worst.Reasons
	return o, nil
}

func readResults(file string) (*Results, error) {
	r := &Results{}
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return r, nil
	}
	if err == nil {
		err = json.Unmarshal(text, r)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

func (r *Results) write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// add puts a measurement in front of the one before it, and drops older ones.
func (r *Results) add(e *Entry, m Measurement) {
	at := slices.IndexFunc(r.Servers, func(old *Entry) bool { return old.Dir == e.Dir })
	e.Measured = []Measurement{m}
	if at < 0 {
		r.Servers = append(r.Servers, e)
		return
	}
	e.Measured = append(e.Measured, r.Servers[at].Measured[0])
	r.Servers[at] = e
}

// distance is how many grades lie between two.
func distance(a, b string) int {
	const grades = "ABCDF"
	d := strings.Index(grades, a) - strings.Index(grades, b)
	return max(d, -d)
}
