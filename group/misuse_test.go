package group_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lastcall-go/lastcall/group"
)

// above returns the position of the line before its call.
func above() string { return position(-1) }

// here returns the position of its call.
func here() string { return position(0) }

func position(line int) string {
	_, file, at, _ := runtime.Caller(2)
	return fmt.Sprintf("%s:%d", filepath.Base(file), at+line)
}

// TestMisuse checks that a panic names the line of the mistake.
func TestMisuse(t *testing.T) {
	var g group.Group
	for _, tt := range []struct {
		name string
		do   func()
		at   string
	}{
		{"a nil task", func() { g.Go("x", nil) }, here()},
		{"a nil execute", func() { g.Add("x", nil, succeeds) }, here()},
		{"a nil interrupt", func() { g.Add("x", succeeds, nil) }, here()},
		{"an actor's nil execute", func() { g.AddActor("x", nil, func(error) {}) }, here()},
		{"an actor's nil interrupt", func() { g.AddActor("x", func() error { return nil }, nil) }, here()},
		{"a negative Timeout", func() { group.Timeout(-time.Second) }, here()},
		{"a negative Reserve", func() { group.Reserve(-time.Second) }, here()},
		{"a negative Grace", func() { _ = (&group.Group{Grace: -1}).Run(context.Background()) }, here()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				if text := fmt.Sprint(recover()); !strings.Contains(text, tt.at) {
					t.Errorf("the panic is %q, want one that names %s", text, tt.at)
				}
			}()
			tt.do()
		})
	}
	t.Run("leaves the group as it was", func(t *testing.T) {
		if err := g.Run(context.Background()); err != nil {
			t.Errorf("Run() = %v, want nil", err)
		}
	})
}

// A Timeout or Reserve of 0 means none, not no time.
func TestZeroOptions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g group.Group
		g.Go("a", newDiary().obeys("a", 20*s), group.Timeout(0), group.Reserve(0))
		g.Go("b", succeeds)
		checkFailures(t, g.Run(context.Background()))
	})
}
