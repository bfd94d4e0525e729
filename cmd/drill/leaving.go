package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// leaveEvery is the interval in which the WebSockets that leave are counted.
const leaveEvery = 100 * time.Millisecond

// fewIntervals is how many intervals WebSockets have to take before their mean says anything.
const fewIntervals = 10

// Leaving tells how the WebSockets of one server left after the signal. A WebSocket leaves when its close
// frame arrives or, without one, when its connection ends. Times count from the signal.
type Leaving struct {
	Instance string         `json:"instance"`
	Count    int            `json:"count"`
	Untold   int            `json:"untold"`         // connections that ended without a close frame
	Statuses map[string]int `json:"close_statuses"` // of the close frames
	First    millis         `json:"first_ms"`
	Last     millis         `json:"last_ms"`
	// BeforeExit is the time from the last one to the end of the process.
	BeforeExit millis `json:"last_before_exit_ms"`
	// Ended is the end of the last connection.
	Ended   millis  `json:"last_connection_ended_ms"`
	Busiest int     `json:"busiest_100ms"` // the most that left within 100 ms
	Mean    float64 `json:"mean_100ms"`    // from First to Last
	// Times is Busiest divided by Mean; nil if all left within a second.
	Times *float64 `json:"busiest_by_mean"`
	Each  []int    `json:"each_100ms"` // from First on
	// Late is by how much a pause of the drill was at most too long in this time. What arrives during
	// such a pause is counted at its end.
	Late millis `json:"drill_late_ms"`

	signal millis // from the start of the run
}

// leave summarizes the WebSockets of a server that was stopped.
func (r *Result) leave(stop int, s *strain) {
	st := r.Stops[stop]
	l := Leaving{Instance: st.Instance, Statuses: map[string]int{}, signal: st.Signal}
	var all []time.Duration
	for n := range r.requests {
		q := &r.requests[n]
		if !r.leavesAfter(q, stop) {
			continue
		}
		all = append(all, q.left()-st.Signal.duration())
		l.Ended = max(l.Ended, millis(q.farewell.ended)-st.Signal)
		if q.told() {
			l.Statuses[strconv.Itoa(q.farewell.status)]++
		} else {
			l.Untold++
		}
	}
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	l.measure(all)
	l.BeforeExit = st.Exit - st.Signal - l.Last
	l.Late = millis(s.latest((st.Signal + l.First).duration(), (st.Signal + l.Last).duration()))
	r.WebSockets = append(r.WebSockets, l)
}

// leavesAfter reports whether q is a WebSocket of the server that was stopped. One that was opened when
// the server had been started again is not. With -while all count that left after the command began.
func (r *Result) leavesAfter(q *request, stop int) bool {
	st := &r.Stops[stop]
	return q.farewell != nil && int(q.target) == stop && millis(q.left()) >= st.Signal &&
		(r.Mode == during || millis(q.start) <= st.Exit)
}

// measure takes the times in order.
func (l *Leaving) measure(all []time.Duration) {
	first, last := all[0], all[len(all)-1]
	window := max(last-first, leaveEvery)
	l.Count, l.First, l.Last = len(all), millis(first), millis(last)
	l.Mean = float64(len(all)) * float64(leaveEvery) / float64(window)
	l.Each = make([]int, (last-first)/leaveEvery+1)
	begin := 0
	for n, at := range all {
		l.Each[(at-first)/leaveEvery]++
		for at-all[begin] >= leaveEvery {
			begin++
		}
		l.Busiest = max(l.Busiest, n-begin+1)
	}
	if window >= fewIntervals*leaveEvery {
		l.Times = new(float64(l.Busiest) / l.Mean)
	}
}

// rows are what the terminal and the page show.
func (l Leaving) rows(m mode) []row {
	return []row{{l.Instance + " WebSockets", l.text(m)}, {"busiest 100 ms", l.busiest()}}
}

func (l Leaving) text(m mode) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s left +%v to +%v", count(l.Count), round(l.First.duration()), round(l.Last.duration()))
	for _, status := range byCount(l.Statuses) {
		fmt.Fprintf(&b, ", %s told with %s", count(l.Statuses[status]), status)
	}
	fmt.Fprintf(&b, ", %s not told", count(l.Untold))
	if m == during {
		return b.String() // the exit is that of the command
	}
	if before := l.BeforeExit.duration(); before >= 0 {
		fmt.Fprintf(&b, ", the last %v before the exit", round(before))
	} else {
		fmt.Fprintf(&b, ", the last %v after the exit", round(-before))
	}
	return b.String()
}

func (l Leaving) busiest() string {
	text := count(l.Busiest) + " left"
	if l.Times == nil {
		return text
	}
	text += fmt.Sprintf(", %.1f times the mean of %.1f", *l.Times, l.Mean)
	if l.Late.duration() > maxLate {
		text += fmt.Sprintf(" (pauses of the drill were up to %v too long, so the server may have been more even)", round(l.Late.duration()))
	}
	return text
}

// bars draws Each in one line. Its name tells the interval of a bar.
func (l Leaving) bars() row {
	const columns = 60
	intervals := (len(l.Each) + columns - 1) / columns
	var sums []int
	for part := range slices.Chunk(l.Each, intervals) {
		sums = append(sums, sum(part))
	}
	heights, highest := []rune(" ▁▂▃▄▅▆▇█"), slices.Max(sums)
	var b strings.Builder
	for _, c := range sums {
		b.WriteRune(heights[(c*(len(heights)-1)+highest-1)/highest])
	}
	return row{fmt.Sprintf("in each %d ms", (time.Duration(intervals) * leaveEvery).Milliseconds()), b.String()}
}

// sampleLeaving counts the WebSockets that leave, in buckets of 100 ms or a multiple of it.
func (r *Result) sampleLeaving(s scale) (sam *samples, counts []int) {
	width := leaveEvery * max(1, ((s.to-s.from)/(2*buckets)+leaveEvery-1)/leaveEvery)
	sam = &samples{from: -(-s.from / width) * width, width: width}
	if sam.from > s.from {
		sam.from -= width
	}
	counts = make([]int, sam.bucket(s.to)+1)
	for stop := range r.Stops {
		for n := range r.requests {
			if q := &r.requests[n]; r.leavesAfter(q, stop) {
				if at := sam.bucket(q.left() - r.zero()); at >= 0 && at < len(counts) {
					counts[at]++
				}
			}
		}
	}
	return sam, counts
}

// drawMeans draws a line at the mean of each server whose WebSockets took a while to leave, unless it
// would cover the bars.
func (r *Result) drawMeans(b *strings.Builder, s scale, base, factor float64) {
	for _, l := range r.WebSockets {
		if l.Times != nil && l.Mean*factor > 4 {
			from := l.signal.duration() - r.zero()
			fmt.Fprintf(b, `<path class="mean" d="M%.1f %.1fH%.1f"/>`, s.x(from+l.First.duration()), base-l.Mean*factor, s.x(from+l.Last.duration()))
		}
	}
}
