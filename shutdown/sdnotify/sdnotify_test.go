package sdnotify_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/lastcall-go/lastcall/shutdown"
	"github.com/lastcall-go/lastcall/shutdown/sdnotify"
)

const s = time.Second

var nop = func() *zerolog.Logger { l := zerolog.Nop(); return &l }()

func TestNoEffectWithoutSystemd(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	t.Setenv("WATCHDOG_USEC", "no number") // not read
	synctest.Test(t, func(t *testing.T) {
		c := quiet()
		sdnotify.Attach(c)
		if c.Observe != nil {
			t.Error("Attach set Observe")
		}
		calls := 0
		r := c.Run(t.Context(), func(ctx context.Context) error {
			if err := sdnotify.Ready(ctx); err != nil {
				t.Errorf("Ready: %v", err)
			}
			time.AfterFunc(10*s, func() { c.Stop(nil) })
			return sdnotify.Watchdog(func(context.Context) error { calls++; return nil })(ctx)
		})
		if r.Err() != nil || calls != 0 {
			t.Errorf("%d calls of healthy, want none; report %v", calls, r)
		}
	})
}

func TestNilArgumentsPanic(t *testing.T) {
	for name, call := range map[string]func(){
		"Attach":   func() { sdnotify.Attach(nil) },
		"Watchdog": func() { sdnotify.Watchdog(nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				text, _ := recover().(string)
				if !strings.Contains(text, name) || !strings.Contains(text, "sdnotify_test.go:") {
					t.Errorf("panic %q, want it to name %s and this file", text, name)
				}
			}()
			call()
		})
	}
}

// quiet returns a Coordinator without signals and log.
func quiet() *shutdown.Coordinator {
	return &shutdown.Coordinator{Grace: 20 * s, Signals: []os.Signal{}, Logger: nop}
}
