package recipes_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stopSoon runs a program that is asked to stop after a moment.
func stopSoon(main func(context.Context) error, setup ...func(*shutdown.Coordinator)) {
	setup = append(setup, func(c *shutdown.Coordinator) {
		time.AfterFunc(50*time.Millisecond, func() { c.Stop(nil) })
	})
	play(main, setup...)
}

// stopAfter runs a program that is asked to stop when done is closed.
func stopAfter(done <-chan struct{}, main func(context.Context) error) {
	play(main, func(c *shutdown.Coordinator) {
		go func() {
			<-done
			c.Stop(nil)
		}()
	})
}

func play(main func(context.Context) error, setup ...func(*shutdown.Coordinator)) {
	quiet := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &quiet, Grace: 10 * time.Second}
	for _, f := range setup {
		f(c)
	}
	if err := c.Run(context.Background(), main).Err(); err != nil {
		fmt.Println("error:", err)
	}
}
