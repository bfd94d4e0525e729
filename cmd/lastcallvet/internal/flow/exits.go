package flow

import (
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/ssa"
)

// exits lists functions that end the process at once. For a logger, these are the
// methods whose names begin with Fatal.
var exits = map[string]bool{
	"os.Exit":                                true,
	"syscall.Exit":                           true,
	"github.com/sirupsen/logrus.Exit":        true,
	"github.com/sirupsen/logrus.Logger.Exit": true,
	"k8s.io/klog.Exit":                       true,
	"k8s.io/klog.Exitf":                      true,
	"k8s.io/klog.Exitln":                     true,
	"github.com/golang/glog.Exit":            true,
	"github.com/golang/glog.Exitf":           true,
	"github.com/golang/glog.Exitln":          true,
}

var fatalLoggers = map[string]bool{
	"log":                                       true,
	"log.Logger":                                true,
	"go.uber.org/zap.Logger":                    true,
	"go.uber.org/zap.SugaredLogger":             true,
	"github.com/sirupsen/logrus":                true,
	"github.com/sirupsen/logrus.Logger":         true,
	"github.com/sirupsen/logrus.Entry":          true,
	"github.com/sirupsen/logrus.FieldLogger":    true,
	"github.com/sirupsen/logrus.StdLogger":      true,
	"k8s.io/klog":                               true,
	"github.com/golang/glog":                    true,
	"github.com/charmbracelet/log":              true,
	"github.com/charmbracelet/log.Logger":       true,
	"google.golang.org/grpc/grpclog":            true,
	"github.com/go-kratos/kratos/log":           true,
	"github.com/go-kratos/kratos/log.Helper":    true,
	"github.com/alecthomas/kingpin":             true,
	"github.com/alecthomas/kingpin.Application": true,
}

// neverReturns tells the SSA builder which calls end a path.
func neverReturns(fn *types.Func) bool {
	name := FullName(fn)
	return exits[name] || name == "runtime.Goexit" || fatal(name, fn)
}

// fatal reports whether fn is the Fatal, Fatalf or their like of a logger.
func fatal(name string, fn *types.Func) bool {
	return strings.HasPrefix(fn.Name(), "Fatal") && !strings.HasPrefix(fn.Name(), "FatalIf") &&
		fatalLoggers[strings.TrimSuffix(name, "."+fn.Name())]
}

// exitsOnError lists functions that end the process if their argument is an error.
var exitsOnError = map[string]bool{
	"github.com/spf13/cobra.CheckErr":             true,
	"k8s.io/kubectl/pkg/cmd/util.CheckErr":        true,
	"github.com/alecthomas/kingpin.FatalIfError":  true,
	"github.com/zeromicro/go-zero/core/logx.Must": true,
}

// Exit says how a call ends the process, "" if it does not. With maybe, the call
// ends it only if its error argument is not nil.
func (in *Info) Exit(c Call) (how string, maybe bool) {
	if c.Go() || c.Defer() || c.Obj == nil && c.Fn == nil {
		return "", false
	}
	if exits[c.Name] {
		return c.Short(), false
	}
	if exitsOnError[c.Name] {
		return c.Short(), true
	}
	if c.Obj != nil && fatal(c.Name, c.Obj) {
		return c.Short(), false
	}
	if in.zerologFatal(c) {
		return "zerolog's Fatal", false
	}
	if s := in.Summary(c); s != nil && c.Obj != nil {
		if s.Exits != "" {
			return c.Short() + " (" + s.Exits + ")", false
		}
		if s.ExitsOnError != "" {
			return c.Short() + " (" + s.ExitsOnError + ")", true
		}
	}
	return "", false
}

// zerologFatal reports whether a call sends an event of Fatal, which ends the
// process.
func (in *Info) zerologFatal(c Call) bool {
	switch c.Name {
	case "github.com/rs/zerolog.Event.Msg", "github.com/rs/zerolog.Event.Msgf", "github.com/rs/zerolog.Event.Send", "github.com/rs/zerolog.Event.MsgFunc":
	default:
		return false
	}
	ev := c.Recv
	for range maxDepth {
		call, ok := in.Resolve(ev).(*ssa.Call)
		if !ok {
			return false
		}
		k := in.call(call)
		switch {
		case k.Name == "github.com/rs/zerolog.Logger.Fatal" || k.Name == "github.com/rs/zerolog/log.Fatal":
			return true
		case strings.HasPrefix(k.Name, "github.com/rs/zerolog.Event."):
			ev = k.Recv
		default:
			return false
		}
	}
	return false
}

