package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// millis is a duration that is written in milliseconds.
type millis time.Duration

func (m millis) MarshalJSON() ([]byte, error) {
	return json.Marshal(math.Round(float64(m)/1e3) / 1e3)
}

func (m millis) duration() time.Duration { return time.Duration(m) }

// A Result is the result of one session. Its times count from Began.
type Result struct {
	Subject string    `json:"subject"`
	Control bool      `json:"control,omitempty"`
	Mode    mode      `json:"mode"`
	Began   time.Time `json:"began"`
	Took    millis    `json:"took_ms"`

	Grade   string   `json:"grade"`
	Reasons []string `json:"reasons"`
	Notes   []string `json:"notes,omitempty"`

	Sent     int            `json:"sent"`
	Answered int            `json:"answered"`
	Lost     int            `json:"lost"`
	Kinds    map[string]int `json:"lost_by_kind"`
	Clients  []ClientCount  `json:"clients"`
	// Executed counts the lost requests that the server had executed; nil if the server
	// leaves no record.
	Executed   *int    `json:"lost_but_executed"`
	TurnedAway int     `json:"turned_away"`
	Latency    Latency `json:"latency"`
	Stops      []Stop  `json:"stops"`
	// Held are the connections that had no request on them when SIGTERM came.
	Held   []Held `json:"held,omitempty"`
	Losses []Loss `json:"losses,omitempty"`

	events []event
}

// ClientCount has the counts of one kind of client.
type ClientCount struct {
	Client   string `json:"client"`
	Sent     int    `json:"sent"`
	Answered int    `json:"answered"`
	Lost     int    `json:"lost"`
}

// Latency covers the requests that were answered, without streams.
type Latency struct {
	P50 millis `json:"p50_ms"`
	P99 millis `json:"p99_ms"`
	Max millis `json:"max_ms"`
}

// A Stop is the end of one process, from SIGTERM on.
type Stop struct {
	Instance string  `json:"instance"`
	Signal   millis  `json:"signal_ms"`
	NotReady *millis `json:"not_ready_ms"` // the first readiness check that failed; nil: none
	Closed   *millis `json:"closed_ms"`    // the first connection that was refused; nil: none before the exit
	Exit     millis  `json:"exit_ms"`
	// LastAnswer is the last response of this instance. It is nil if there was none after the
	// signal, and behind a proxy, where nobody knows which instance answered.
	LastAnswer *millis `json:"last_answer_ms"`
	// Lag is the time from the last answer to the exit. An answer that was cut off counts as one.
	// If the listener was closed later, Lag counts from then.
	Lag    millis `json:"lag_ms"`
	quiet  millis // since when nothing was answered, without streams that were cut off
	Status string `json:"status"`
	Good   bool   `json:"status_good"`
	Killed bool   `json:"killed"`
}

// Held tells when connections without a request were closed, after SIGTERM.
type Held struct {
	Instance string `json:"instance"`
	Silent   bool   `json:"silent"` // they had never had a request
	Count    int    `json:"count"`
	First    millis `json:"first_closed_ms"`
	Last     millis `json:"last_closed_ms"`
}

func (r *Result) note(text string) { r.Notes = append(r.Notes, text) }

// complete computes everything from the journals of the clients, which have ended.
func (r *Result) complete(s *session) error {
	r.Took = millis(time.Since(s.load.start))
	var closings []closing
	for _, j := range s.load.all {
		r.events = append(r.events, j.events...)
		r.Losses = append(r.Losses, j.losses...)
		closings = append(closings, j.closings...)
	}
	slices.SortFunc(r.events, func(a, b event) int { return int(a.end - b.end) })
	slices.SortFunc(r.Losses, func(a, b Loss) int { return int(a.At - b.At) })
	for _, t := range s.load.targets {
		r.TurnedAway += int(t.turnedAway.Load())
	}
	r.count()
	r.measure()
	for n := range r.Stops {
		if s.mode == during {
			break // it is the command that stopped, and not a server
		}
		r.Stops[n].measure(r.events, n, s.mode != haproxy)
		r.held(closings, n)
	}
	var patterns []string
	for _, i := range s.instances {
		patterns = append(patterns, i.executedFiles())
	}
	if err := r.findExecuted(patterns); err != nil {
		return err
	}
	r.grade()
	return nil
}

