package httpdrain

import (
	"net/http"
	"path"
	"reflect"
	"runtime"
	"strings"
)

// misused logs what net/http would, for a call of a method of *response. net/http would name that
// method as the caller.
func (s *server) misused(what string) {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(2, pc)])
	for {
		frame, more := frames.Next()
		if !more || !strings.HasPrefix(frame.Function, "net/http.") && !strings.HasPrefix(frame.Function, ownMethods) {
			s.logf("http: %s from %s (%s:%d)", what, frame.Function, path.Base(frame.File), frame.Line)
			return
		}
	}
}

// ownMethods is what the names of the methods of *response begin with.
var ownMethods = reflect.TypeFor[response]().PkgPath() + ".(*response)."

// writeHijacked is Write after Hijack, as in net/http.
func (w *response) writeHijacked(n int) (int, error) {
	if n > 0 {
		w.link.s.misused("response.Write on hijacked connection")
	}
	return 0, http.ErrHijacked
}
