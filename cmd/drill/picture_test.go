package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSample(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	r := &Result{requests: []request{
		{start: at(-5), end: at(1)}, // in flight when the picture begins
		{start: at(1), end: at(3)},
		{start: at(1), end: at(3), kind: eof},
		{start: at(3), end: at(9)},                 // and when it ends
		{start: at(0), end: at(4), client: stream}, // not a request to wait for
	}}
	s := r.sample(scale{to: at(4)})
	for name, got := range map[string][2][]int{
		"answered":  {{0, 1, 0, 1, 1}, s.answered},
		"lost":      {{0, 0, 0, 1, 0}, s.lost},
		"in flight": {{1, 2, 2, 2, 1}, s.inFlight},
	} {
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("%s by millisecond, want -, got +:\n%s", name, diff)
		}
	}
}

func TestNothingIsDrawnBeforeItsSIGTERM(t *testing.T) {
	r := &Result{
		Stops:    []Stop{{Signal: 1005 * ms}},
		requests: []request{{end: 1006 * time.Millisecond, kind: eof}},
	}
	s := r.sample(scale{from: -1005 * time.Millisecond, to: 2 * time.Second})
	for n, lost := range s.lost {
		if at := s.from + time.Duration(n)*s.width; lost > 0 && at < 0 {
			t.Errorf("drawn at %v", at)
		}
	}
}

func TestTicksOfTime(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      []float64
	}{
		{-2, 5.01, []float64{-2, -1, 0, 1, 2, 3, 4, 5}},
		{-20, 48, []float64{-20, -10, 0, 10, 20, 30, 40}},
		{-220, 1260, []float64{-200, 0, 200, 400, 600, 800, 1000, 1200}},
	} {
		if diff := cmp.Diff(test.want, ticks(test.low, test.high)); diff != "" {
			t.Errorf("from %v to %v, want -, got +:\n%s", test.low, test.high, diff)
		}
	}
}

func TestNamesOfMarksDoNotCoverEachOther(t *testing.T) {
	marks := []mark{{0, "SIGTERM"}, {1, "not ready"}, {2, "listener closed"}, {500, "exit"}, {990, "SIGTERM"}}
	if diff := cmp.Diff([]int{0, 1, 2, 0, 0}, layOut(marks, scale{to: 1000})); diff != "" {
		t.Errorf("rows, want -, got +:\n%s", diff)
	}
}

func TestMarksAreThoseWithinThePicture(t *testing.T) {
	closed := 30 * ms
	r := &Result{Stops: []Stop{{Signal: 10 * ms, Closed: &closed, Exit: 50 * ms}}}
	want := []mark{{0, "SIGTERM"}, {20 * time.Millisecond, "listener closed"}}
	if diff := cmp.Diff(want, r.marks(scale{to: 30 * time.Millisecond}), cmp.AllowUnexported(mark{})); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

// TestPicturesOfAModeHaveOneScale has two servers, of which one is slower and one takes longer to stop.
func TestPicturesOfAModeHaveOneScale(t *testing.T) {
	run := func(exit, every time.Duration) *Result {
		r := &Result{Stops: []Stop{{Signal: 1000 * ms, Exit: 1000*ms + millis(exit), idle: 1000*ms + millis(exit)}}}
		for at := time.Duration(0); at < time.Second+exit; at += every {
			r.requests = append(r.requests, request{start: at, end: at + every})
		}
		return r
	}
	fast, slow := run(100*time.Millisecond, time.Millisecond), run(time.Second, 10*time.Millisecond)
	s := scaleOf(fast, slow)
	if s.to < time.Second || s.answered < 900 || s.answered < scaleOf(slow).answered {
		t.Errorf("scale %+v, want the longer stop and the higher rate", s)
	}
	axis := regexp.MustCompile(`text-anchor="[a-z]*">[^<]*<`)
	if diff := cmp.Diff(axis.FindAllString(string(fast.picture(s)), -1), axis.FindAllString(string(slow.picture(s)), -1)); diff != "" {
		t.Errorf("the time axes differ:\n%s", diff)
	}
}

func testDocument() *Document {
	no := false
	r := &Result{
		Mode: direct, Took: 3000 * ms, Lost: 1, Kinds: map[string]int{"EOF": 1},
		Losses:   []Loss{{ID: "drill-0000000001", Kind: "EOF", Phase: "delay", Error: "EOF", Executed: &no}},
		Stops:    []Stop{{Instance: "server", Signal: 1000 * ms, Exit: 1200 * ms, idle: 1150 * ms, Good: true}},
		requests: []request{{end: time.Second}, {end: time.Second, kind: eof, phase: delay}},
	}
	r.lost = []*request{&r.requests[1]}
	r.grade()
	rep := &Report{Server: `"<server>"`, Mode: direct}
	rep.add(r)
	return &Document{Reports: []*Report{rep}}
}

func TestPage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "drill.html")
	o := outputs{{path: path}}
	if err := o.create(); err != nil {
		t.Fatal(err)
	}
	defer o.remove()
	if err := o.write(testDocument()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	html := string(content)
	wants := []string{"&lt;server&gt;", "1 request was lost: 1 EOF", "drill-0000000001", "SIGTERM", "ms after the signal", "<td>no\n", "Connections were closed although the server still had to serve."}
	for _, g := range legend {
		wants = append(wants, g.Means)
	}
	for _, p := range phasesOf(direct) {
		wants = append(wants, "<th>"+p.String())
	}
	for _, want := range wants {
		if !strings.Contains(html, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	for _, outside := range []string{"http:", "https:", "src=", "url(", "@import", "<link", "<script"} {
		if strings.Contains(html, outside) {
			t.Errorf("the page refers to something outside: %q", outside)
		}
	}
	wellFormed(t, html)
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("files beside the page: %v, %v", files, err)
	}
}

// wellFormed checks the pictures: a browser would quietly show a part of a broken one.
func wellFormed(t *testing.T, html string) {
	t.Helper()
	pictures := 0
	for rest := html; ; pictures++ {
		_, after, found := strings.Cut(rest, "<svg ")
		if !found {
			break
		}
		svg, after, _ := strings.Cut(after, "</svg>")
		for d := xml.NewDecoder(strings.NewReader("<svg " + svg + "</svg>")); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("picture %d: %v", pictures+1, err)
			}
		}
		rest = after
	}
	if pictures != 2 {
		t.Errorf("%d pictures, want 2", pictures)
	}
}

func TestAPageThatCannotBeWrittenIsSaidAtOnce(t *testing.T) {
	for _, path := range []string{t.TempDir(), filepath.Join(t.TempDir(), "none", "drill.html")} {
		if err := (outputs{{path: path}}).create(); err == nil || !strings.HasPrefix(err.Error(), "-o "+path+": ") {
			t.Errorf("create(%q): %v, want an error that names the flag", path, err)
		}
	}
}
