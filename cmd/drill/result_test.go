package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const ms = millis(time.Millisecond)

func TestGrade(t *testing.T) {
	three, none := 3, 0
	good := Stop{Instance: "server", Signal: 100 * ms, Exit: 200 * ms, Good: true, Status: "exit status 0"}
	with := func(change func(*Stop)) []Stop { s := good; change(&s); return []Stop{s} }
	for _, test := range []struct {
		name    string
		r       Result
		grade   string
		reasons []string
	}{
		{"nothing to say", Result{Stops: []Stop{good}, Executed: &none}, "A", []string{"nothing was lost, and no time was wasted"}},
		{"slow to end", Result{Stops: with(func(s *Stop) { s.Lag = 2001 * ms })}, "B", []string{"server ended 2s after there was nothing more to serve"}},
		{"refused in a rolling restart", Result{Mode: rolling, Stops: []Stop{good}, TurnedAway: 2}, "B", []string{"2 connections were refused and went to the other server: it closes its listener before the readiness check notices"}},
		{"refused after the end of the only server", Result{Mode: direct, Stops: []Stop{good}, TurnedAway: 2}, "A", []string{"nothing was lost, and no time was wasted"}},
		{"lost", Result{Stops: []Stop{good}, Lost: 1, Kinds: map[string]int{"EOF": 1}, Executed: &none}, "C", []string{"1 request was lost: 1 EOF"}},
		{"executed and lost", Result{Stops: []Stop{good}, Lost: 9, Kinds: map[string]int{"EOF": 4, "cut": 5}, Executed: &three}, "D", []string{"3 requests were executed, but the answer was lost", "9 requests were lost: 5 cut, 4 EOF"}},
		{"failed", Result{Stops: with(func(s *Stop) { s.Good, s.Status = false, "exit status 1" })}, "F", []string{"server ended with exit status 1"}},
		{"killed", Result{Stops: with(func(s *Stop) { s.Killed, s.Good, s.Exit, s.Lag = true, false, 30100*ms, 30000*ms })}, "F", []string{"server did not end on SIGTERM and was killed after 30s"}},
	} {
		test.r.grade()
		if test.r.Grade != test.grade {
			t.Errorf("%s: grade %s, want %s", test.name, test.r.Grade, test.grade)
		}
		if diff := cmp.Diff(test.reasons, test.r.Reasons); diff != "" {
			t.Errorf("%s: reasons, want -, got +:\n%s", test.name, diff)
		}
		if want := test.grade <= "B"; test.r.passed(0) != want {
			t.Errorf("%s: passed(0) = %t, want %t", test.name, test.r.passed(0), want)
		}
	}
}

func TestVerdict(t *testing.T) {
	control := func(m mode, lost int) *Report {
		r := &Result{Mode: m, lost: []*request{{client: stream, kind: cut}}}
		for range lost {
			r.lost = append(r.lost, &request{kind: eof})
		}
		return &Report{Control: true, Mode: m, Runs: []*Result{r}}
	}
	server := func(grades string, lost ...int) *Report {
		rep := &Report{Mode: direct}
		for n, g := range grades {
			rep.add(&Result{Grade: string(g), Lost: lost[n]})
		}
		return rep
	}
	for _, test := range []struct {
		name    string
		reports []*Report
		maxLost int
		ok      bool
		err     string
	}{
		{"no control", []*Report{server("AB", 0, 0)}, 0, true, ""},
		{"one run of many", []*Report{server("ACA", 0, 1, 0)}, 0, false, ""},
		{"as many as allowed", []*Report{server("ADC", 0, 2, 2)}, 2, true, ""},
		{"more than allowed in one run", []*Report{server("ACC", 0, 2, 3)}, 2, false, ""},
		{"a bad end is never allowed", []*Report{server("F", 0)}, 2, false, ""},
		{"the control's grade does not count", []*Report{control(direct, 4), server("A", 0)}, 0, true, ""},
		{"a control that lost nothing but streams", []*Report{control(direct, 3), control(rolling, 0), server("A", 0)}, 0, false, "the control lost nothing in mode rolling"},
	} {
		ok, err := verdict(test.reports, test.maxLost)
		if ok != test.ok || (err == nil) != (test.err == "") || err != nil && !strings.HasPrefix(err.Error(), test.err) {
			t.Errorf("%s: verdict = %t, %v, want %t, %q", test.name, ok, err, test.ok, test.err)
		}
	}
}

