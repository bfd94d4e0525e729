package shutdown_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestMisusePanicsWithTheCallersLine(t *testing.T) {
	var nilFunc context.CancelFunc
	for _, tt := range []struct {
		name string
		f    func(c *shutdown.Coordinator)
	}{
		{"Register(nil)", func(c *shutdown.Coordinator) { here(); c.Register(nil) }},
		{"Scope.Register(nil)", func(c *shutdown.Coordinator) { s := c.Scope("s"); here(); s.Register(nil) }},
		{"package Register(nil)", func(*shutdown.Coordinator) { here(); shutdown.Register(nil) }},
		{"Start(nil)", func(c *shutdown.Coordinator) { here(); c.Start(nil) }},
		{"Go(nil)", func(c *shutdown.Coordinator) { here(); c.Go(context.Background(), "", nil) }},
		{"Run(nil)", func(c *shutdown.Coordinator) { here(); c.Run(context.Background(), nil) }},
		{"Main(nil)", func(c *shutdown.Coordinator) { here(); c.Main(nil) }},
		{"package Main(nil)", func(*shutdown.Coordinator) { here(); shutdown.Main(nil) }},
		{"Closer(nil)", func(*shutdown.Coordinator) { here(); shutdown.Closer(nil) }},
		{"Func(nil)", func(*shutdown.Coordinator) { here(); shutdown.Func(nilFunc) }},
		{"Func(nil) error", func(*shutdown.Coordinator) { var f func() error; here(); shutdown.Func(f) }},
		{"Func(nil) ctx", func(*shutdown.Coordinator) { var f func(context.Context); here(); shutdown.Func(f) }},
		{"Func(nil) ctx error", func(*shutdown.Coordinator) { var f func(context.Context) error; here(); shutdown.Func(f) }},
		{"Timeout(-1)", func(*shutdown.Coordinator) { here(); shutdown.Timeout(-1) }},
		{"Reserve(-1)", func(*shutdown.Coordinator) { here(); shutdown.Reserve(-1) }},
		{"Concurrent on a handler", func(c *shutdown.Coordinator) { here(); c.Register(nothing, shutdown.Concurrent()) }},
		{"Concurrent on a scope's handler", func(c *shutdown.Coordinator) { s := c.Scope("s"); here(); s.Register(nothing, shutdown.Concurrent()) }},
		{"Concurrent on a task", func(c *shutdown.Coordinator) { here(); c.Start(nothing, shutdown.Concurrent()) }},
		{"Expect on a scope", func(c *shutdown.Coordinator) { here(); c.Scope("s", shutdown.Expect(errTest)) }},
		{"Expect on a scope in a scope", func(c *shutdown.Coordinator) { s := c.Scope("s"); here(); s.Scope("t", shutdown.Expect(errTest)) }},
		{"package Expect on a scope", func(*shutdown.Coordinator) { here(); shutdown.NewScope("s", shutdown.Expect(errTest)) }},
		{"a negative Grace", func(c *shutdown.Coordinator) { c.Grace = -1; here(); c.Run(context.Background(), nothing) }},
		{"a negative Delay", func(c *shutdown.Coordinator) { c.Delay = -1; here(); c.Run(context.Background(), nothing) }},
		{"a negative Delay in Main", func(c *shutdown.Coordinator) { c.Delay = -1; here(); c.Main(nothing) }},
		{"a second Run", func(c *shutdown.Coordinator) {
			c.Run(context.Background(), nothing)
			below()
			c.Run(context.Background(), nothing)
		}},
		{"a second Run in the first", func(c *shutdown.Coordinator) {
			entered, leave, left := make(chan struct{}), make(chan struct{}), make(chan struct{})
			go func() {
				defer close(left)
				c.Run(context.Background(), func(context.Context) error { close(entered); <-leave; return nil })
			}()
			<-entered
			defer func() { close(leave); <-left }()
			below()
			c.Run(context.Background(), nothing)
		}},
		{"Main after Run", func(c *shutdown.Coordinator) {
			c.Run(context.Background(), nothing)
			below()
			c.Main(nothing)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				v := recover()
				if v == nil {
					t.Fatal("no panic")
				}
				if got := fmt.Sprint(v); !strings.HasPrefix(got, "shutdown: ") || !strings.Contains(got, at) {
					t.Errorf("panic %q, want one that names %s", got, at)
				}
			}()
			tt.f(silent())
		})
	}
}

// at is the line at which the next panic has to be reported.
var at string

// here sets at to the caller's line.
func here() { setAt(0) }

// below sets at to the line after the caller's.
func below() { setAt(1) }

func setAt(lines int) {
	_, _, line, _ := runtime.Caller(2)
	at = fmt.Sprintf("shutdown/usage_test.go:%d", line+lines)
}

// Func takes each of the four signatures, also those of named types.
func TestFunc(t *testing.T) {
	type (
		plain   func()
		failing func() error
		told    func(context.Context)
	)
	type key struct{}
	ctx := context.WithValue(context.Background(), key{}, "the handler's")
	n := 0
	use := func(ctx context.Context) {
		if ctx.Value(key{}) != nil {
			n++
		}
	}
	for name, h := range map[string]func(context.Context) error{
		"func()":                      shutdown.Func(func() { use(ctx) }),
		"func(), named":               shutdown.Func(plain(func() { use(ctx) })),
		"func() error":                shutdown.Func(func() error { use(ctx); return errTest }),
		"func() error, named":         shutdown.Func(failing(func() error { use(ctx); return errTest })),
		"func(context.Context)":       shutdown.Func(use),
		"func(context.Context) named": shutdown.Func(told(use)),
		"as it is: error":             shutdown.Func(func(ctx context.Context) error { use(ctx); return errTest }),
	} {
		n = 0
		err := h(ctx)
		if want := strings.Contains(name, "error"); n != 1 || (err == errTest) != want {
			t.Errorf("%s: called %d times, error %v, want once, error %t", name, n, err, want)
		}
	}
}
