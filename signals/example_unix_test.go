//go:build unix

package signals_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/lastcall-go/lastcall/signals"
)

// The cause of the context has the signal and the exit status that a shell expects.
func ExampleNotifyContext() {
	ctx, stop := signals.NotifyContext(context.Background())
	defer stop()

	// Somebody runs "kill" or presses Ctrl-C.
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		fmt.Println(err)
		return
	}
	<-ctx.Done()

	cause := context.Cause(ctx)
	fmt.Println(cause)
	var e *signals.Error
	if errors.As(cause, &e) {
		fmt.Println("exit status", e.ExitCode())
	}
	// Output:
	// received signal terminated
	// exit status 143
}