func TestTheWorstRunCounts(t *testing.T) {
	rep := &Report{}
	for _, r := range []*Result{{Grade: "C", Lost: 1}, {Grade: "A"}, {Grade: "C", Lost: 5}, {Grade: "B"}} {
		rep.add(r)
	}
	if rep.Grade != "C" || rep.worst() != rep.Runs[2] {
		t.Errorf("grade %s, worst %+v; want C, and the run that lost 5", rep.Grade, rep.worst())
	}
	if diff := cmp.Diff([]string{"C", "A", "C", "B"}, rep.Grades); diff != "" {
		t.Errorf("grades, want -, got +:\n%s", diff)
	}
}

func TestTheTableCountsEachKindInEachPhase(t *testing.T) {
	seven := 1
	rep := &Report{}
	rep.add(&Result{Executed: &seven, lost: []*request{
		{kind: eof, phase: lingering}, {kind: reset, phase: lingering}, {kind: eof, phase: delay, executed: true}, {kind: eof, phase: lingering},
	}})
	rep.add(&Result{Executed: new(int), lost: []*request{{kind: eof, phase: lingering}}})
	var got []string
	for _, row := range rep.Table {
		got = append(got, fmt.Sprint(row.Phase, " ", row.Kind, " ", row.Lost, " ", *row.Executed))
		if row.Cause == "" || row.Remedy == "" {
			t.Errorf("%s, %s: no cause or no remedy", row.Phase, row.Kind)
		}
	}
	want := []string{"delay EOF [1 0] 1", "connections lingering reset [1 0] 0", "connections lingering EOF [2 1] 0"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestCounting(t *testing.T) {
	r := Result{requests: []request{
		{end: 10},
		{end: 30},
		{end: 20, client: fresh},
		{end: 5, kind: reset},
		{end: 5, client: http2, kind: failed},
		{end: 500, client: stream},
		{end: 500, client: stream, kind: cut},
	}}
	r.count()
	r.measure()
	if r.Sent != 7 || r.Answered != 4 || r.Lost != 3 {
		t.Errorf("sent %d, answered %d, lost %d; want 7, 4, 3", r.Sent, r.Answered, r.Lost)
	}
	if diff := cmp.Diff(map[string]int{"reset": 1, "error status": 1, "cut": 1}, r.Kinds); diff != "" {
		t.Errorf("kinds, want -, got +:\n%s", diff)
	}
	want := []ClientCount{{"kept-alive", 3, 2, 1}, {"new connection", 1, 1, 0}, {"HTTP/2", 1, 0, 1}, {"stream", 2, 1, 1}}
	if diff := cmp.Diff(want, r.Clients); diff != "" {
		t.Errorf("clients, want -, got +:\n%s", diff)
	}
	if diff := cmp.Diff(Latency{20, 30, 30}, r.Latency); diff != "" {
		t.Errorf("latency without streams, want -, got +:\n%s", diff)
	}
}

func TestQuantile(t *testing.T) {
	var hundred []time.Duration
	for n := range 100 {
		hundred = append(hundred, time.Duration(n+1))
	}
	for _, test := range []struct {
		sorted []time.Duration
		q      float64
		want   millis
	}{
		{nil, 0.5, 0}, {hundred[:1], 0.5, 1}, {hundred[:1], 0, 1}, {hundred[:2], 0.5, 1}, {hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 1, 100},
	} {
		if got := quantile(test.sorted, test.q); got != test.want {
			t.Errorf("quantile(%d values, %v) = %d, want %d", len(test.sorted), test.q, got, test.want)
		}
	}
}

func TestLag(t *testing.T) {
	answers := []request{
		{start: 40, end: 50},                // before the signal
		{start: 90, end: 150},               // the last one
		{start: 90, end: 170, target: 1},    // of another instance
		{start: 160, end: 180, kind: reset}, // no answer
		{start: 310, end: 320},              // of the process that was started after it
	}
	stream := []request{answers[1], {start: 40, end: 290, client: stream, kind: cut}, {start: 40, end: 299, target: 1, client: stream, kind: cut}}
	// The first was told last.
	webSockets := []request{
		{end: 170, client: webSocket, farewell: &farewell{status: 1001, told: 165, ended: 170}},
		{end: 250, client: webSocket, farewell: &farewell{status: 1001, told: 140, ended: 250}},
	}
	for _, test := range []struct {
		name   string
		closed millis
		known  bool
		events []request
		last   millis
		lag    millis
	}{
		{"from the last answer", 120, true, answers, 150, 150},
		{"from the closing of the listener", 220, true, answers, 150, 80},
		{"from the signal", 0, true, answers[:1], 0, 200},
		{"behind a proxy nobody knows who answers", 120, false, answers, 0, 180},
		{"a stream is served until it is cut", 120, true, stream, 150, 10},
		{"a WebSocket is answered when its close frame arrives", 120, true, webSockets, 165, 135},
		{"whose it was is not known behind a proxy", 120, false, stream, 0, 1},
	} {
		st := Stop{Signal: 100, Exit: 300}
		if test.closed > 0 {
			st.Closed = &test.closed
		}
		st.measure(test.events, 0, test.known)
		if st.Lag != test.lag {
			t.Errorf("%s: lag %d, want %d", test.name, st.Lag, test.lag)
		}
		if got := st.LastAnswer; (got == nil) != (test.last == 0) || got != nil && *got != test.last {
			t.Errorf("%s: last answer %v, want %d", test.name, got, test.last)
		}
	}
}

func TestConnectionsWithoutARequest(t *testing.T) {
	r := Result{Stops: []Stop{{Instance: "server 1", Signal: 100}, {Instance: "server 2", Signal: 200}}}
	closings := []closing{{false, 0, 130}, {false, 0, 110}, {true, 0, 150}, {false, 1, 150}}
	for n := range r.Stops {
		r.held(closings, n)
	}
	want := []Held{{"server 1", false, 2, 10, 30}, {"server 1", true, 1, 50, 50}} // server 2's was closed before it was told to stop
	if diff := cmp.Diff(want, r.Held); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestExecutedButLost(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"log.1": "POST drill-0000000007 200\nPOST drill-0000000008 200 drill-0000000008\n",
		"log.2": "\x00\x01drill-0000000009\xff drill-00000000", // a binary file, cut at its end
		"other": "drill-0000000006",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	lost := func() []*request { return []*request{{number: 6}, {number: 8}, {number: 9}} }

	r := Result{lost: lost()}
	if err := r.findExecuted([]string{filepath.Join(dir, "log.*")}); err != nil {
		t.Fatal(err)
	}
	if r.Executed == nil || *r.Executed != 2 || r.lost[0].executed || !r.lost[1].executed || !r.lost[2].executed {
		t.Errorf("executed: %v, want the last two", r.Executed)
	}

	for _, pattern := range []string{"", filepath.Join(dir, "none*")} {
		r := Result{lost: lost()}
		if err := r.findExecuted([]string{pattern}); err != nil || r.Executed != nil {
			t.Errorf("with %q: %v, executed %v; want unknown", pattern, err, r.Executed)
		}
	}
	if err := (&Result{}).findExecuted([]string{"["}); err == nil {
		t.Error("a pattern that cannot be read is no error")
	}
}

func TestJSONIsInMilliseconds(t *testing.T) {
	got, err := json.Marshal(Latency{P50: millis(1234567), P99: 20 * ms})
	if want := `{"p50_ms":1.235,"p99_ms":20,"max_ms":0}`; err != nil || string(got) != want {
		t.Errorf("Marshal = %s, %v, want %s", got, err, want)
	}
	var back Latency
	if err := json.Unmarshal(got, &back); err != nil || back != (Latency{P50: 1235 * millis(time.Microsecond), P99: 20 * ms}) {
		t.Errorf("Unmarshal = %+v, %v", back, err)
	}
}

func TestTexts(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1 000", 1234567: "1 234 567", -200: "-200", -1234: "-1 234"} {
		if got := count(n); got != want {
			t.Errorf("count(%d) = %q, want %q", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{
		0: "0s", 1234: "1µs", 1234567: "1.23ms", 12345678: "12.3ms", 123456789: "123ms", 1234567890: "1.23s", 123456789012: "2m3.5s",
	} {
		if got := round(d).String(); got != want {
			t.Errorf("round(%d) = %s, want %s", d, got, want)
		}
	}
}
