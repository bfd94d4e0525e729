//go:build unix

package manifest_test

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A pipe in a directory is not read: reading it could block for ever.
func TestPipeInADirectoryIsSkipped(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o600); err != nil {
		t.Fatal(err)
	}
	if files := manifest.Read([]string{dir}, "", strings.NewReader(""))[0].Files; len(files) != 0 {
		t.Errorf("%d files, want none", len(files))
	}
}
