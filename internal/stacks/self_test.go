package stacks_test

import (
	"context"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

func TestSelf(t *testing.T) {
	if got := stacks.Self(); got != "" {
		t.Errorf("Self() = %q without a label, want none", got)
	}
	const label = `a "name" # with all#12.m3#7`
	pprof.Do(context.Background(), pprof.Labels("theirs", "x", stacks.Key, label), func(context.Context) {
		if got := stacks.Self(); got != label {
			t.Errorf("Self() = %q, want %q", got, label)
		}
		inherited := make(chan string)
		go func() { inherited <- stacks.Self() }()
		if got := <-inherited; got != label {
			t.Errorf("Self() = %q in a goroutine of the step's, want %q", got, label)
		}
	})
	name, number, run, ok := stacks.Split(label)
	if name != `a "name" # with all` || number != "12.m3" || run != "7" || !ok {
		t.Errorf("Split = %q, %q, %q, %t", name, number, run, ok)
	}
}

func TestNoStacksIfLoopsCannotBeInterrupted(t *testing.T) {
	t.Setenv("GODEBUG", "asyncpreemptoff=1")
	pprof.Do(context.Background(), pprof.Labels(stacks.Key, "a#1#2"), func(context.Context) {
		if got := stacks.Labelled(); got != nil {
			t.Errorf("Labelled = %v, want none", got)
		}
		if text, waitsFor := stacks.Take().Of("a#1#2"); text != "" || waitsFor != "" {
			t.Errorf("Of = %q, %q, want nothing", text, waitsFor)
		}
	})
}

func TestOnStack(t *testing.T) {
	named := func(name string) bool {
		return stacks.OnStack(func(function string) bool { return strings.HasSuffix(function, name) })
	}
	var deep func(n int) bool
	deep = func(n int) bool {
		if n > 0 {
			return deep(n - 1)
		}
		return named(".TestOnStack")
	}
	if !deep(300) || named(".TestSelf") || stacks.Inside() {
		t.Errorf("this test is on the stack: %t; another one: %t; in a step: %t", deep(300), named(".TestSelf"), stacks.Inside())
	}
}

func TestGoroutine(t *testing.T) {
	other := make(chan uint64)
	go func() { other <- stacks.Goroutine() }()
	if here, there := stacks.Goroutine(), <-other; here == 0 || here == there || here != stacks.Goroutine() {
		t.Errorf("this goroutine is %d, another one %d", here, there)
	}
}

func TestIdleConnection(t *testing.T) {
	for function, want := range map[string]bool{
		"net/http.(*persistConn).readLoop":               true,
		"net/http.(*persistConn).writeLoop":              true,
		"net/http.(*http2clientConnReadLoop).run":        false,
		"net/http/internal/http2.(*ClientConn).readLoop": true, // as of Go 1.27
		"net/http.(*persistConn).roundTrip":              false,
		"myapp.(*conn).readLoop":                         false,
	} {
		st := stacks.Goroutines(1, "bufio.(*Reader).Peek /go/src/bufio/bufio.go:152", function+" /go/src/net/http/transport.go:2330")
		if got := st.IdleConnection(); got != want {
			t.Errorf("%s: IdleConnection = %t, want %t", function, got, want)
		}
	}
}
