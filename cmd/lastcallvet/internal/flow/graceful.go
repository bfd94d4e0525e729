package flow

import "golang.org/x/tools/go/ssa"

const gracefulStop = "google.golang.org/grpc.Server.GracefulStop"

// GracefulAlone reports whether a call waits for gRPC's GracefulStop without a limit.
func (in *Info) GracefulAlone(c Call) bool {
	if c.Name != gracefulStop {
		s := in.Summary(c)
		return s != nil && s.Graceful != "" && c.Obj != nil && !in.stopsGRPC() && !in.BoundedOutside(c)
	}
	return !in.stopsGRPC() && !in.BoundedOutside(c)
}

// stopsGRPC reports whether any function of the package calls Stop of a gRPC server.
// Its author knows that GracefulStop may not return.
func (in *Info) stopsGRPC() bool {
	for _, fn := range in.Funcs {
		for _, c := range in.Calls(fn) {
			if c.Name == "google.golang.org/grpc.Server.Stop" {
				return true
			}
		}
		for instr := range Instrs(fn) {
			if mc, ok := instr.(*ssa.MakeClosure); ok {
				if f, ok := mc.Fn.(*ssa.Function); ok && f.Name() == "Stop$bound" {
					return true
				}
			}
		}
	}
	return false
}

// sumGraceful finds exported functions of a library that leave the limit of a stop
// to their callers.
func (in *Info) sumGraceful(fn *ssa.Function, s *Summary) {
	if !in.LeavesToCaller(fn) {
		return
	}
	for _, c := range in.Calls(fn) {
		if !c.Go() && in.GracefulAlone(c) {
			s.Graceful = "grpc.Server.GracefulStop"
		}
	}
}
