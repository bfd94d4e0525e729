package shutdown

import (
	"context"
	"fmt"
	"io"

	"github.com/lastcall-go/lastcall/internal/site"
)

// Closer makes a handler of an io.Closer. Close has no context: if it hangs, it is abandoned like
// any other handler. Closer panics if c is nil.
func Closer(c io.Closer) func(context.Context) error {
	if c == nil {
		panic("shutdown: Closer(nil), at " + site.Caller(2))
	}
	return func(context.Context) error { return c.Close() }
}

// Func makes a handler of a function with another signature. The function may have a named type,
// such as context.CancelFunc. Func panics if f is nil.
func Func[F interface {
	~func() | ~func() error | ~func(context.Context) | ~func(context.Context) error
}](f F) func(context.Context) error {
	// A type switch does not match named types, so convert has converted f to its underlying type.
	switch h := convert(f).(type) {
	case func():
		if h != nil {
			return func(context.Context) error { h(); return nil }
		}
	case func() error:
		if h != nil {
			return func(context.Context) error { return h() }
		}
	case func(context.Context):
		if h != nil {
			return func(ctx context.Context) error { h(ctx); return nil }
		}
	case func(context.Context) error:
		if h != nil {
			return h
		}
	}
	panic(fmt.Sprintf("shutdown: Func(nil %T), at %s", f, site.Caller(2)))
}
