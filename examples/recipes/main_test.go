package recipes_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

// programs are mains of recipes that need a process of their own. The test binary runs the one
// that the environment names.
var programs = map[string]func(){}

func TestMain(m *testing.M) {
	if main := programs[os.Getenv("RECIPE")]; main != nil {
		main()
		return
	}
	goleak.VerifyTestMain(m)
}

// stopSoon runs a program that is asked to stop after a moment.
func stopSoon(main func(context.Context) error) {
	c := coordinator()
	time.AfterFunc(50*time.Millisecond, func() { c.Stop(nil) })
	play(c, main)
}

// stopAfter runs a program that is asked to stop when done is closed.
func stopAfter(done <-chan struct{}, main func(context.Context) error) {
	c := coordinator()
	go func() {
		<-done
		c.Stop(nil)
	}()
	play(c, main)
}

// coordinator makes a Coordinator that no signal of the test's process stops.
func coordinator() *shutdown.Coordinator {
	quiet := zerolog.Nop()
	return &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &quiet, Grace: 10 * time.Second}
}

// play runs a program, and prints its failures.
func play(c *shutdown.Coordinator, main func(context.Context) error) {
	c.Main(main)
	if err := c.Report().Err(); err != nil {
		fmt.Println("error:", err)
	}
}

// events are what has happened, in order.
type events struct {
	mu  sync.Mutex
	all []string
}

func (e *events) add(event string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) list() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.all)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
