//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package main

import (
	"strings"
	"testing"
)

func TestASecondCounterIsRefused(t *testing.T) {
	path := newFile(t, "7\n")
	lock, err := lockFile(path + ".lock")
	if err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := play(t, "-file", path, "-end", "return", "-every", "0")
	if code != 1 || stdout != "" || !strings.Contains(stderr, "another counter is using it") {
		t.Errorf("exit status %d, said %q, want 1, nothing, and an error\n%s", code, stdout, stderr)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := play(t, "-file", path, "-end", "return", "-after", "1", "-every", "0"); code != 0 {
		t.Errorf("exit status %d after the first has ended\n%s", code, stderr)
	}
	holds(t, path, "8\n")
}
