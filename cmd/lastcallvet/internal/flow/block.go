package flow

import (
	"strings"

	"golang.org/x/tools/go/ssa"
)

// waitNames are methods that may wait for another goroutine.
var waitNames = map[string]bool{
	"Wait": true, "Run": true, "Stop": true, "Shutdown": true, "Join": true, "Close": true, "Start": true, "Serve": true,
	"Lock": true, "RLock": true, "Sleep": true, "Do": true, "Get": true, "Acquire": true, "AwaitTerminated": true,
}

// quiet lists packages whose functions never wait for another goroutine of the
// program.
var quiet = map[string]bool{
	"log": true, "log/slog": true, "fmt": true, "errors": true, "os": true, "strings": true, "strconv": true, "context": true, "io": true,
	"go.uber.org/zap": true, "github.com/rs/zerolog": true, "github.com/rs/zerolog/log": true,
	"github.com/sirupsen/logrus": true, "k8s.io/klog": true, "github.com/go-logr/logr": true,
	"github.com/golang/glog": true, "github.com/pkg/errors": true, "os/signal": true,
}

// mayBlock reports whether an instruction may wait for another goroutine. If that is
// not known, it is true.
func (in *Info) mayBlock(instr ssa.Instruction) bool {
	switch x := instr.(type) {
	case *ssa.UnOp:
		return x.Op.String() == "<-"
	case *ssa.Select:
		return true
	case *ssa.Send:
		return true
	case *ssa.Go, *ssa.MakeClosure:
		return false
	case ssa.CallInstruction:
		return in.callMayBlock(in.call(x))
	}
	return false
}

func (in *Info) callMayBlock(c Call) bool {
	if _, ok := c.Instr.Common().Value.(*ssa.Builtin); ok {
		return false
	}
	if in.cancels(c) {
		return false
	}
	if c.Name == "golang.org/x/sync/errgroup.Group.Wait" || c.Name == "sync.WaitGroup.Wait" {
		return true
	}
	if c.Fn == nil && c.Obj == nil {
		return true
	}
	if s := in.Summary(c); s != nil {
		return s.Blocks
	}
	if c.Fn != nil { // not summarized yet
		return false
	}
	if c.Obj.Pkg() != nil && quiet[unversioned(c.Obj.Pkg().Path())] {
		return false
	}
	name := c.Obj.Name()
	if c.Obj.Pkg() == nil { // error.Error
		return false
	}
	if name == "Close" && !c.Iface() && c.Obj.Pkg() != nil {
		// The Close of a library's type, a database: it does not wait for our goroutines.
		return false
	}
	return waitNames[name] || strings.HasPrefix(name, "Wait") || strings.HasPrefix(name, "Await")
}

// cancels reports whether a call calls a cancel function.
func (in *Info) cancels(c Call) bool {
	t := c.Instr.Common().Value.Type()
	switch typeName(t) {
	case "context.CancelFunc", "context.CancelCauseFunc":
		return true
	}
	return false
}
