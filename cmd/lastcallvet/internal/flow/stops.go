package flow

import (
	"golang.org/x/tools/go/ssa"
)

// A stop is a call that stops something and waits for it until its context
// ends.
type stop struct {
	ctx     int
	forever string // what it waits for if the context never ends, "" if that does not matter
}

const (
	requests  = "it waits for the slowest request, and for ever for one that does not end"
	exporters = "it waits for every batch that the exporter cannot deliver"
)

var stops = map[string]stop{
	"net/http.Server.Shutdown":                                     {0, requests},
	"github.com/labstack/echo.Echo.Shutdown":                       {0, requests},
	"github.com/gofiber/fiber.App.ShutdownWithContext":             {0, requests},
	"github.com/valyala/fasthttp.Server.ShutdownWithContext":       {0, requests},
	"go.opentelemetry.io/otel/sdk/trace.TracerProvider.Shutdown":   {0, exporters},
	"go.opentelemetry.io/otel/sdk/metric.MeterProvider.Shutdown":   {0, exporters},
	"go.opentelemetry.io/otel/sdk/log.LoggerProvider.Shutdown":     {0, exporters},
	"go.opentelemetry.io/otel/sdk/trace.TracerProvider.ForceFlush": {0, ""},
	"go.opentelemetry.io/otel/sdk/metric.MeterProvider.ForceFlush": {0, ""},
	"go.opentelemetry.io/otel/sdk/log.LoggerProvider.ForceFlush":   {0, ""},
	"go.uber.org/fx.App.Stop":                                      {0, "it waits for every OnStop hook"},
}

// stopNames are names of methods that take a context to bound a stop.
var stopNames = map[string]bool{
	"Shutdown": true, "Stop": true, "Close": true, "Flush": true, "ForceFlush": true, "Drain": true,
	"Disconnect": true, "GracefulStop": true, "GracefulShutdown": true, "ShutdownWithContext": true,
	"StopWithContext": true, "FlushWithContext": true, "Terminate": true,
}

// liveAnyway lists methods of such a name that work with a context that is done.
var liveAnyway = map[string]bool{
	"github.com/lastcall-go/lastcall/shutdown.Registration.Close": true,
	"github.com/lastcall-go/lastcall/shutdown.Scope.Close":        true,
}

// A StopCall is a call that is given a context to bound a stop.
type StopCall struct {
	Call
	Ctx  ssa.Value
	What string // the stop, "http.Server.Shutdown", which may be within the function called
	Via  string // the function called, if it is not the stop itself
}

// Stop reports whether a call is a stop that its context limits.
func (in *Info) Stop(c Call) (StopCall, bool) {
	if s, ok := stops[c.Name]; ok && c.Arg(s.ctx) != nil {
		return StopCall{c, c.Arg(s.ctx), c.Short(), ""}, true
	}
	if s := in.Summary(c); s != nil {
		for i, arg := range c.Args {
			if s.StopCtx.Has(i) && IsContext(arg.Type()) && c.Obj != nil {
				return StopCall{c, arg, s.StopName, c.Short()}, true
			}
		}
		return StopCall{}, false
	}
	if c.Fn != nil || !in.namedStop(c) || liveAnyway[c.Name] {
		return StopCall{}, false
	}
	return StopCall{c, c.Args[0], c.Short(), ""}, true
}

// namedStop reports whether a method looks like a stop: its name says so, it
// takes a context alone and returns an error or nothing.
func (in *Info) namedStop(c Call) bool {
	if c.Obj == nil || !stopNames[c.Obj.Name()] {
		return false
	}
	sig := c.Obj.Signature()
	if sig.Recv() == nil || sig.Params().Len() != 1 || !IsContext(sig.Params().At(0).Type()) {
		return false
	}
	return len(c.Args) == 1 && (sig.Results().Len() == 0 || sig.Results().Len() == 1 && isError(sig.Results().At(0).Type()))
}

// OpenStop reports whether a call is a known stop that only its context limits, and
// what it waits for.
func (in *Info) OpenStop(c Call) (s StopCall, forever string, ok bool) {
	if s, ok := stops[c.Name]; ok && c.Arg(s.ctx) != nil {
		return StopCall{c, c.Arg(s.ctx), c.Short(), ""}, s.forever, s.forever != ""
	}
	if sum := in.Summary(c); sum != nil && c.Obj != nil {
		for i, arg := range c.Args {
			if sum.OpenCtx.Has(i) {
				return StopCall{c, arg, sum.OpenName, c.Short()}, "it waits without a limit", true
			}
		}
	}
	return StopCall{}, "", false
}

