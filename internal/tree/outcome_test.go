package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/internal/tree"
)

type incomparable struct{ list []int }

func (incomparable) Error() string { return "incomparable" }

// canceledToo is an error whose Is says that it is context.Canceled, like net's "operation was
// canceled".
type canceledToo struct{}

func (canceledToo) Error() string     { return "canceled, it says of itself" }
func (canceledToo) Is(err error) bool { return err == context.Canceled }

// amongOthers is a failure that wraps another error, and whose Is says that it is context.Canceled.
type amongOthers struct{ error }

func (amongOthers) Is(err error) bool { return err == context.Canceled }
func (e amongOthers) Unwrap() error   { return e.error }

// angry is an error whose methods panic.
type angry struct{}

func (angry) Error() string { panic("angry: Error") }
func (angry) Unwrap() error { panic("angry: Unwrap") }
func (angry) Is(error) bool { panic("angry: Is") }
func (angry) As(any) bool   { panic("angry: As") }

// angryText is an error whose Error method panics.
type angryText struct{}

func (angryText) Error() string { panic("angry: Error") }

// wrapsNothing has an Unwrap method that returns nil.
type wrapsNothing struct{}

func (wrapsNothing) Error() string { return "wraps nothing" }
func (wrapsNothing) Unwrap() error { return nil }

var errCause = errors.New("cause")

// canceledWrapper says of itself that it is context.Canceled, and wraps nothing.
type canceledWrapper struct{ canceledToo }

func (canceledWrapper) Unwrap() error { return nil }

type canceledWrappers struct{ canceledToo }

func (canceledWrappers) Unwrap() []error { return nil }

func TestExcused(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"context.Canceled", context.Canceled, true},
		{"the cause", errCause, true},
		{"wrapped", fmt.Errorf("a: %w", context.Canceled), true},
		{"wrapped twice", fmt.Errorf("a: %w", fmt.Errorf("b: %w", errCause)), true},
		{"a join of these", errors.Join(context.Canceled, errCause), true},
		{"a join of joins of these", errors.Join(errors.Join(errCause), fmt.Errorf("a: %w", context.Canceled)), true},
		{"two wrapped", fmt.Errorf("%w, %w", errCause, context.Canceled), true},
		{"an error whose Is says that it is context.Canceled", canceledToo{}, true},
		{"such an error with an Unwrap that returns nil", canceledWrapper{}, true},
		{"such an error with an Unwrap that returns no errors", canceledWrappers{}, true},
		{"such an error, wrapped", &net.OpError{Op: "dial", Err: canceledToo{}}, true},
		{"such an error, in a join", errors.Join(canceledToo{}, errCause), true},
		{"nil", nil, false},
		{"something else", io.EOF, false},
		{"a join with something else", errors.Join(context.Canceled, io.EOF), false},
		{"two wrapped, one of them something else", fmt.Errorf("%w: %w", io.EOF, context.Canceled), false},
		{"a failure whose Is says so", amongOthers{io.EOF}, false},
		{"a failure, in a join with such an error", errors.Join(canceledToo{}, io.EOF), false},
		{"a deadline", context.DeadlineExceeded, false},
		{"its own deadline", tree.ErrGrace, false},
		{"an error that cannot be compared", incomparable{nil}, false},
		{"an error whose methods panic", angry{}, false},
		{"an error whose methods panic, wrapped", fmt.Errorf("a: %w", wrapsAngry()), false},
		{"an error that wraps nothing", wrapsNothing{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tree.Excused(tt.err, context.Canceled, errCause); got != tt.want {
				t.Errorf("Excused(%s) = %v, want %v", tree.Text(tt.err), got, tt.want)
			}
		})
	}
	if tree.Excused(incomparable{nil}, incomparable{nil}) {
		t.Error("errors that cannot be compared are the same")
	}
	if tree.Excused(context.Canceled) || tree.Excused(canceledToo{}) {
		t.Error("an error is excused although nothing was asked")
	}
}

// wrapsAngry returns an error that wraps angry. It does not use fmt.Errorf, which would call Error.
func wrapsAngry() error { return &net.OpError{Op: "dial", Err: angry{}} }

