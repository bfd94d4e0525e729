package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSample(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	r := &Result{events: []event{
		{at(-5), at(1), 0, keptAlive, answered}, // in flight when the picture begins
		{at(1), at(3), 0, keptAlive, answered},
		{at(1), at(3), 0, keptAlive, eof},
		{at(3), at(9), 0, keptAlive, answered}, // and when it ends
		{at(0), at(4), 0, stream, answered},    // not a request to wait for
	}}
	s := r.sample(0, at(4))
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
		Stops:  []Stop{{Signal: 1005 * ms}},
		events: []event{{0, 1006 * time.Millisecond, 0, keptAlive, eof}},
	}
	s := r.sample(0, 3*time.Second)
	for n, lost := range s.lost {
		if at := s.from + time.Duration(n)*s.width; lost > 0 && at < 1005*time.Millisecond {
			t.Errorf("drawn at %v", at)
		}
	}
}

func TestTicksOfTime(t *testing.T) {
	for _, test := range []struct {
		low, high float64
		want      []string
	}{
		{-2, 5.01, []string{"-2", "-1", "0", "1", "2", "3", "4", "5"}},
		{-20, 48, []string{"-20", "-10", "0", "10", "20", "30", "40"}},
		{-220, 1260, []string{"-200", "0", "200", "400", "600", "800", "1 000", "1 200"}},
		{-2, 14, []string{"-2", "0", "2", "4", "6", "8", "10", "12", "14"}},
	} {
		var got []string
		for _, tick := range instants(true).Ticks(test.low, test.high) {
			got = append(got, tick.Label)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("from %v to %v, want -, got +:\n%s", test.low, test.high, diff)
		}
	}
}

func TestNamesOfMarksDoNotCoverEachOther(t *testing.T) {
	marks := []mark{{0, "SIGTERM"}, {1, "not ready"}, {2, "listener closed"}, {500, "exit"}, {990, "SIGTERM"}}
	if diff := cmp.Diff([]int{0, 1, 2, 0, 0}, layOut(marks, 0, 1000)); diff != "" {
		t.Errorf("rows, want -, got +:\n%s", diff)
	}
}

func TestMarksAreThoseWithinThePicture(t *testing.T) {
	closed := 30 * ms
	r := &Result{Stops: []Stop{{Signal: 10 * ms, Closed: &closed, Exit: 50 * ms}}}
	want := []mark{{10 * time.Millisecond, "SIGTERM"}, {30 * time.Millisecond, "listener closed"}}
	if diff := cmp.Diff(want, r.marks(0, 40*time.Millisecond), cmp.AllowUnexported(mark{})); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestPage(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "drill.html")
	p, err := createPage(path)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	r := &Result{
		Subject: `"<server>"`, Mode: direct, Took: 3000 * ms, Lost: 1, Kinds: map[string]int{"EOF": 1},
		Losses: []Loss{{ID: "drill-0000000001", Kind: "EOF", Error: "EOF"}},
		Stops:  []Stop{{Instance: "server", Signal: 1000 * ms, Exit: 1200 * ms, quiet: 1150 * ms, Good: true}},
		events: []event{{0, time.Second, 0, keptAlive, answered}, {0, time.Second, 0, keptAlive, eof}},
	}
	r.grade()
	if err := p.write([]*Result{r}, time.Now()); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	html := string(content)
	for _, want := range []string{"&lt;server&gt;", "1 request was lost: 1 EOF", "drill-0000000001", "The whole drill", "The end of server", "SIGTERM", "milliseconds from the first SIGTERM", "var(--good)"} {
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
		if _, err := createPage(path); err == nil || !strings.HasPrefix(err.Error(), "-o "+path+": ") {
			t.Errorf("createPage(%q): %v, want an error that names the flag", path, err)
		}
	}
}