func (in *Info) sumContexts(fn *ssa.Function, s *Summary) {
	ctxs := map[Key]int{}
	for i, p := range params(fn) {
		if IsContext(p.Type()) {
			ctxs[in.Key(p)] = i
		}
	}
	in.sumResult(fn, s, ctxs)
	if len(ctxs) == 0 {
		return
	}
	for _, e := range in.normalExits(fn) {
		if i, ok := ctxs[e.Key]; ok {
			s.Waits.add(i)
		}
	}
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			if st, ok := in.Stop(c); ok {
				if _, dead := in.DoneAt(c, st.Ctx); dead {
					continue // a finding there
				}
				for _, k := range in.Lineage(st.Ctx).Keys {
					if i, ok := ctxs[k]; ok {
						s.StopCtx.add(i)
						s.StopName = st.What
					}
				}
			}
			if st, _, ok := in.OpenStop(c); ok {
				if l := in.Lineage(st.Ctx); !l.Bounded && !l.Cancels {
					if i, ok := ctxs[l.Keys[len(l.Keys)-1]]; ok {
						s.OpenCtx.add(i)
						s.OpenName = st.What
					}
				}
			}
			in.ownStop(fn, c, ctxs, s)
		}
	}
}

// ownStop records the context that a method Shutdown or Stop checks itself.
func (in *Info) ownStop(fn *ssa.Function, c Call, ctxs map[Key]int, s *Summary) {
	if c.Obj == nil || c.Recv == nil || !IsContext(c.Recv.Type()) || !stopNames[fn.Name()] {
		return
	}
	if name := c.Obj.Name(); name != "Done" && name != "Err" {
		return
	}
	if i, ok := ctxs[in.Key(c.Recv)]; ok {
		s.StopCtx.add(i)
		if s.StopName == "" {
			s.StopName = fn.Name()
		}
	}
}

// sumResult summarizes a function that returns a context.
func (in *Info) sumResult(fn *ssa.Function, s *Summary, ctxs map[Key]int) {
	res := fn.Signature.Results()
	if res.Len() == 0 || !IsContext(res.At(0).Type()) {
		return
	}
	derives, background, n := -1, "", 0
	for instr := range Instrs(fn) {
		ret, ok := instr.(*ssa.Return)
		if !ok || len(ret.Results) == 0 || ret.Block() == fn.Recover {
			continue
		}
		n++
		l := in.Lineage(ret.Results[0])
		from := -1
		for _, k := range l.Keys {
			if i, ok := ctxs[k]; ok {
				from = i
			}
		}
		if n > 1 && from != derives {
			return
		}
		derives = from
		if l.Endless && !l.Bounded && !l.Cancels {
			background = l.RootName
		} else {
			background = ""
			if from < 0 {
				return
			}
		}
	}
	if n > 0 && derives >= 0 {
		s.Derives = derives + 1
	} else if n > 0 {
		s.Background = background
	}
}

// timers lists functions that can limit a wait from outside.
var timers = map[string]bool{"time.After": true, "time.AfterFunc": true, "time.NewTimer": true}

// BoundedOutside reports whether the code around a call may end the wait for it: a
// timer in the same outermost function, or a select in the function that started the
// goroutine of the call.
func (in *Info) BoundedOutside(c Call) bool {
	fn := c.Instr.Parent()
	for f := range Tree(Outermost(fn)) {
		for _, k := range in.Calls(f) {
			if timers[k.Name] {
				return true
			}
		}
	}
	for f := fn; f.Parent() != nil; f = f.Parent() {
		mc := in.sites[f]
		if mc == nil || !in.started(f) {
			continue
		}
		for instr := range Instrs(f.Parent()) {
			if sel, ok := instr.(*ssa.Select); ok && Reaches(mc, sel) {
				return true
			}
		}
	}
	return false
}

// started reports whether a literal is the body of a goroutine.
func (in *Info) started(lit *ssa.Function) bool {
	for _, c := range in.Calls(lit.Parent()) {
		if c.Go() && c.Fn == lit {
			return true
		}
	}
	return false
}

// Started reports whether fn runs in a goroutine of its own: it is the literal
// of a go statement or of an errgroup.
func (in *Info) Started(fn *ssa.Function) bool {
	if fn.Parent() == nil {
		return false
	}
	for _, c := range in.Calls(fn.Parent()) {
		if c.Go() && c.Fn == fn || c.Name == "golang.org/x/sync/errgroup.Group.Go" && in.Function(c.Arg(0)) == fn {
			return true
		}
	}
	return false
}