// Terminates reports whether nothing of the function runs after instr.
func (in *Info) Terminates(instr ssa.Instruction) bool {
	switch x := instr.(type) {
	case *ssa.Panic:
		return true
	case *ssa.Call:
		c := in.call(x)
		how, maybe := in.Exit(c)
		return how != "" && !maybe || c.Name == "runtime.Goexit"
	}
	return false
}

func (in *Info) sumExits(fn *ssa.Function, s *Summary) {
	if len(fn.Blocks) == 0 || IsMain(fn) {
		return
	}
	returns, how := false, ""
	WalkBlock(fn.Blocks[0], func(instr ssa.Instruction) bool {
		switch x := instr.(type) {
		case *ssa.Return:
			returns = true
		case *ssa.Call:
			if h, maybe := in.Exit(in.call(x)); h != "" && !maybe {
				if how == "" {
					how = innermost(h)
				}
				return true
			}
		case *ssa.Panic:
			return true
		}
		return false
	})
	if how == "" {
		return
	}
	if !returns {
		s.Exits = how
		return
	}
	if in.exitsOnError(fn) {
		s.ExitsOnError = how
	}
}

// innermost is the last of a chain "a.Fail (log.Fatal)".
func innermost(how string) string {
	if i := strings.LastIndex(how, "("); i >= 0 {
		return strings.TrimRight(how[i+1:], ")")
	}
	return how
}

// exitsOnError reports whether fn is a check of the kind "if err != nil {
// log.Fatal(err) }", of an error that it is given.
func (in *Info) exitsOnError(fn *ssa.Function) bool {
	for _, p := range params(fn) {
		if !isError(p.Type()) {
			continue
		}
		for _, b := range fn.Blocks {
			if len(b.Instrs) == 0 {
				continue
			}
			iff, ok := b.Instrs[len(b.Instrs)-1].(*ssa.If)
			if !ok {
				continue
			}
			cmp, ok := iff.Cond.(*ssa.BinOp)
			if !ok || in.Resolve(cmp.X) != p || cmp.Op != token.NEQ && cmp.Op != token.EQL {
				continue
			}
			bad := b.Succs[0]
			if cmp.Op == token.EQL {
				bad = b.Succs[1]
			}
			for _, instr := range bad.Instrs {
				if call, ok := instr.(*ssa.Call); ok {
					if h, maybe := in.Exit(in.call(call)); h != "" && !maybe {
						return true
					}
				}
			}
		}
	}
	return false
}

// effects lists calls whose results outlive the process, or are lost with it.
var effects = map[string]bool{
	"os.Remove":                                                   true,
	"os.RemoveAll":                                                true,
	"os.Process.Kill":                                             true,
	"runtime/pprof.StopCPUProfile":                                true,
	"runtime/pprof.WriteHeapProfile":                              true,
	"runtime/pprof.Profile.WriteTo":                               true,
	"runtime/trace.Stop":                                          true,
	"golang.org/x/term.Restore":                                   true,
	"golang.org/x/crypto/ssh/terminal.Restore":                    true,
	"syscall.Unmount":                                             true,
	"golang.org/x/sys/unix.Unmount":                               true,
	"bufio.Writer.Flush":                                          true,
	"text/tabwriter.Writer.Flush":                                 true,
	"encoding/csv.Writer.Flush":                                   true,
	"archive/tar.Writer.Close":                                    true,
	"archive/zip.Writer.Close":                                    true,
	"compress/gzip.Writer.Close":                                  true,
	"compress/zlib.Writer.Close":                                  true,
	"compress/flate.Writer.Close":                                 true,
	"github.com/getsentry/sentry-go.Flush":                        true,
	"github.com/dgraph-io/badger.DB.Close":                        true,
	"github.com/cockroachdb/pebble.DB.Close":                      true,
	"github.com/segmentio/kafka-go.Writer.Close":                  true,
	"github.com/IBM/sarama.AsyncProducer.Close":                   true,
	"github.com/IBM/sarama.ConsumerGroup.Close":                   true,
	"github.com/Shopify/sarama.AsyncProducer.Close":               true,
	"github.com/Shopify/sarama.ConsumerGroup.Close":               true,
	"github.com/nats-io/nats.go.Conn.Drain":                       true,
	"cloud.google.com/go/pubsub.Topic.Stop":                       true,
	"github.com/DataDog/datadog-go/statsd.Client.Close":           true,
	"gopkg.in/DataDog/dd-trace-go/ddtrace/tracer.Stop":            true,
	"github.com/lastcall-go/lastcall/shutdown.Exit":               true,
	"github.com/lastcall-go/lastcall/shutdown.Coordinator.Exit":   true,
	"github.com/lastcall-go/lastcall/shutdown.Scope.Close":        true,
	"github.com/lastcall-go/lastcall/shutdown.Registration.Close": true,
}

