package checks

import (
	"go/constant"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

// PackageServe finds servers that nobody can stop.
var PackageServe = analyzer("packageserve",
	`a server that nobody can stop

http.ListenAndServe and its like make a server that nobody has a handle on:
there is no Shutdown to call, so that the end of the process cuts the requests
in flight. It has no timeouts either. The listeners of pprof, expvar and
metrics beside a server, which need no drain, are left alone.`,
	func(c *checker) {
		c.eachCall(func(fn *ssa.Function, call flow.Call) {
			_, _, known := c.PackageServer(call)
			what := call.Short()
			if !known {
				s := c.Summary(call)
				if s == nil || s.Package == "" || call.Obj == nil {
					return
				}
				what += " (" + s.Package + ")"
			}
			if c.Wraps(fn, call) || c.aside(fn, call) || c.closes(fn, call) {
				return
			}
			c.at(call, nil, "%s makes a server that nobody can stop: when the process ends, the requests in flight are cut; make an http.Server, and call its Shutdown", what)
		})
	})

// aside reports whether a server is not the main one of the program: it runs in a
// goroutine, and its requests need no drain or come only from this machine.
func (c *checker) aside(fn *ssa.Function, call flow.Call) bool {
	if !call.Go() && !c.inGoroutine(fn) {
		return false
	}
	addr, handler, known := c.PackageServer(call)
	if !known {
		return c.imports("net/http/pprof", "expvar", promhttp)
	}
	if a := call.Arg(addr); addr >= 0 && a != nil {
		if k, ok := a.(*ssa.Const); ok && k.Value != nil && k.Value.Kind() == constant.String {
			host := constant.StringVal(k.Value)
			for _, local := range []string{"localhost:", "127.0.0.1:", "[::1]:"} {
				if strings.HasPrefix(host, local) {
					return true
				}
			}
		}
	}
	return c.imports("net/http/pprof", "expvar", promhttp) && (handler < 0 || !c.ownHandler(call.Arg(handler)))
}

const promhttp = "github.com/prometheus/client_golang/prometheus/promhttp"

// ownHandler reports whether a handler is neither nil nor a mux.
func (c *checker) ownHandler(v ssa.Value) bool {
	if v == nil {
		return false
	}
	v = c.Resolve(v)
	if k, ok := v.(*ssa.Const); ok && k.IsNil() {
		return false
	}
	if p, ok := v.Type().(*types.Pointer); ok && p.Elem().String() == "net/http.ServeMux" {
		return false
	}
	if call, ok := v.(*ssa.Call); ok {
		if fn := call.Call.StaticCallee(); fn != nil && fn.Pkg != nil && fn.Pkg.Pkg.Path() == promhttp {
			return false
		}
	}
	return true
}

// inGoroutine reports whether fn is the body of a goroutine, or a function that is
// only started as one.
func (c *checker) inGoroutine(fn *ssa.Function) bool {
	if c.Started(fn) {
		return true
	}
	started, called := false, false
	c.eachCall(func(caller *ssa.Function, call flow.Call) {
		if call.Fn == fn {
			if call.Go() || c.Started(caller) {
				started = true
			} else {
				called = true
			}
		}
	})
	return started && !called
}

// closes reports whether the listener of http.Serve is unknown, or is closed in the
// function. The latter stops the server, although not cleanly.
func (c *checker) closes(fn *ssa.Function, call flow.Call) bool {
	if call.Name != "net/http.Serve" && call.Name != "net/http.ServeTLS" {
		return false
	}
	l := c.Resolve(call.Arg(0))
	switch l.(type) {
	case *ssa.Parameter, *ssa.UnOp:
		return true
	}
	key := c.Key(l)
	for f := range flow.Tree(flow.Outermost(fn)) {
		for _, k := range c.Calls(f) {
			if k.Recv != nil && k.Obj.Name() == "Close" && !k.Defer() && c.Key(k.Recv) == key {
				return true
			}
		}
	}
	return false
}
