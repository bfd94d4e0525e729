package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	path := newFile(t, "old")
	put(t, path+".new", "what a crash has left behind")
	for _, want := range []string{"new", "", "newer"} {
		if err := replace(path, []byte(want)); err != nil {
			t.Fatal(err)
		}
		holds(t, path, want)
	}
	alone(t, path)
}

func TestReplaceThatFailsKeepsTheOld(t *testing.T) {
	t.Run("in the writing", func(t *testing.T) {
		path := newFile(t, "old")
		if err := os.Mkdir(path+".new", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := replace(path, []byte("new")); err == nil {
			t.Error("no error")
		}
		holds(t, path, "old")
	})
	t.Run("in the rename", func(t *testing.T) {
		path := newFile(t, "")
		if err := os.MkdirAll(filepath.Join(path, "not empty"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := replace(path, []byte("new")); err == nil {
			t.Error("no error")
		}
		alone(t, path)
	})
}

// alone fails if the folder of the file has anything but the file and its lock.
func alone(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name != filepath.Base(path) && name != filepath.Base(path)+".lock" {
			t.Errorf("%s is left behind", name)
		}
	}
}
