package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheTablesAreThoseOfTheResults(t *testing.T) {
	r, err := readResults("results.json")
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, "README.md")
	want, err := insert(got, render(r))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md is not what results.json says (go run . -table), want -, got +:\n%s", diff)
	}
}

// TestEveryServerIsInTheTable finds a folder that nobody drills, and a server without results.
func TestEveryServerIsInTheTable(t *testing.T) {
	folders, err := os.ReadDir("servers")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, f := range folders {
		if f.IsDir() && f.Name() != "internal" && f.Name() != "node_modules" {
			found = append(found, f.Name())
		}
	}
	listed := slices.Sorted(slices.Values(dirs()))
	if diff := cmp.Diff(listed, found); diff != "" {
		t.Errorf("folders of servers, want -, got +:\n%s", diff)
	}
	r, err := readResults("results.json")
	if err != nil {
		t.Fatal(err)
	}
	var measured []string
	for _, e := range r.Servers {
		measured = append(measured, e.Dir)
		for _, m := range e.Measured {
			for _, mode := range modes {
				if m.Outcome[mode].Grade == "" {
					t.Errorf("%s has no result in mode %s", e.Dir, mode)
				}
			}
		}
	}
	slices.Sort(measured)
	if diff := cmp.Diff(listed, measured); diff != "" {
		t.Errorf("servers in results.json, want -, got +:\n%s", diff)
	}
}

func TestEveryServerNamesItsManual(t *testing.T) {
	page := regexp.MustCompile(`(?m)^\s*(//|#) .*https://`)
	for _, dir := range dirs() {
		files, err := filepath.Glob(filepath.Join("servers", dir, "*"))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(files, func(f string) bool { return page.MatchString(read(t, f)) }) {
			t.Errorf("servers/%s: no comment has the address of a page of the manual", dir)
		}
	}
}

// TestTheLockNamesNoRegistry keeps the address of whatever registry the packages came from out of the
// repository. npm takes them from the one that the machine is set up for.
func TestTheLockNamesNoRegistry(t *testing.T) {
	if strings.Contains(read(t, "servers/package-lock.json"), `"resolved"`) {
		t.Error(`servers/package-lock.json has "resolved": is there no servers/.npmrc?`)
	}
	var p struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read(t, "servers/package.json")), &p); err != nil {
		t.Fatal(err)
	}
	for name, v := range p.Dependencies {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(v) {
			t.Errorf("servers/package.json: %s has the version %q, want a single one", name, v)
		}
	}
}

// reportJSON is an answer of the drill: two runs, of which the second is worse.
const reportJSON = `{"reports": [{"server": "x", "mode": "direct", "grade": "C", "grades": ["A", "C"], "lost": [0, 2],
	"table": [{"kind": "reset", "phase": "delay", "lost": [0, 2], "executed": 0, "cause": "", "remedy": ""}],
	"runs": [
		{"grade": "A", "reasons": ["nothing was lost"], "answered": 10, "lost": 0, "lost_but_executed": 0, "turned_away": 3, "drill": {"bottleneck": true},
			"stops": [{"signal_ms": 1000, "exit_ms": 1250.5}]},
		{"grade": "C", "reasons": ["2 requests were lost"], "answered": 20, "lost": 2, "lost_but_executed": 0, "turned_away": 4, "drill": {"bottleneck": false},
			"stops": [{"signal_ms": 1000, "exit_ms": 3000}, {"signal_ms": 4000, "exit_ms": 5000}]}]}]}`

func TestAReportOfTheDrill(t *testing.T) {
	m := Measurement{Outcome: map[string]Outcome{}}
	if err := m.read([]byte(reportJSON)); err != nil {
		t.Fatal(err)
	}
	want := Outcome{
		Grade: "C", Grades: []string{"A", "C"}, Answered: []int{10, 20}, Lost: []int{0, 2}, Executed: []int{0, 0},
		TurnedAway: []int{3, 4}, Exit: []float64{250.5, 2000}, Table: []Row{{"delay", "reset", []int{0, 2}, new(int)}},
		Reasons: []string{"2 requests were lost"}, Bottleneck: true,
	}
	if diff := cmp.Diff(want, m.Outcome["direct"]); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
	unknown := strings.Replace(reportJSON, `"lost_but_executed": 0`, `"lost_but_executed": null`, 1)
	if err := m.read([]byte(unknown)); err == nil || !strings.Contains(err.Error(), "direct, run 1: it is not known") {
		t.Errorf("without a record of executed requests: %v", err)
	}
	if err := m.read([]byte(`{`)); err == nil {
		t.Error("half a document is no report, and there was no error")
	}
}