// TestOutcomes has errors of steps that were asked to stop or not, and the outcome of each.
func TestOutcomes(t *testing.T) {
	told := func(err error) tree.Func { return func(ctx context.Context) error { <-ctx.Done(); return err } }
	atOnce := func(err error) tree.Func { return func(context.Context) error { return err } }
	ctxErr := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ctxCause := func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("stopped: %w", context.Cause(ctx)) }
	const okay, failed, late = outcome(tree.OK), outcome(tree.Failed), outcome(tree.Late)
	for _, tt := range []struct {
		name    string
		kind    tree.Kind
		f       tree.Func
		expect  []error
		want    outcome
		err     string
		excused string
	}{
		{"nil", tree.Task, told(nil), nil, okay, "", ""},
		{"the context's error", tree.Task, ctxErr, nil, okay, "", ""},
		{"the cause alone has no text for the report", tree.Task, func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, nil, okay, "", ""},
		{"the text of an excused error is kept", tree.Task, ctxCause, nil, okay, "", "stopped: the program stops: context canceled"},
		{"a join of only these has no text", tree.Main, func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(ctx.Err(), context.Cause(ctx))
		}, nil, okay, "", ""},
		{"one branch of a join has more text", tree.Main, func(ctx context.Context) error {
			<-ctx.Done()
			return errors.Join(ctx.Err(), fmt.Errorf("copied 3 of 10 files: %w", ctx.Err()))
		}, nil, okay, "", "context canceled\ncopied 3 of 10 files: context canceled"},
		{"a failure", tree.Task, told(io.EOF), nil, failed, "EOF", ""},
		{"an error whose Is says that it is canceled", tree.Task, told(canceledToo{}), nil, okay, "", "canceled, it says of itself"},
		{"before it was told nothing is excused", tree.Task, atOnce(context.Canceled), nil, failed, "context canceled", ""},
		{"nor an expected error", tree.Task, atOnce(io.EOF), []error{io.EOF}, failed, "EOF", ""},
		{"an expected error", tree.Task, told(fmt.Errorf("reader: %w", io.EOF)), []error{nil, io.EOF}, okay, "", "reader: EOF"},
		{"an expected error that cannot be compared", tree.Task, told(incomparable{nil}), []error{incomparable{nil}}, failed, "incomparable", ""},
		{"an error whose Is says that it is expected", tree.Task, told(canceledToo{}), []error{context.Canceled}, okay, "", "canceled, it says of itself"},
		{"a join of expected and asked", tree.Task, told(errors.Join(io.EOF, context.Canceled)), []error{io.EOF}, okay, "", "EOF\ncontext canceled"},
		{"a join of expected and unexpected", tree.Task, told(errors.Join(io.EOF, io.ErrClosedPipe)), []error{io.EOF}, failed, "EOF\nio: read/write on closed pipe", ""},
		{"expected methods that panic", tree.Task, told(io.EOF), []error{angry{}}, failed, "EOF", ""},
		{"a handler is not asked to stop", tree.Handler, atOnce(context.Canceled), nil, failed, "context canceled", ""},
		{"but may have expected errors", tree.Handler, atOnce(io.EOF), []error{io.EOF}, okay, "", "EOF"},
		{"a handler's own deadline is no excuse", tree.Handler, ctxErr, nil, late, "returned only after its deadline: context deadline exceeded", ""},
		{"at its deadline a step is late, without an error, too", tree.Handler, told(nil), nil, late, "returned only after its deadline", ""},
		{"a step that says that its deadline cut its work short is late", tree.Task, told(fmt.Errorf("3 requests cut short: %w", tree.ErrGrace)), nil, late, "3 requests cut short: ", ""},
		{"also a handler", tree.Handler, atOnce(fmt.Errorf("flushed 3 of 10: %w", tree.ErrGrace)), nil, late, "flushed 3 of 10: ", ""},
		{"but not if it has failed as well", tree.Task, told(errors.Join(io.EOF, tree.ErrGrace)), nil, failed, "EOF\n", ""},
		{"nor because of another step's deadline", tree.Task, told(fmt.Errorf("closing: %w", tree.ErrSkipped)), nil, failed, "closing: ", ""},
		{"nor because of a step that was abandoned", tree.Task, told(fmt.Errorf("closing: %w", &stuckError{})), nil, failed, "closing: ", ""},
		{"a hold's own deadline neither", tree.Hold, ctxErr, nil, late, "returned only after its deadline: context deadline exceeded", ""},
		{"methods that panic", tree.Task, told(angry{}), nil, failed, "tree_test.angry, its Error method panicked: angry: Error", ""},
		{"a text that panics, expected", tree.Task, told(angryText{}), []error{angryText{}}, okay, "", ""},
		{"methods that panic, wrapped", tree.Task, told(wrapsAngry()), nil, failed, "*net.OpError, its Error method panicked: angry: Error", ""},
		{"a server that was closed gets a hint", tree.Task, told(fmt.Errorf("serve: %w", errors.New("http: Server closed"))), nil, failed, "serve: http: Server closed (if this is the normal answer to a stop, name it with Expect", ""},
		{"a connection that was closed, too", tree.Task, told(net.ErrClosed), nil, failed, "use of closed network connection (if this is", ""},
		{"but not before it was told", tree.Task, atOnce(errors.New("http: Server closed")), nil, failed, "http: Server closed", ""},
		{"nor if it is expected", tree.Task, told(net.ErrClosed), []error{net.ErrClosed}, okay, "", "use of closed network connection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(p *program) {
				n := newStep(tt.kind, "step", tt.f, tree.Limits{})
				if tt.expect != nil {
					n.More = &tree.More{Expect: tt.expect}
				}
				l := p.stack
				if tt.kind == tree.Main || tt.kind == tree.Hold {
					l = p.body
				}
				if tt.kind == tree.Handler {
					p.add(l, n)
				} else {
					p.run(l, n)
				}
				time.Sleep(s)
				p.stop(20 * s)
				text := tree.Text(n.Err)
				if outcome(n.Outcome) != tt.want || !strings.HasPrefix(text, tt.err) || (tt.err == "") != (text == "") {
					t.Errorf("%v, %q; want %v, %q", outcome(n.Outcome), text, tt.want, tt.err)
				}
				if strings.Contains(text, "Expect") != strings.Contains(tt.err, "if this is") {
					t.Errorf("the error says %q", text)
				}
				if n.Excused() != tt.excused {
					t.Errorf("excused is %q, want %q", n.Excused(), tt.excused)
				}
				if tt.want == late && !errors.Is(n.Err, tree.ErrGrace) {
					t.Error("a late error does not wrap ErrGrace")
				}
			})
		})
	}
}

