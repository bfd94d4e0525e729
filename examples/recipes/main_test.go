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

// stopSoon runs main as Main would, and stops it when it has had time to start.
func stopSoon(main func(context.Context) error, setup ...func(*shutdown.Coordinator)) {
	quiet := zerolog.Nop()
	c := &shutdown.Coordinator{Signals: []os.Signal{}, Logger: &quiet, Grace: 10 * time.Second}
	for _, f := range setup {
		f(c)
	}
	timer := time.AfterFunc(50*time.Millisecond, func() { c.Stop(nil) })
	defer timer.Stop()
	if err := c.Run(context.Background(), main).Err(); err != nil {
		fmt.Println("error:", err)
	}
}
