package stacks_test

import (
	"testing"

	"github.com/lastcall-go/lastcall/internal/stacks"
)

func TestWaitState(t *testing.T) {
	for head, want := range map[string]string{
		"goroutine 7 [select]:":                                           "select",
		"goroutine 7 [chan receive (nil chan), 2 minutes]:":               "chan receive (nil chan)",
		"goroutine 7 [sync.Mutex.Lock, locked to thread]:":                "sync.Mutex.Lock",
		"goroutine 7 [chan receive (durable), synctest bubble 3]:":        "chan receive (durable)",
		`goroutine 7 [IO wait labels:{"lastcall": "a, b]: [c"}]:`:         "IO wait",
		`goroutine 7 [select, 2 minutes labels:{"lastcall": "labels:"}]:`: "select",
		"": "",
	} {
		if got := stacks.WaitState(head); got != want {
			t.Errorf("%s: %q, want %q", head, got, want)
		}
	}
}
