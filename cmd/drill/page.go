package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"
	"time"
)

//go:embed page.html
var pageHTML string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"count":   count,
	"round":   func(m millis) time.Duration { return round(m.duration()) },
	"sub":     func(a, b millis) millis { return a - b },
	"perRun":  func(r Row) string { return r.lostText() },
	"whether": func(r Row) string { return r.executedText() },
}).Parse(pageHTML))

// A section is one mode on the page: the reports side by side, on one scale.
type section struct {
	Mode    mode
	Reports []view
	Phases  []phaseView
}

// A view is a report as the page shows it.
type view struct {
	*Report
	ID         string
	Reasons    []string
	Bottleneck string
	Leaving    []row
	Picture    template.HTML // of the worst run
	Whole      template.HTML
	Rows       []row
	Worst      *Result
	First      []Loss
}

// A phaseView has the losses of one phase, a cell for each report.
type phaseView struct {
	Phase string
	Cells []phaseCell
}

type phaseCell struct {
	Lost     int
	Executed int
	Parts    []part
	Kinds    string
}

// A part is the bar of one kind, as a share of the widest phase in percent.
type part struct {
	Kind  string
	Share float64
}

// ExecutedText is for the page.
func (l Loss) ExecutedText() string {
	switch {
	case l.Executed == nil:
		return "unknown"
	case *l.Executed:
		return "yes"
	}
	return "no"
}

func (d *Document) writePage(w io.Writer) error {
	var sections []section
	for _, rep := range d.Reports {
		at := slices.IndexFunc(sections, func(s section) bool { return s.Mode == rep.Mode })
		if at < 0 {
			at = len(sections)
			sections = append(sections, section{Mode: rep.Mode})
		}
		sections[at].Reports = append(sections[at].Reports, view{Report: rep})
	}
	for n := range sections {
		sections[n].complete(n)
	}
	return pageTemplate.Execute(w, map[string]any{
		"Sections": sections, "Began": d.Began.Format(time.DateTime), "Machine": d.Machine, "Legend": legend,
	})
}

func (s *section) complete(number int) {
	const losses = 20
	var worst []*Result
	for _, v := range s.Reports {
		worst = append(worst, v.worst())
	}
	scale := scaleOf(worst...)
	for n := range s.Reports {
		v, r := &s.Reports[n], worst[n]
		v.ID = fmt.Sprintf("r%d-%d", number+1, n+1)
		v.Worst, v.Reasons, v.Rows, v.Bottleneck = r, r.Reasons, r.rows(), v.bottleneck()
		v.Picture, v.Whole = r.picture(scale), r.picture(wholeScale(r))
		for _, l := range r.WebSockets {
			v.Leaving = append(v.Leaving, l.rows(r.Mode)...)
		}
		v.First = r.Losses[:min(losses, len(r.Losses))]
	}
	widest := 1
	for _, p := range phasesOf(s.Mode) {
		pv := phaseView{Phase: p.String()}
		for _, v := range s.Reports {
			c := v.cell(p)
			widest = max(widest, c.Lost)
			pv.Cells = append(pv.Cells, c)
		}
		s.Phases = append(s.Phases, pv)
	}
	for _, p := range s.Phases {
		for _, c := range p.Cells {
			for n := range c.Parts {
				c.Parts[n].Share *= 100 / float64(widest)
			}
		}
	}
}

// cell sums the rows of one phase.
func (rep *Report) cell(p phase) phaseCell {
	var c phaseCell
	kinds := map[string]int{}
	for _, row := range rep.Table {
		if row.Phase != p.String() {
			continue
		}
		c.Lost += row.total()
		kinds[row.Kind] += row.total()
		if row.Executed != nil {
			c.Executed += *row.Executed
		}
	}
	for _, k := range byCount(kinds) {
		c.Parts = append(c.Parts, part{strings.ReplaceAll(k, " ", "-"), float64(kinds[k])})
	}
	c.Kinds = kindsText(kinds)
	return c
}