func TestAfterASecondSignalItsCauseIsAnAnswer(t *testing.T) {
	inBubble(t, func(p *program) {
		second := errors.New("second signal")
		h := p.handler(p.stack, "h", func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }, tree.Limits{})
		p.after(s, func() { p.locked(func() { p.Force(second) }) })
		p.stop(20 * s)
		checkOutcome(t, h, outcome(tree.OK), "")
	})
}

// A step is not late if it waits at its deadline for a node that it stops.
func TestAStepIsNotLateBecauseOfAnother(t *testing.T) {
	inBubble(t, func(p *program) {
		hangs := hangs("hangs")
		p.build(p.stack, hangs)
		p.handler(p.stack, "closer", func(ctx context.Context) error { return p.close(ctx, hangs.node, tree.Never) }, tree.Limits{})
		p.mainRuns("group", false, &spec{name: "task", takes: forever})
		p.stop(20 * s)
		wantLines(t, "ended", p.ended,
			"task abandoned at 17.5s", "main ok at 17.5s", "hangs abandoned at 18.925s", "closer ok at 18.925s")
	})
}

func TestIn(t *testing.T) {
	inner := errors.New("inner")
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{inner, true},
		{fmt.Errorf("a: %w", inner), true},
		{errors.Join(io.EOF, fmt.Errorf("a: %w", inner)), true},
		{nil, false},
		{io.EOF, false},
		{errors.New("inner"), false},
		{incomparable{nil}, false},
		{angry{}, false},
		{errors.Join(wrapsAngry(), inner), false}, // as far as can be seen
	} {
		if got := tree.In(tt.err, inner); got != tt.want {
			t.Errorf("In(%s) = %v, want %v", tree.Text(tt.err), got, tt.want)
		}
	}
}

func TestErrGrace(t *testing.T) {
	for _, err := range []error{tree.ErrGrace, tree.ErrSkipped} {
		if !errors.Is(err, tree.ErrGrace) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v wraps not both", err)
		}
	}
}
