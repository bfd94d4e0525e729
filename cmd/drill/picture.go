package main

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The colours are names: picture replaces them by variables of the page's style sheet, so
// that the same picture is readable on light and on dark ground.
var (
	ink   = color.RGBA{0x01, 0x02, 0x03, 0xff}
	muted = color.RGBA{0x04, 0x05, 0x06, 0xff}
	good  = color.RGBA{0x07, 0x08, 0x09, 0xff}
	busy  = color.RGBA{0x0a, 0x0b, 0x0c, 0xff}
	bad   = color.RGBA{0x0d, 0x0e, 0x0f, 0xff}

	variables = strings.NewReplacer("#010203", "var(--ink)", "#040506", "var(--muted)",
		"#070809", "var(--good)", "#0A0B0C", "var(--busy)", "#0D0E0F", "var(--bad)")
)

const (
	pictureWidth  = 24 * vg.Centimeter
	pictureHeight = 13 * vg.Centimeter
	buckets       = 160 // over the whole width
)

// picture draws a part of a session: requests per second, in flight and lost, one below the other,
// with a mark for each event of the stops.
func (r *Result) picture(from, to time.Duration) (template.HTML, error) {
	s := r.sample(from, to)
	x := r.axis(to - from)
	panels := []*plot.Plot{
		panel("answered/s", s.points(x, s.answered, 1/s.width.Seconds()), good),
		panel("in flight", s.points(x, s.inFlight, 1), busy),
		panel("lost", s.points(x, s.lost, 1), bad),
	}
	for n, p := range panels {
		p.X.Min, p.X.Max = x.of(from), x.of(to)
		p.Y.Tick.Marker = labelled(count)
		p.X.Tick.Marker = instants(n == len(panels)-1)
		if n == len(panels)-1 {
			p.X.Label.Text = x.label + " from the first SIGTERM"
		}
	}
	if err := r.addMarks(panels, from, to, x); err != nil {
		return "", err
	}

	c := vgsvg.New(pictureWidth, pictureHeight)
	tiles := draw.Tiles{Rows: len(panels), Cols: 1, PadY: vg.Millimeter * 2, PadRight: 2 * vg.Millimeter, PadTop: vg.Millimeter}
	column := make([][]*plot.Plot, len(panels))
	for n, p := range panels {
		column[n] = []*plot.Plot{p}
	}
	for n, row := range plot.Align(column, tiles, draw.New(c)) {
		panels[n].Draw(row[0])
	}
	var b bytes.Buffer
	if _, err := c.WriteTo(&b); err != nil {
		return "", err
	}
	return template.HTML(inline(b.String())), nil
}

var (
	prolog   = regexp.MustCompile(`(?s)^.*?<svg .*?(viewBox="[^"]*").*?>`)
	fontName = regexp.MustCompile(`font-family:[^;]*;font-variant:[^;]*;`)
)

// inline makes an SVG file a part of a page, with its colours and font.
func inline(svg string) string {
	svg = prolog.ReplaceAllString(svg, `<svg $1 role="img" aria-label="requests per second, in flight and lost, over time">`)
	return variables.Replace(fontName.ReplaceAllString(svg, ""))
}

func panel(title string, points plotter.XYs, c color.Color) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = color.Transparent
	p.Y.Label.Text = title
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Color, axis.Label.TextStyle.Color, axis.Tick.Color, axis.Tick.Label.Color = muted, ink, muted, ink
		axis.Label.TextStyle.Font = sans(9)
		axis.Tick.Label.Font = sans(8)
		axis.Padding = 0
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width, grid.Horizontal.Color, grid.Horizontal.Width = 0, muted, vg.Points(0.15)
	p.Add(grid)
	top := 1.0
	for _, xy := range points {
		top = max(top, xy.Y)
	}
	p.Y.Min, p.Y.Max = 0, top*1.05
	line, err := plotter.NewLine(points)
	if err != nil {
		panic(err) // no points, or one that is no number: neither comes from sample
	}
	line.StepStyle = plotter.PostStep
	line.Color, line.Width = c, vg.Points(1)
	p.Add(line)
	p.Y.Min, p.Y.Max = 0, top*1.05
	return p
}

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// labelled are the usual ticks with labels of its own, on whole numbers only.
type labelled func(int) string

func (label labelled) Ticks(low, high float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(low, high)
	for n := range ticks {
		if t := &ticks[n]; !t.IsMinor() {
			t.Label = ""
			if t.Value == math.Trunc(t.Value) {
				t.Label = label(int(t.Value))
			}
		}
	}
	return ticks
}

// instants are the ticks of time, with labels or without: round numbers that include zero, which the
// usual ticks may omit.
type instants bool

func (labels instants) Ticks(low, high float64) (ticks []plot.Tick) {
	step := 1.0
	for n := 0; (high-low)/step > 10; n++ {
		step *= []float64{2, 2.5, 2}[n%3] // 1, 2, 5, 10
	}
	for v := math.Ceil(low/step) * step; v <= high; v += step {
		t := plot.Tick{Value: v}
		if labels {
			t.Label = count(int(v))
		}
		ticks = append(ticks, t)
	}
	return ticks
}

