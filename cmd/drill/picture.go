package main

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"
	"time"
)

// The sizes of a picture, in units of its own: the page scales it. They are chosen so that the text is
// readable on a phone.
const (
	pictureWidth = 360.0
	panelGap     = 17.0 // with the title of the panel below
	rowHeight    = 12.0 // of the names of marks
	axisHeight   = 20.0
	charWidth    = 5.6
	buckets      = 160 // over the whole width
)

// A scale is what several pictures have in common. Its times count from the first signal.
type scale struct {
	from, to                 time.Duration
	answered, inFlight, lost float64 // the highest values
	leaving                  float64 // likewise, in 100 ms; 0: there were no WebSockets
	rows                     int     // of names of marks
}

// include widens the scale so that r fits.
func (s *scale) include(r *Result) {
	sam := r.sample(*s)
	s.answered = max(s.answered, float64(slices.Max(sam.answered))/sam.width.Seconds())
	s.inFlight = max(s.inFlight, float64(slices.Max(sam.inFlight)))
	s.lost = max(s.lost, float64(slices.Max(sam.lost)))
	sam, leaving := r.sampleLeaving(*s)
	s.leaving = max(s.leaving, float64(slices.Max(leaving))*sam.rate(leaveEvery))
	rows := layOut(r.marks(*s), *s)
	s.rows = max(s.rows, slices.Max(append(rows, 0))+1)
}

// scaleOf fits the stops of all these runs.
func scaleOf(runs ...*Result) scale {
	var s scale
	for _, r := range runs {
		for _, st := range r.Stops {
			s.to = max(s.to, st.busyUntil()-r.zero())
		}
		for _, q := range r.lost {
			s.to = max(s.to, q.end-r.zero())
		}
	}
	margin := max(20*time.Millisecond, s.to/6)
	s.from, s.to = -margin, s.to+2*margin
	for _, r := range runs {
		s.include(r)
	}
	return s
}

// wholeScale fits a run from its beginning to its end.
func wholeScale(r *Result) scale {
	took := r.Took.duration()
	s := scale{from: -r.zero(), to: took + took/12 - r.zero()}
	s.include(r)
	return s
}

// zero is the time of the first signal.
func (r *Result) zero() time.Duration {
	if len(r.Stops) == 0 {
		return 0
	}
	return r.Stops[0].Signal.duration()
}

// busyUntil is the exit, or the last answer if the exit comes long after it.
func (st Stop) busyUntil() time.Duration {
	if (st.Exit - st.idle).duration() > time.Second {
		return st.idle.duration()
	}
	return st.Exit.duration()
}

func (s scale) x(at time.Duration) float64 {
	return pictureWidth * float64(at-s.from) / float64(s.to-s.from)
}

// picture draws a part of a run: what was answered, in flight and lost, and the WebSockets that left, one
// below the other, with a mark for each event of the stops. Its colours are those of the page.
func (r *Result) picture(s scale) template.HTML {
	sam := r.sample(s)
	panels := []panel{
		{"answered per second", "good", sam, sam.answered, sam.rate(time.Second), s.answered, 52},
		{"in flight", "busy", sam, sam.inFlight, 1, s.inFlight, 22},
		{"lost", "bad", sam, sam.lost, 1, s.lost, 26},
	}
	if s.leaving > 0 {
		sam, counts := r.sampleLeaving(s)
		panels = append(panels, panel{"WebSockets leaving in 100 ms", "busy", sam, counts, sam.rate(leaveEvery), s.leaving, 44})
	}
	var b, text strings.Builder // the text covers the lines
	y := rowHeight*float64(s.rows) + panelGap
	for _, p := range panels {
		top := max(p.top, 1)
		fmt.Fprintf(&text, `<text x="0" y="%.1f">%s, up to %s</text>`, y-5, p.title, count(int(math.Round(p.top))))
		fmt.Fprintf(&b, `<path class="edge" d="M0 %.1fH%.0f"/>`, y+p.height, pictureWidth)
		fmt.Fprintf(&b, `<path class="%s" d="%s"/>`, p.class, outline(p.samples, s, p.counts, p.factor/top*p.height, y+p.height))
		y += p.height + panelGap
	}
	bottom := y - panelGap
	if s.leaving > 0 {
		r.drawMeans(&b, s, bottom, panels[len(panels)-1].height/max(s.leaving, 1))
	}
	r.drawMarks(&b, &text, s, bottom)
	drawTicks(&b, s, bottom)
	return template.HTML(fmt.Sprintf(`<svg viewBox="0 0 %.0f %.0f" role="img" aria-label="what was answered, in flight and lost, over time">%s%s</svg>`,
		pictureWidth, bottom+axisHeight, &b, &text))
}

// A panel is one of the graphs of a picture.
type panel struct {
	title, class string
	samples      *samples
	counts       []int
	factor, top  float64 // of the counts; the highest value
	height       float64
}

// outline is the path of a bar for each bucket that is not empty. A low bar can still be seen.
func outline(sam *samples, s scale, counts []int, factor, base float64) string {
	var b strings.Builder
	for n, c := range counts {
		from := sam.from + time.Duration(n)*sam.width
		x, next := max(0, s.x(from)), min(pictureWidth, s.x(from+sam.width))
		if c > 0 && next > x {
			fmt.Fprintf(&b, "M%.1f %.1fV%.1fH%.1fV%.1f", x, base, base-max(1, float64(c)*factor), next, base)
		}
	}
	return b.String()
}

