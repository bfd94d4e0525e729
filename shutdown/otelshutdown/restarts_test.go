package otelshutdown_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/group"
	"github.com/lastcall-go/lastcall/shutdown/otelshutdown"
	"github.com/lastcall-go/lastcall/shutdown/shutdowntest"
)

// The worker fails twice. Its span and a metric say so, and nothing says so of the other task.
func TestRestarts(t *testing.T) {
	inBubble(t, func(t *testing.T, m *telemetry) {
		c := shutdowntest.New(t)
		otelshutdown.Register(c, m.providers())
		calls := 0
		p := shutdowntest.Start(t, c, func(ctx context.Context) error {
			var g group.Group
			g.Go("worker", func(ctx context.Context) error {
				if calls++; calls < 3 {
					return errors.New("no connection")
				}
				<-ctx.Done()
				return nil
			}, group.Restart(group.Policy{}))
			g.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
			return g.Run(ctx)
		})
		time.Sleep(s)
		p.Stop(nil)
		r := p.Wait()
		got := make(map[string]string)
		for _, span := range m.drainSpans() {
			d := describe(span, r.Began)
			if n, ok := d.Attributes["lastcall.step.restarts"]; ok {
				got[d.Name] = fmt.Sprint(n, " ", d.Attributes["lastcall.step.last_error"])
			}
		}
		if diff := cmp.Diff(map[string]string{"task worker": "2 no connection"}, got); diff != "" {
			t.Errorf("restarts in spans (-want +got):\n%s", diff)
		}
		_, data, _ := m.got()
		lines := slices.DeleteFunc(points(&data[0]), func(line string) bool { return !strings.Contains(line, "restarts") })
		if want := "lastcall.step.restarts {restart} {task ok}: 2"; len(lines) != 1 || lines[0] != want {
			t.Errorf("the metrics of restarts are %q, want %q", lines, want)
		}
	})
}
