package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

const (
	chartWidth  = 22 * vg.Centimeter
	chartHeight = 12 * vg.Centimeter
	namesWidth  = 5.2 * vg.Centimeter // for the names of the lines, at their ends
	nameHeight  = 0.48 * vg.Centimeter
)

var (
	ink   = color.RGBA{0x22, 0x22, 0x22, 0xff}
	muted = color.RGBA{0xcc, 0xcc, 0xcc, 0xff}

	// palette is that of Okabe and Ito, which the colour-blind can tell apart; lastcall's
	// colour is the first.
	palette = []color.Color{
		color.RGBA{0xd5, 0x5e, 0x00, 0xff},
		color.RGBA{0x00, 0x72, 0xb2, 0xff},
		color.RGBA{0x00, 0x9e, 0x73, 0xff},
		color.RGBA{0xcc, 0x79, 0xa7, 0xff},
		color.RGBA{0x56, 0xb4, 0xe9, 0xff},
		color.RGBA{0xe6, 0x9f, 0x00, 0xff},
		color.RGBA{0x66, 0x66, 0x66, 0xff},
		color.RGBA{0x00, 0x00, 0x00, 0xff},
	}
)

// A chart is cost against size, a line for each contestant.
type chart struct {
	file, title, x, y string
	results           *results
	measure           measure
}

func (c chart) write(dir string) error {
	p := plot.New()
	p.Title.Text = c.title
	p.Title.TextStyle.Font, p.Title.TextStyle.Color = sans(12), ink
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text, p.Y.Label.Text = c.x, c.y
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		axis.Scale = plot.LogScale{}
		axis.Color, axis.Tick.Color = muted, muted
		axis.Label.TextStyle.Color, axis.Label.TextStyle.Font = ink, sans(10)
		axis.Tick.Label.Color, axis.Tick.Label.Font = ink, sans(9)
		axis.Padding = vg.Points(4)
	}
	p.X.Tick.Marker = powers(func(v float64) string { return count(int(math.Round(v))) })
	p.Y.Tick.Marker = powers(nanoseconds)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = muted, muted
	grid.Horizontal.Width, grid.Vertical.Width = vg.Points(0.3), vg.Points(0.3)
	p.Add(grid)

	ends, err := c.addLines(p)
	if err != nil {
		return err
	}
	p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(p.Y.Min))), math.Pow(10, math.Ceil(math.Log10(p.Y.Max)))

	svg := vgsvg.New(chartWidth, chartHeight)
	whole := draw.New(svg)
	whole.SetColor(color.White)
	whole.Fill(whole.Rectangle.Path())
	left := draw.Crop(whole, 2*vg.Millimeter, -namesWidth, 2*vg.Millimeter, -2*vg.Millimeter)
	p.Draw(left)
	drawNames(whole, p, p.DataCanvas(left), ends)

	var b bytes.Buffer
	if _, err := svg.WriteTo(&b); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, c.file), fontFamily.ReplaceAll(b.Bytes(), []byte("font-family:Liberation Sans,Arial,Helvetica,sans-serif;")), 0o644)
}

// fontFamily is a font that some systems lack. The plot names no alternative to it.
var fontFamily = regexp.MustCompile(`font-family:[^;]*;`)

func sans(size float64) font.Font {
	return font.Font{Typeface: "Liberation", Variant: "Sans", Size: vg.Points(size)}
}

// An end is that of a line, where its name is put.
type end struct {
	name  string
	at    plotter.XY
	color color.Color
}

func (c chart) addLines(p *plot.Plot) (ends []end, err error) {
	// lastcall's come last, so that they lie on top.
	for n := len(c.results.names) - 1; n >= 0; n-- {
		name := c.results.names[n]
		var points plotter.XYs
		for _, s := range c.results.sizes {
			if v := median(c.results.of(name, s.n, c.measure)); v > 0 {
				points = append(points, plotter.XY{X: float64(s.n), Y: v})
			}
		}
		if len(points) == 0 {
			continue
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		line.Color, line.Width = palette[n%len(palette)], vg.Points(1.2)
		if n == 0 {
			line.Width = vg.Points(2.5)
		}
		dots.Color, dots.Shape, dots.Radius = line.Color, draw.CircleGlyph{}, line.Width+vg.Points(0.6)
		p.Add(line, dots)
		ends = append(ends, end{name, points[len(points)-1], line.Color})
	}
	return ends, nil
}

// drawNames puts the names to the right of the ends of the lines. A name that was moved so as not to
// cover another one is joined to its line.
func drawNames(c draw.Canvas, p *plot.Plot, data draw.Canvas, ends []end) {
	trX, trY := p.Transforms(&data)
	slices.SortFunc(ends, func(a, b end) int { return int(math.Copysign(1, a.at.Y-b.at.Y)) })
	heights := make([]float64, len(ends))
	for n, e := range ends {
		heights[n] = float64(trY(e.at.Y))
	}
	places := spreadOut(heights, float64(nameHeight), float64(data.Min.Y), float64(data.Max.Y))
	x := data.Max.X + 5*vg.Millimeter
	for n, e := range ends {
		y := vg.Length(places[n])
		c.StrokeLine2(draw.LineStyle{Color: e.color, Width: vg.Points(0.5)}, trX(e.at.X)+2*vg.Millimeter, trY(e.at.Y), x-vg.Millimeter, y)
		style := text.Style{Color: e.color, Font: sans(10), YAlign: text.YCenter, Handler: plot.DefaultTextHandler}
		c.FillText(style, vg.Point{X: x, Y: y}, e.name)
	}
}

// spreadOut moves sorted heights so that no two are closer than the distance, as little
// as it can, and none is beyond low and high if there is room.
func spreadOut(heights []float64, distance, low, high float64) []float64 {
	places := slices.Clone(heights)
	// Those that are too close stand around the middle of where they would be.
	type block struct{ from, to int }
	var blocks []block
	place := func(b block) {
		sum := 0.0
		for n := b.from; n < b.to; n++ {
			sum += heights[n] - distance*float64(n-b.from)
		}
		first := sum / float64(b.to-b.from)
		first = max(low, min(first, high-distance*float64(b.to-b.from-1)))
		for n := b.from; n < b.to; n++ {
			places[n] = first + distance*float64(n-b.from)
		}
	}
	for n := range heights {
		b := block{n, n + 1}
		place(b)
		for len(blocks) > 0 && places[b.from]-places[b.from-1] < distance {
			b.from = blocks[len(blocks)-1].from
			blocks = blocks[:len(blocks)-1]
			place(b)
		}
		blocks = append(blocks, b)
	}
	return places
}

// powers are ticks at the powers of ten, with their labels.
type powers func(float64) string

func (label powers) Ticks(low, high float64) (ticks []plot.Tick) {
	for e := math.Ceil(math.Log10(low) - 1e-9); e <= math.Log10(high)+1e-9; e++ {
		v := math.Pow(10, e)
		ticks = append(ticks, plot.Tick{Value: v, Label: label(v)})
	}
	return ticks
}