// drawMarks draws a line through all panels for each mark, and its name at the top.
func (r *Result) drawMarks(b, text *strings.Builder, s scale, bottom float64) {
	marks := r.marks(s)
	for n, row := range layOut(marks, s) {
		x, y := s.x(marks[n].at), rowHeight*float64(row+1)
		fmt.Fprintf(b, `<path class="mark" d="M%.1f %.1fV%.1f"/>`, x, y-rowHeight+3, bottom)
		fmt.Fprintf(text, `<text x="%.1f" y="%.1f">%s</text>`, x+3, y-1, marks[n].text)
	}
}

// drawTicks names round times.
func drawTicks(b *strings.Builder, s scale, y float64) {
	unit, name := time.Second, "s after the signal"
	if s.to-s.from < 2*time.Second {
		unit, name = time.Millisecond, "ms after the signal"
	}
	for _, v := range ticks(float64(s.from)/float64(unit), float64(s.to)/float64(unit)) {
		x := s.x(time.Duration(v * float64(unit)))
		if x > pictureWidth-charWidth*float64(len(name)+4) {
			break
		}
		anchor := "middle"
		if x < 12 {
			anchor = "start"
		}
		fmt.Fprintf(b, `<path class="edge" d="M%.1f %.1fv4"/><text x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, x, y, x, y+15, anchor, count(int(v)))
	}
	fmt.Fprintf(b, `<text x="%.0f" y="%.1f" text-anchor="end">%s</text>`, pictureWidth, y+15, name)
}

// ticks are round numbers with the same distance, among them zero.
func ticks(low, high float64) (all []float64) {
	step := 1.0
	for n := 0; (high-low)/step > 8; n++ {
		step *= []float64{2, 2.5, 2}[n%3] // 1, 2, 5, 10
	}
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		all = append(all, v)
	}
	return all
}

// samples are counts in buckets of one width. Their times count from the first signal.
type samples struct {
	from, width              time.Duration
	answered, inFlight, lost []int
}

func (r *Result) sample(s scale) *samples {
	from, width := s.from, max((s.to-s.from)/buckets, time.Millisecond)
	// A bucket begins at the first signal, so that its effects are not drawn before it.
	if early := -from % width; early > 0 {
		from -= width - early
	}
	n := int((s.to-from)/width) + 1
	sam := &samples{from, width, make([]int, n), make([]int, n), make([]int, n)}
	var changes []change
	for i := range r.requests {
		q := &r.requests[i]
		start, end := q.start-r.zero(), q.end-r.zero()
		if at := sam.bucket(end); at >= 0 && at < n {
			if q.lost() {
				sam.lost[at]++
			} else {
				sam.answered[at]++
			}
		}
		if !q.client.long() {
			changes = append(changes, change{start, 1}, change{end, -1})
		}
	}
	sam.follow(changes)
	return sam
}

// A change is a change of the number of requests in flight.
type change struct {
	at time.Duration
	by int
}

// follow fills inFlight with the most that were in flight in each bucket.
func (s *samples) follow(changes []change) {
	slices.SortFunc(changes, func(a, b change) int { return int(a.at - b.at) })
	now, next := 0, 0
	for n := range s.inFlight {
		s.inFlight[n] = now
		for ; next < len(changes) && s.bucket(changes[next].at) <= n; next++ {
			if now += changes[next].by; s.bucket(changes[next].at) == n {
				s.inFlight[n] = max(s.inFlight[n], now)
			}
		}
		if n == 0 {
			s.inFlight[0] = max(s.inFlight[0], now)
		}
	}
}

// rate is the factor from a count in a bucket to one in a time.
func (s *samples) rate(in time.Duration) float64 { return in.Seconds() / s.width.Seconds() }

func (s *samples) bucket(at time.Duration) int {
	return int(math.Floor(float64(at-s.from) / float64(s.width)))
}

// A mark is an instant with a name.
type mark struct {
	at   time.Duration // from the first signal
	text string
}

// marks are the events of the stops within a scale, in order.
func (r *Result) marks(s scale) []mark {
	var marks []mark
	for n, st := range r.Stops {
		of := ""
		if len(r.Stops) > 1 {
			of = fmt.Sprintf(" %d", n+1)
		}
		add := func(at *millis, text string) {
			if at == nil {
				return
			}
			if t := at.duration() - r.zero(); t >= s.from && t <= s.to {
				marks = append(marks, mark{t, text + of})
			}
		}
		if r.Mode == during {
			add(&st.Signal, "command begins")
			add(&st.Exit, "command ends")
			continue
		}
		add(&st.Signal, st.With.String())
		add(st.NotReady, "not ready")
		add(st.Closed, "listener closed")
		add(&st.Exit, "exit")
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return int(a.at - b.at) })
	return marks
}

// layOut gives each mark the first row in which its name covers no other.
func layOut(marks []mark, s scale) []int {
	rows := make([]int, len(marks))
	var free []float64 // where each row is free from
	for n, m := range marks {
		x := s.x(m.at)
		row := slices.IndexFunc(free, func(f float64) bool { return f <= x })
		if row < 0 {
			row = len(free)
			free = append(free, 0)
		}
		free[row] = x + charWidth*float64(len(m.text)+1)
		rows[n] = row
	}
	return rows
}
