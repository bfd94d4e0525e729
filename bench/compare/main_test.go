package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// TestMain is a child too, where a test starts this binary as one.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == childArg {
		if err := child(os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

func TestWhatCannotBeWrittenIsSaidAtOnce(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string
	}{
		{[]string{"-o", filepath.Join(t.TempDir(), "none")}, "is not a folder"},
		{[]string{"-o", os.Args[0]}, "is not a folder"},
		{[]string{"more"}, `unknown argument "more"`},
	} {
		err := compare(context.Background(), test.args, io.Discard)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("compare(%q): %v, want %q", test.args, err, test.want)
		}
	}
}

func TestAnInterruptedRunWritesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := compare(ctx, []string{"-quick", "-o", dir}, io.Discard); err == nil {
		t.Error("no error")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
}