// axis is that of time: zero is the first SIGTERM.
type axis struct {
	zero, unit time.Duration
	label      string
}

func (r *Result) axis(span time.Duration) axis {
	a := axis{unit: time.Second, label: "seconds"}
	if span < 2*time.Second {
		a = axis{unit: time.Millisecond, label: "milliseconds"}
	}
	if len(r.Stops) > 0 {
		a.zero = r.Stops[0].Signal.duration()
	}
	return a
}

func (a axis) of(t time.Duration) float64 { return float64(t-a.zero) / float64(a.unit) }

// samples are counts in buckets of one width.
type samples struct {
	from, width              time.Duration
	answered, inFlight, lost []int
}

func (r *Result) sample(from, to time.Duration) *samples {
	width := max((to-from)/buckets, time.Millisecond)
	// A bucket begins at the first SIGTERM, so that its effects are not drawn before it.
	if early := (r.axis(to-from).zero - from) % width; early > 0 {
		from -= width - early
	}
	n := int((to-from)/width) + 1
	s := &samples{from, width, make([]int, n), make([]int, n), make([]int, n)}
	var changes []change
	for _, e := range r.events {
		if at := s.bucket(e.end); at >= 0 && at < n {
			if e.fate == answered {
				s.answered[at]++
			} else {
				s.lost[at]++
			}
		}
		if e.class != stream {
			changes = append(changes, change{e.start, 1}, change{e.end, -1})
		}
	}
	s.follow(changes)
	return s
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

func (s *samples) bucket(at time.Duration) int {
	return int(math.Floor(float64(at-s.from) / float64(s.width)))
}

func (s *samples) points(x axis, counts []int, factor float64) plotter.XYs {
	points := make(plotter.XYs, len(counts))
	for n, c := range counts {
		points[n] = plotter.XY{X: x.of(s.from + time.Duration(n)*s.width), Y: float64(c) * factor}
	}
	return points
}

// A mark is an instant with a name.
type mark struct {
	at   time.Duration
	text string
}

// marks are the events of the stops within from and to, in order.
func (r *Result) marks(from, to time.Duration) []mark {
	var marks []mark
	for n, st := range r.Stops {
		of := ""
		if len(r.Stops) > 1 {
			of = fmt.Sprintf(" %d", n+1)
		}
		add := func(at *millis, text string) {
			if at != nil && at.duration() >= from && at.duration() <= to {
				marks = append(marks, mark{at.duration(), text + of})
			}
		}
		add(&st.Signal, "SIGTERM")
		add(st.NotReady, "not ready")
		add(st.Closed, "listener closed")
		add(&st.Exit, "exit")
	}
	slices.SortStableFunc(marks, func(a, b mark) int { return int(a.at - b.at) })
	return marks
}

// addMarks draws a line through all panels for each mark, and its name at the top of the
// first, in rows so that names do not cover each other.
func (r *Result) addMarks(panels []*plot.Plot, from, to time.Duration, axis axis) error {
	const rowHeight = 0.16 // of the panel, for a line of text
	marks := r.marks(from, to)
	rows := layOut(marks, from, to)
	height := panels[0].Y.Max
	panels[0].Y.Max = height * (1 + rowHeight*float64(slices.Max(append(rows, -1))+1)/(1-rowHeight))
	var names plotter.XYLabels
	for n, m := range marks {
		x := axis.of(m.at)
		for _, p := range panels {
			line, err := plotter.NewLine(plotter.XYs{{X: x, Y: 0}, {X: x, Y: p.Y.Max}})
			if err != nil {
				return err
			}
			line.Color, line.Width, line.Dashes = muted, vg.Points(0.7), []vg.Length{vg.Points(3), vg.Points(2)}
			limits := p.Y
			p.Add(line)
			p.Y = limits
		}
		names.XYs = append(names.XYs, plotter.XY{X: x, Y: panels[0].Y.Max - height*rowHeight*float64(rows[n]+1)/(1-rowHeight)})
		names.Labels = append(names.Labels, m.text)
	}
	if len(marks) == 0 {
		return nil
	}
	labels, err := plotter.NewLabels(names)
	if err != nil {
		return err
	}
	for n := range labels.TextStyle {
		labels.TextStyle[n].Color = ink
		labels.TextStyle[n].Font = sans(8)
	}
	labels.Offset = vg.Point{X: vg.Points(3), Y: vg.Points(2)}
	limits, x := panels[0].Y, panels[0].X
	panels[0].Add(labels)
	panels[0].Y, panels[0].X = limits, x
	return nil
}

// layOut gives each mark the first row in which its name covers no other.
func layOut(marks []mark, from, to time.Duration) []int {
	const charWidth = 0.0085 // of the width, at the size that the names have
	rows := make([]int, len(marks))
	var free []float64 // where each row is free from
	for n, m := range marks {
		x := float64(m.at-from) / float64(to-from)
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
