package flow

import (
	"go/constant"
	"strconv"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// notifiers lists the functions that catch signals, with the index of the
// variadic parameter.
var notifiers = map[string]int{
	"os/signal.Notify":                   1,
	"os/signal.NotifyContext":            1,
	"github.com/oklog/run.SignalHandler": 1,
}

// A Catch is a call that catches signals.
type Catch struct {
	Call
	Known   bool  // the signals are all known
	All     bool  // none are named: all are caught
	Signals []int // in the order of the arguments
	Values  []ssa.Value
}

// The numbers are the same on every system that has these signals, except SIGSTOP.
const (
	SIGINT  = 2
	SIGKILL = 9
	SIGTERM = 15
)

// Catch returns the signals that a call catches.
func (in *Info) Catch(c Call) (Catch, bool) {
	i, ok := notifiers[c.Name]
	if !ok || c.Arg(i) == nil {
		return Catch{}, false
	}
	k := Catch{Call: c}
	list, ok := in.Variadic(c.Arg(i))
	if !ok {
		return k, true
	}
	k.Known = true
	k.All = len(list) == 0
	for _, v := range list {
		n := in.signalOf(v)
		if n == 0 {
			k.Known = false
		}
		k.Signals = append(k.Signals, n)
		k.Values = append(k.Values, v)
	}
	return k, true
}

// signalOf returns the number of a signal, 0 if it is not known.
func (in *Info) signalOf(v ssa.Value) int {
	switch x := in.Resolve(v).(type) {
	case *ssa.Const:
		if x.Value == nil || x.Value.Kind() != constant.Int {
			return 0
		}
		n, _ := strconv.Atoi(x.Value.ExactString())
		return n
	case *ssa.UnOp:
		if g, ok := x.X.(*ssa.Global); ok && g.Pkg != nil && g.Pkg.Pkg.Path() == "os" {
			switch g.Name() {
			case "Interrupt":
				return SIGINT
			case "Kill":
				return SIGKILL
			}
		}
	}
	return 0
}

// Interrupts reports whether k catches an interrupt and not SIGTERM.
func (k Catch) Interrupts() bool {
	if !k.Known || k.All {
		return false
	}
	interrupt := false
	for _, n := range k.Signals {
		if n == SIGTERM {
			return false
		}
		interrupt = interrupt || n == SIGINT
	}
	return interrupt
}

// catchesTerm reports whether k may catch SIGTERM.
func (k Catch) catchesTerm() bool {
	if !k.Known || k.All {
		return true
	}
	for _, n := range k.Signals {
		if n == SIGTERM {
			return true
		}
	}
	return false
}

func (in *Info) sumSignals(fn *ssa.Function, s *Summary) {
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			k, ok := in.Catch(c)
			if ok && k.catchesTerm() || strings.HasSuffix(c.Name, "controller-runtime/pkg/manager/signals.SetupSignalHandler") || c.Name == "github.com/lastcall-go/lastcall/signals.NotifyContext" {
				in.own.Term = true
			}
			if ok && k.Interrupts() {
				s.NoTerm = c.Short()
			} else if sum := in.Summary(c); sum != nil && sum.NoTerm != "" && f == fn {
				s.NoTerm = sum.NoTerm
			}
		}
	}
}
