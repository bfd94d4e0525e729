package main

import (
	"bytes"
	"encoding/json"
	"fmt"
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

func (m *millis) UnmarshalJSON(text []byte) error {
	var f float64
	err := json.Unmarshal(text, &f)
	*m = millis(f * float64(time.Millisecond))
	return err
}

func (m millis) duration() time.Duration { return time.Duration(m) }

// A Result is the result of one run. Its times count from Began.
type Result struct {
	Mode  mode      `json:"mode"`
	Began time.Time `json:"began"`
	Took  millis    `json:"took_ms"`

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
	Strain     Strain  `json:"drill"`
	Stops      []Stop  `json:"stops"`
	// Held are the connections that had no request on them when the signal came.
	Held   []Held `json:"held,omitempty"`
	Losses []Loss `json:"losses,omitempty"`
	// WebSockets has an entry for each stop, if there were any.
	WebSockets []Leaving `json:"websockets,omitempty"`

	requests []request
	lost     []*request // of requests
}

// A Loss is a request that was lost.
type Loss struct {
	ID       string `json:"id"`
	At       millis `json:"at_ms"`
	Client   string `json:"client"`
	Kind     string `json:"kind"`
	Phase    string `json:"phase"`
	Executed *bool  `json:"executed"` // nil: unknown
	Error    string `json:"error"`
}

// ClientCount has the counts of one kind of client.
type ClientCount struct {
	Client   string `json:"client"`
	Sent     int    `json:"sent"`
	Answered int    `json:"answered"`
	Lost     int    `json:"lost"`
}

// Latency covers the requests that were answered, without those that last until the server ends them.
type Latency struct {
	P50 millis `json:"p50_ms"`
	P99 millis `json:"p99_ms"`
	Max millis `json:"max_ms"`
}

// A Stop is the end of one process, from the signal on.
type Stop struct {
	Instance string     `json:"instance"`
	With     stopSignal `json:"signal"`
	Signal   millis     `json:"signal_ms"`
	NotReady *millis    `json:"not_ready_ms"` // the first readiness check that failed; nil: none
	Closed   *millis    `json:"closed_ms"`    // the first connection that was refused; nil: none before the exit
	Exit     millis     `json:"exit_ms"`
	Again    *millis    `json:"started_again_ms,omitempty"`
	// LastAnswer is the last response of this instance. It is nil if there was none after the
	// signal, and behind a proxy, where nobody knows which instance answered.
	LastAnswer *millis `json:"last_answer_ms"`
	// Lag is the time from the last answer to the exit. An answer that was cut off counts as one.
	// If the listener was closed later, Lag counts from then.
	Lag    millis `json:"lag_ms"`
	Status string `json:"status"`
	Good   bool   `json:"status_good"`
	Killed bool   `json:"killed"`

	accepted millis // the last connection that was accepted began then
	served   millis // the last connection that was served began then
	idle     millis // since when nothing was answered and the listener was closed
	known    bool   // which requests this server has got
}

// Held tells when connections without a request were closed, after the signal.
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
	r.Took = millis(s.load.now())
	var closings []closing
	for _, j := range s.load.all {
		r.requests = append(r.requests, j.requests...)
		closings = append(closings, j.closings...)
	}
	slices.SortFunc(r.requests, func(a, b request) int { return int(a.end - b.end) })
	for _, t := range s.load.targets {
		r.TurnedAway += int(t.turnedAway.Load())
	}
	r.collect()
	r.count()
	r.measure()
	r.Strain = s.load.strain.summary(s.cfg.think)
	for n := range r.Stops {
		r.leave(n, s.load.strain)
		if s.mode == during {
			break // it is the command that stopped, and not a server
		}
		r.Stops[n].measure(r.requests, n, s.mode != haproxy)
		r.held(closings, n)
	}
	r.assign()
	var patterns []string
	for _, i := range s.instances {
		patterns = append(patterns, i.executedFiles())
	}
	if err := r.findExecuted(patterns); err != nil {
		return err
	}
	r.list()
	r.grade()
	return nil
}

// collect fills lost.
func (r *Result) collect() {
	for n := range r.requests {
		if q := &r.requests[n]; q.lost() {
			r.lost = append(r.lost, q)
		}
	}
}

// list fills Losses.
func (r *Result) list() {
	for _, q := range r.lost {
		l := Loss{ID: q.id(), At: millis(q.end), Client: q.client.String(), Kind: q.kind.String(), Phase: q.phase.String(), Error: q.text}
		if r.Executed != nil {
			l.Executed = &q.executed
		}
		r.Losses = append(r.Losses, l)
	}
}

func (r *Result) count() {
	var by [clients]ClientCount
	r.Kinds = map[string]int{}
	for n := range r.requests {
		q := &r.requests[n]
		c := &by[q.client]
		c.Sent++
		if !q.lost() {
			c.Answered++
			continue
		}
		c.Lost++
		r.Kinds[q.kind.String()]++
	}
	r.Clients = []ClientCount{}
	for n, c := range by {
		r.Sent, r.Answered, r.Lost = r.Sent+c.Sent, r.Answered+c.Answered, r.Lost+c.Lost
		if c.Client = client(n).String(); c.Sent > 0 {
			r.Clients = append(r.Clients, c)
		}
	}
}

// requestsLost leaves out streams. Any stop cuts them off, so they say nothing about the load.
func (r *Result) requestsLost() (n int) {
	for _, q := range r.lost {
		if !q.client.long() {
			n++
		}
	}
	return n
}

func (r *Result) measure() {
	var took []time.Duration
	for n := range r.requests {
		if q := &r.requests[n]; !q.lost() && !q.client.long() {
			took = append(took, q.end-q.start)
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

// measure finds the last answer and the lag. known reports whether it is known which requests
// this server has got.
func (st *Stop) measure(requests []request, target int, known bool) {
	st.known = known
	st.idle = st.Signal
	if st.Closed != nil {
		st.idle = max(st.idle, *st.Closed)
	}
	var last, cutOff millis
	for n := range requests {
		q := &requests[n]
		end := millis(q.left())
		// An answer can be read a little after the process that wrote it has ended.
		if end < st.Signal || millis(q.start) > st.Exit || known && int(q.target) != target {
			continue
		}
		switch {
		case !q.lost() && known:
			last = max(last, end)
			if q.dial != nil {
				st.served = max(st.served, millis(q.dial.from))
			}
		case q.kind == cut: // and served until then
			cutOff = max(cutOff, min(end, st.Exit))
		}
	}
	if last > 0 {
		st.LastAnswer = new(last)
		st.idle = max(st.idle, last)
	}
	st.Lag = max(0, st.Exit-max(st.idle, cutOff))
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
	lost := map[string]*request{}
	for _, q := range r.lost {
		lost[q.id()] = q
	}
	r.Executed = new(int)
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		for id := range ids(content) {
			if q := lost[id]; q != nil && !q.executed {
				q.executed = true
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
