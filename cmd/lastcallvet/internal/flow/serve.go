package flow

import (
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// returnsEarly lists the servers whose Serve returns when their Shutdown begins, with
// the methods that serve. gRPC's Serve is not listed: it waits for GracefulStop.
var returnsEarly = map[string][]string{
	"net/http.Server":                    {"ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"},
	"github.com/labstack/echo.Echo":      {"Start", "StartTLS", "StartAutoTLS", "StartH2CServer"},
	"github.com/valyala/fasthttp.Server": {"ListenAndServe", "ListenAndServeTLS", "ListenAndServeUNIX", "Serve", "ServeTLS"},
	"github.com/gofiber/fiber.App":       {"Listen", "ListenTLS", "Listener"},
}

var shutdowns = map[string]bool{"Shutdown": true, "ShutdownWithContext": true, "ShutdownWithTimeout": true}

// serving lists other calls that make the program a server or a worker.
var serving = map[string]bool{
	"google.golang.org/grpc.Server.Serve":                      true,
	"net.Listener.Accept":                                      true,
	"sigs.k8s.io/controller-runtime/pkg/manager.Manager.Start": true,
	"github.com/hibiken/asynq.Server.Run":                      true,
	"github.com/hibiken/asynq.Server.Start":                    true,
	"github.com/go-kratos/kratos.App.Run":                      true,
	"github.com/IBM/sarama.ConsumerGroup.Consume":              true,
	"github.com/Shopify/sarama.ConsumerGroup.Consume":          true,
}

// packageServers lists functions that serve with a server that the caller cannot
// stop.
var packageServers = map[string]struct{ addr, handler int }{
	"net/http.ListenAndServe":                {0, 1},
	"net/http.ListenAndServeTLS":             {0, 3},
	"net/http.Serve":                         {-1, 1},
	"net/http.ServeTLS":                      {-1, 1},
	"github.com/gin-gonic/gin.Engine.Run":    {-1, -1},
	"github.com/gin-gonic/gin.Engine.RunTLS": {0, -1},
}

// PackageServer reports whether a call serves in a way that nobody can stop, and the
// indexes of the address and the handler in its arguments, -1 for none.
func (in *Info) PackageServer(c Call) (addr, handler int, ok bool) {
	p, ok := packageServers[c.Name]
	return p.addr, p.handler, ok
}

// Serve reports whether a call serves a server of returnsEarly, and which server.
func (in *Info) Serve(c Call) []Key { return in.serverKeys(c, false) }

// ShutsDown returns the servers that a call shuts down.
func (in *Info) ShutsDown(c Call) []Key { return in.serverKeys(c, true) }

func (in *Info) serverKeys(c Call, shut bool) []Key {
	if c.Obj != nil && c.Recv != nil {
		if of, method, ok := cutLast(c.Name); ok {
			if methods, known := returnsEarly[of]; known {
				if shut && shutdowns[method] || !shut && contains(methods, method) {
					return []Key{in.Key(c.Recv)}
				}
			}
		}
	}
	s := in.Summary(c)
	if s == nil || c.Obj == nil {
		return nil
	}
	refs := s.ServeRefs
	if shut {
		refs = s.ShutRefs
	}
	var keys []Key
	for _, r := range refs {
		if v := c.param(r.Param); v != nil {
			k := in.Key(v)
			keys = append(keys, Key{k.root, k.path + r.Path})
		}
	}
	return keys
}

// param returns parameter i of the called function. The receiver is parameter 0.
func (c Call) param(i int) ssa.Value {
	if c.Recv != nil && c.Obj.Signature().Recv() != nil {
		if i == 0 {
			return c.Recv
		}
		i--
	}
	return c.Arg(i)
}

func cutLast(name string) (of, last string, ok bool) {
	i := strings.LastIndex(name, ".")
	if i < 0 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func (in *Info) sumServers(fn *ssa.Function, s *Summary) {
	for f := range Tree(fn) {
		for _, c := range in.Calls(f) {
			in.sumServes(c, s)
			if f == fn && !c.Go() && !c.Defer() {
				in.addRefs(fn, &s.ServeRefs, in.Serve(c))
			}
		}
	}
	for _, c := range in.Calls(fn) {
		if !c.Go() {
			in.addRefs(fn, &s.ShutRefs, in.ShutsDown(c))
		}
	}
	for instr := range Instrs(fn) {
		if in.mayBlock(instr) {
			s.Blocks = true
		}
	}
	if c, _, ok := in.EndsWithServe(fn); ok {
		s.ServeEnds = c.Short()
	}
	in.sumPackage(fn, s)
	in.sumGraceful(fn, s)
}

func (in *Info) sumServes(c Call, s *Summary) {
	if s.Serves != "" {
		return
	}
	if _, _, ok := in.PackageServer(c); ok || serving[c.Name] {
		s.Serves = c.Short()
		return
	}
	if of, method, ok := cutLast(c.Name); ok && contains(returnsEarly[of], method) {
		s.Serves = c.Short()
		return
	}
	if sum := in.Summary(c); sum != nil && sum.Serves != "" {
		s.Serves = sum.Serves
	}
}

func (in *Info) addRefs(fn *ssa.Function, refs *[]Ref, keys []Key) {
	for _, k := range keys {
		for i, p := range fn.Params {
			r := Ref{i, k.path}
			if k.root == ssa.Value(p) && strings.Count(k.path, ".") < 4 && !hasRef(*refs, r) {
				*refs = append(*refs, r)
			}
		}
	}
}

func hasRef(refs []Ref, r Ref) bool {
	for _, e := range refs {
		if e == r {
			return true
		}
	}
	return false
}

// EndsWithServe finds the call of fn that serves, where fn starts a goroutine
// that shuts the same server down, and does not wait for anything after it.
func (in *Info) EndsWithServe(fn *ssa.Function) (serve, shut Call, ok bool) {
	for _, c := range in.Calls(fn) {
		if c.Go() || c.Defer() {
			continue
		}
		if s := in.Summary(c); s != nil && s.ServeEnds != "" && c.Obj != nil && in.goesOn(fn, c.Instr) {
			return c, Call{}, true
		}
		keys := in.Serve(c)
		if len(keys) == 0 {
			continue
		}
		shut, found := in.shutsInGoroutine(fn, keys)
		if found && in.goesOn(fn, c.Instr) {
			return c, shut, true
		}
	}
	return Call{}, Call{}, false
}

// shutsInGoroutine looks for a goroutine of fn that shuts down one of keys.
func (in *Info) shutsInGoroutine(fn *ssa.Function, keys []Key) (Call, bool) {
	for _, c := range in.Calls(fn) {
		var started *ssa.Function
		switch {
		case c.Go() && c.Obj != nil:
			for _, k := range in.ShutsDown(c) {
				if has(keys, k) {
					return c, true
				}
			}
			continue
		case c.Go():
			started = c.Fn
		case c.Name == "context.AfterFunc":
			started = in.Function(c.Arg(1))
		case c.Name == "golang.org/x/sync/errgroup.Group.Go":
			started = in.Function(c.Arg(0))
		}
		if started == nil || started.Parent() == nil {
			continue
		}
		for f := range Tree(started) {
			for _, k := range in.Calls(f) {
				if k.Go() {
					continue
				}
				for _, key := range in.ShutsDown(k) {
					if has(keys, key) {
						return k, true
					}
				}
			}
		}
	}
	return Call{}, false
}

// goesOn reports whether fn reaches its end after at without waiting, in the
// following code and in its deferred calls.
func (in *Info) goesOn(fn *ssa.Function, at ssa.Instruction) bool {
	ends, waits := false, false
	Walk(at, func(instr ssa.Instruction) bool {
		switch x := instr.(type) {
		case *ssa.Return:
			ends = true
			return true
		case *ssa.Call:
			if how, maybe := in.Exit(in.call(x)); how != "" && !maybe {
				ends = true
				return true
			}
		}
		if instr == at { // a loop serves again
			waits = true
			return true
		}
		if in.mayBlock(instr) {
			waits = true
			return true
		}
		return false
	})
	if !ends || waits {
		return false
	}
	for _, c := range in.Calls(fn) {
		if c.Defer() && in.callMayBlock(c) {
			return false
		}
	}
	return true
}

// sumPackage finds exported functions that are thin wrappers of http.ListenAndServe.
// They do not know what they serve. Their callers do.
func (in *Info) sumPackage(fn *ssa.Function, s *Summary) {
	for _, c := range in.Calls(fn) {
		if c.Go() {
			continue
		}
		if in.Wraps(fn, c) {
			s.Package = innermostServer(c, in)
		}
	}
}

func innermostServer(c Call, in *Info) string {
	if s := in.Summary(c); s != nil && s.Package != "" {
		return s.Package
	}
	return c.Short()
}

// Wraps reports whether c is a server that nobody can stop, in an exported
// function of a library that is given the handler.
func (in *Info) Wraps(fn *ssa.Function, c Call) bool {
	s := in.Summary(c)
	_, handler, known := in.PackageServer(c)
	if !known && (s == nil || s.Package == "" || c.Obj == nil) {
		return false
	}
	obj, ok := fn.Object().(*types.Func)
	if !ok || !obj.Exported() || fn.Pkg.Pkg.Name() == "main" || fn.Signature.Recv() != nil {
		return false
	}
	if !known {
		for _, a := range c.Args {
			if in.isParam(fn, a) && typeName(a.Type()) == "net/http.Handler" {
				return true
			}
		}
		return false
	}
	return handler >= 0 && in.isParam(fn, c.Arg(handler))
}

func (in *Info) isParam(fn *ssa.Function, v ssa.Value) bool {
	if v == nil {
		return false
	}
	p, ok := in.Resolve(v).(*ssa.Parameter)
	return ok && p.Parent() == fn
}

// LeavesToCaller reports whether fn may have unknown callers, which may have a timer.
func (in *Info) LeavesToCaller(fn *ssa.Function) bool {
	obj, ok := fn.Object().(*types.Func)
	if !ok || fn.Pkg.Pkg.Name() == "main" || fn.Parent() != nil {
		return false
	}
	for _, p := range params(fn) {
		if IsContext(p.Type()) {
			return false // it was given the bound, and does not use it
		}
	}
	return obj.Exported()
}