// waits are effects only if they are deferred directly. A Wait inside a Close waits
// for goroutines that end with the process anyway.
var waits = map[string]bool{"sync.WaitGroup.Wait": true, "golang.org/x/sync/errgroup.Group.Wait": true}

// effectNames are methods that count as effects for any type, if their code is not
// known.
var effectNames = map[string]bool{
	"Shutdown": true, "ShutdownWithContext": true, "ForceFlush": true, "GracefulStop": true,
	"GracefulShutdown": true, "Drain": true, "Disconnect": true, "Deregister": true, "DeregisterService": true,
}

// effectDepth limits the search for an effect. An effect ten calls away is rarely the
// purpose of a deferred call.
const effectDepth = 2

// Effect describes the effect of a call that outlives the process, "" if none is
// known.
func (in *Info) Effect(c Call) (string, int) {
	if _, ok := stops[c.Name]; ok || effects[c.Name] || waits[c.Name] {
		return c.Short(), 0
	}
	if s := in.Summary(c); s != nil {
		if s.Effect != "" && s.Depth <= effectDepth {
			return s.Effect, s.Depth
		}
		return "", 0
	}
	if c.Fn != nil {
		return "", 0
	}
	if c.Obj != nil && c.Obj.Signature().Recv() != nil && effectNames[c.Obj.Name()] {
		return c.Short(), 0
	}
	if c.Obj == nil {
		t := in.Target(c.Instr.Common().Value)
		if t.Made != nil {
			if s := in.Summary(*t.Made); s != nil && s.Cleaner != "" {
				return s.Cleaner, 0
			}
		}
	}
	return "", 0
}

func (in *Info) sumEffects(fn *ssa.Function, s *Summary) {
	for _, c := range in.Calls(fn) {
		if c.Go() || waits[c.Name] && fn.Parent() == nil {
			continue
		}
		if e, depth := in.Effect(c); e != "" && (s.Effect == "" || depth+1 < s.Depth) {
			s.Effect, s.Depth = e, depth+1
			if fn.Parent() != nil {
				s.Depth = depth
			}
		}
	}
	for instr := range Instrs(fn) {
		ret, ok := instr.(*ssa.Return)
		if !ok {
			continue
		}
		for _, r := range ret.Results {
			if lit := in.Function(r); lit != nil && lit.Parent() == fn {
				if ls := in.summaries[lit]; ls != nil && ls.Effect != "" {
					s.Cleaner = ls.Effect
				}
			}
		}
	}
}

// EndsProgram reports whether the program ends when fn returns. Then fn is main, a
// command's Run, or a function that one of these calls last.
func (in *Info) EndsProgram(fn *ssa.Function) bool { return in.endsProgram(fn, 0) }

func (in *Info) endsProgram(fn *ssa.Function, depth int) bool {
	if IsMain(fn) {
		return true
	}
	if depth > 5 {
		return false
	}
	if h := in.handlers[fn]; h != "" {
		return strings.HasPrefix(h, "github.com/spf13/cobra.Command.Run") || strings.HasPrefix(h, "github.com/urfave/cli.Command.Action") || h == "github.com/urfave/cli.App.Action"
	}
	for _, f := range in.Funcs {
		for _, c := range in.Calls(f) {
			if c.Fn == fn && !c.Go() && !c.Defer() && in.goesOn(f, c.Instr) && in.endsProgram(f, depth+1) {
				return true
			}
		}
	}
	return false
}
