package main

import (
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestStrain has 400 pauses, as in two seconds.
func TestStrain(t *testing.T) {
	const think = 10 * time.Millisecond
	all := func(late time.Duration, stalls int, stall time.Duration) *strain {
		s := &strain{took: time.Second, loaded: 400}
		for n := range 400 {
			if n < stalls {
				s.pauses = append(s.pauses, ownPause{late: stall})
			} else {
				s.pauses = append(s.pauses, ownPause{late: late})
			}
		}
		s.pauses = append(s.pauses, ownPause{late: time.Minute}) // after the signal
		return s
	}
	busy := all(0, 0, 0)
	busy.used = time.Duration(0.8 * float64(runtime.GOMAXPROCS(0)) * float64(time.Second))
	for _, test := range []struct {
		name  string
		s     *strain
		think time.Duration
		want  string // begins so
	}{
		{"no pauses", &strain{}, think, ""},
		{"timers are not exact", all(time.Millisecond, 0, 0), think, ""},
		{"three stalls", all(200*time.Microsecond, 3, 50*time.Millisecond), think, ""},
		{"more than one in a hundred", all(200*time.Microsecond, 5, 50*time.Millisecond), think, "The machine was the bottleneck: pauses of the drill were up to 50ms too long (p99), and 823µs on average."},
		{"one long stall", all(200*time.Microsecond, 1, time.Second), think, "The machine was the bottleneck: pauses of the drill were up to 200µs too long (p99), and 2.7ms on average."},
		{"clients that pause for longer keep their rate", all(2500*time.Microsecond, 0, 0), 10 * think, ""},
		{"clients that do not", all(2500*time.Microsecond, 0, 0), think, "The machine was the bottleneck: "},
		{"the drill itself", busy, think, "The drill was the bottleneck, with 80 % of "},
	} {
		got := test.s.summary(test.think)
		if text := got.String(); !strings.HasPrefix(text, test.want) || (test.want == "") != (text == "") || got.Bottleneck != (text != "") {
			t.Errorf("%s: %q, bottleneck %t; want %q", test.name, text, got.Bottleneck, test.want)
		}
	}
}
