//go:build unix

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// This tests lastcall with each fault, in a process of its own. The behaviour of other libraries is
// only recorded in the table.
func TestLastcallPassesItsFaults(t *testing.T) {
	for kind, faults := range map[string][]fault{handlersChild: handlerFaults, tasksChild: taskFaults} {
		for _, f := range faults {
			t.Run(kind+" "+f.name, func(t *testing.T) {
				o, err := f.putTo(kind, lastcall)
				if err != nil {
					t.Fatal(err)
				}
				if o.others() != 2 || o.Killed || o.Extra != (f.wants != "") || !f.polite && !(o.Named && o.Failure) || f.polite && o.Failure {
					t.Errorf("%+v\n%s", o, o.output)
				}
			})
		}
	}
}

// A process that does not end is killed, and the table says so.
func TestAHangingProcessIsKilled(t *testing.T) {
	f := handlerFaults[slices.IndexFunc(handlerFaults, func(f fault) bool { return f.name == "stuck" })]
	o, err := f.putTo(handlersChild, bareSlice)
	if err != nil {
		t.Fatal(err)
	}
	if !o.Killed || !o.Asked || o.Named || o.endText() != "**never**" || o.othersText() != "**1 of 2**: listener" {
		t.Errorf("%+v, %s, %s\n%s", o, o.endText(), o.othersText(), o.output)
	}
}

// A program that knows the names of its handlers logs them with their errors, with any library. So
// a missing name is due to the library.
func TestProgramsNameTheHandlerAtFault(t *testing.T) {
	f := handlerFaults[slices.IndexFunc(handlerFaults, func(f fault) bool { return f.name == "slow" })]
	for _, library := range handlerLibraries {
		t.Run(library, func(t *testing.T) {
			o, err := f.putTo(handlersChild, library)
			if err != nil {
				t.Fatal(err)
			}
			if !o.Named {
				t.Errorf("%+v\n%s", o, o.output)
			}
		})
	}
}

func TestAWatchReadsWhatAChildSays(t *testing.T) {
	w := watch{fault: fault{wants: "late"}, outcome: &outcome{}}
	w.follow(strings.NewReader("ended listener\nagain ledger\nsomething else\nended late\nended database\n"))
	if !slices.Equal(w.Ended, []string{"listener", "database"}) || !w.Again || !w.Extra || w.others() != 2 {
		t.Errorf("%+v", w.outcome)
	}
}

func TestBeside(t *testing.T) {
	ours := outcome{Ended: []string{newest, oldest}, Asked: true, Took: time.Second, Failure: true, Named: true}
	for _, test := range []struct {
		name   string
		fault  fault
		change func(*outcome)
		want   string
	}{
		{"as good", fault{}, func(o *outcome) { o.Took += aLittle / 2 }, "the same"},
		{"does not end", fault{}, func(o *outcome) { o.Killed, o.Named = true, false }, "− ends, named"},
		{"loses one, sooner", fault{}, func(o *outcome) { o.Ended, o.Took = o.Ended[:1], 0 }, "**+ sooner**; − others"},
		{"says nothing", fault{}, func(o *outcome) { o.Failure, o.Named = false, false }, "− named, status"},
		{"ends by itself", fault{}, func(o *outcome) { o.Asked = false }, "**+ noticed**"},
		{"begins it again", fault{}, func(o *outcome) { o.Again, o.Failure = true, false }, "**+ restarts it**"},
		{"ends for what is no failure", fault{polite: true}, func(o *outcome) { o.Asked, o.Named, o.Took = false, false, 0 }, "− goes on"},
		{"does not add", fault{polite: true, wants: "late"}, func(o *outcome) { o.Took = 2 * time.Second }, "− sooner"},
	} {
		theirs := ours
		test.change(&theirs)
		if got := theirs.beside(&ours, test.fault).String(); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSignalsAreMeasured(t *testing.T) {
	r, err := holdSignals(t.Context(), 1, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range r.names {
		if v := r.of(name, 1, doneTime); len(v) != 1 || v[0] <= 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestExitsAreMeasured(t *testing.T) {
	r, err := holdExits(t.Context(), 1, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range r.names {
		if v := r.of(name, exitHandlers, exitTime); len(v) != 1 || v[0] <= 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
}

// A program that does not come up, and one that fails, have no time to exit.
func TestOnlyACleanExitIsMeasured(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{"exit 0", "did not print that it is ready"},
		{"trap 'exit 3' TERM; echo ready; sleep 5 & wait", "exit status 3"},
	} {
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"+test.script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := measureExit(program); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.script, err, test.want)
		}
	}
}