func (r *Result) count() {
	var by [classes]ClientCount
	r.Kinds = map[string]int{}
	for _, e := range r.events {
		c := &by[e.class]
		c.Sent++
		if e.fate == answered {
			c.Answered++
			continue
		}
		c.Lost++
		r.Kinds[e.fate.String()]++
	}
	r.Clients = []ClientCount{}
	for n, c := range by {
		r.Sent, r.Answered, r.Lost = r.Sent+c.Sent, r.Answered+c.Answered, r.Lost+c.Lost
		if c.Client = class(n).String(); c.Sent > 0 {
			r.Clients = append(r.Clients, c)
		}
	}
}

// requestsLost leaves out streams. Any stop cuts them off, so they say nothing about the load.
func (r *Result) requestsLost() (n int) {
	for _, c := range r.Clients {
		if c.Client != stream.String() {
			n += c.Lost
		}
	}
	return n
}

func (r *Result) measure() {
	var took []time.Duration
	for _, e := range r.events {
		if e.fate == answered && e.class != stream {
			took = append(took, e.end-e.start)
		}
	}
	slices.Sort(took)
	r.Latency = Latency{quantile(took, 0.5), quantile(took, 0.99), quantile(took, 1)}
}

// quantile is the smallest value that at least a share of q is not above.
func quantile(sorted []time.Duration, q float64) millis {
	if len(sorted) == 0 {
		return 0
	}
	return millis(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)])
}

// measure finds the last answer and the lag. known reports whether the events name the target that
// answered.
func (st *Stop) measure(events []event, target int, known bool) {
	st.quiet = st.Signal
	if st.Closed != nil {
		st.quiet = max(st.quiet, *st.Closed)
	}
	var served millis
	for _, e := range events {
		end := millis(e.end)
		// An answer can be read a little after the process that wrote it has ended.
		if end < st.Signal || millis(e.start) > st.Exit || known && int(e.target) != target {
			continue
		}
		switch {
		case e.fate == answered && known:
			st.LastAnswer = new(end)
		case e.fate == cut: // and served until then
			served = max(served, min(end, st.Exit))
		}
	}
	if st.LastAnswer != nil {
		st.quiet = max(st.quiet, *st.LastAnswer)
	}
	st.Lag = max(0, st.Exit-max(st.quiet, served))
}

func (r *Result) held(closings []closing, stop int) {
	st := r.Stops[stop]
	for _, silent := range []bool{false, true} {
		h := Held{Instance: st.Instance, Silent: silent}
		for _, c := range closings {
			at := millis(c.at) - st.Signal
			if c.silent != silent || int(c.target) != stop || at < 0 {
				continue
			}
			if h.Count++; h.Count == 1 || at < h.First {
				h.First = at
			}
			h.Last = max(h.Last, at)
		}
		if h.Count > 0 {
			r.Held = append(r.Held, h)
		}
	}
}

// executedFiles is a pattern.
func (i *instance) executedFiles() string {
	if i.executed == "-" {
		return i.output()
	}
	return i.executed
}

// findExecuted looks for the ids of lost requests in the records of the servers.
func (r *Result) findExecuted(patterns []string) error {
	var files []string
	for _, p := range patterns {
		if p == "" {
			return nil
		}
		found, err := filepath.Glob(p)
		if err != nil {
			return fmt.Errorf("-executed %s: %w", p, err)
		}
		files = append(files, found...)
	}
	if len(patterns) == 0 {
		return nil
	}
	if len(files) == 0 {
		r.note("unknown which requests were executed: there is no file " + patterns[0])
		return nil
	}
	lost := map[string]*Loss{}
	for n := range r.Losses {
		lost[r.Losses[n].ID] = &r.Losses[n]
	}
	r.Executed = new(int)
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for id := range ids(content) {
			if l := lost[id]; l != nil && !l.Executed {
				l.Executed = true
				*r.Executed++
			}
		}
	}
	return nil
}

// ids yields each text in content that has the form of an id.
func ids(content []byte) func(yield func(string) bool) {
	prefix := []byte(idPlaceholder[:6])
	return func(yield func(string) bool) {
		for {
			n := bytes.Index(content, prefix)
			if n < 0 || len(content)-n < len(idPlaceholder) {
				return
			}
			if !yield(string(content[n : n+len(idPlaceholder)])) {
				return
			}
			content = content[n+len(prefix):]
		}
	}
}

func writeJSON(w io.Writer, results []*Result) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(results)
}