func measurement(began, direct, rolling string) Measurement {
	o := func(grade string) Outcome {
		return Outcome{Grade: grade, Grades: []string{grade}, Lost: []int{0}, Executed: []int{0}, Exit: []float64{1040}}
	}
	return Measurement{began, map[string]Outcome{"direct": o(direct), "rolling": o(rolling)}}
}

func TestTheLastTwoMeasurementsAreKept(t *testing.T) {
	r := &Results{}
	for _, began := range []string{"1", "2", "3"} {
		r.add(&Entry{Dir: "gin"}, measurement(began, "A", "B"))
		r.add(&Entry{Dir: "puma"}, measurement(began, "A", "B"))
	}
	var got []string
	for _, e := range r.Servers {
		for _, m := range e.Measured {
			got = append(got, e.Dir+m.Began)
		}
	}
	if diff := cmp.Diff([]string{"gin3", "gin2", "puma3", "puma2"}, got); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}

func TestSpread(t *testing.T) {
	for _, test := range []struct {
		name          string
		before, after [2]string // direct, rolling
		want          string
	}{
		{"the same", [2]string{"A", "F"}, [2]string{"A", "F"}, "no grade changed by more than one"},
		{"one apart", [2]string{"A", "D"}, [2]string{"B", "F"}, "no grade changed by more than one"},
		{"two apart", [2]string{"A", "B"}, [2]string{"C", "B"}, "changed by more than one: `x` (alone)."},
		{"rolling", [2]string{"A", "F"}, [2]string{"A", "C"}, "changed by more than one: `x` (rolling)."},
		{"once", [2]string{}, [2]string{"A", "B"}, "Each server was measured once."},
	} {
		r := &Results{}
		if test.before[0] != "" {
			r.add(&Entry{Dir: "x"}, measurement("1", test.before[0], test.before[1]))
		}
		r.add(&Entry{Dir: "x"}, measurement("2", test.after[0], test.after[1]))
		if got := spread(r); !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestWhereAnotherIsBetter: the sentences under the table do not flatter.
func TestWhereAnotherIsBetter(t *testing.T) {
	r := &Results{}
	r.add(&Entry{Dir: "httpdrain", Name: "own"}, measurement("1", "B", "C"))
	r.add(&Entry{Dir: "gin", Name: "gin"}, measurement("1", "A", "C"))
	got := comparison(sorted(r))
	for _, want := range []string{
		"*alone*, own has the grade B. A better grade: `gin`. The same grade: none.",
		"*rolling*, own has the grade C. A better grade: none. The same grade: `gin`.",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestAnFHasItsReason(t *testing.T) {
	r := &Results{}
	m := measurement("1", "F", "C")
	m.Outcome["direct"] = Outcome{Grade: "F", Reasons: []string{"server ended with exit status 1", "2 requests were lost"}}
	r.add(&Entry{Dir: "gin"}, m)
	if got, want := failures(sorted(r)), "- The F of `gin` (alone): server ended with exit status 1.\n"; got != want {
		t.Errorf("failures() = %q, want %q", got, want)
	}
}

func TestChoose(t *testing.T) {
	chosen, err := choose("nginx,gin")
	if err != nil || len(chosen) != 2 || chosen[0].Dir != "nginx" || chosen[1].Dir != "gin" {
		t.Errorf("choose(nginx,gin) = %v, %v", chosen, err)
	}
	if _, err := choose("ngnix"); err == nil || !strings.Contains(err.Error(), "-only ngnix: want of httpdrain,nethttp") {
		t.Errorf("choose(ngnix): %v, want the list of names", err)
	}
}

func TestAMissingProgramIsNamed(t *testing.T) {
	s := server{Needs: []string{"no-such-server its-package"}}
	if got, want := s.missing(), "no-such-server is not installed (apt-get install its-package)"; got != want {
		t.Errorf("missing() = %q, want %q", got, want)
	}
	if got := (server{}).missing(); got != "" {
		t.Errorf("missing() = %q for a server that needs nothing", got)
	}
}

func TestTheBackendWritesOnlyIntoFoldersOfADrill(t *testing.T) {
	b, err := newBackend()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", t.TempDir())
	folder := filepath.Join(os.TempDir(), "drill-1")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, ok := range map[string]bool{
		filepath.Join(folder, "executed"):       true,
		filepath.Join(os.TempDir(), "executed"): false,
		folder + "/../executed":                 false,
		"":                                      false,
	} {
		if err := b.record(name, "drill-0000000001"); (err == nil) != ok {
			t.Errorf("record(%q) = %v", name, err)
		}
	}
	if err := b.close(); err != nil {
		t.Error(err)
	}
	if got, want := read(t, filepath.Join(folder, "executed")), "drill-0000000001\n"; got != want {
		t.Errorf("recorded %q, want %q", got, want)
	}
}
