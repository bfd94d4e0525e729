//go:build unix

package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhile drills a server that is unavailable while a file exists.
func TestWhile(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken")
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat(broken); err == nil {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer srv.Close()
	load := []string{"-url", srv.URL, "-runs", "1", "-load", "50ms", "-requests", "20", "-clients", "2", "-new", "1", "-h2", "0", "-while"}
	for _, test := range []struct {
		name, command string
		code          int
		want          string
	}{
		{"nothing is lost", "true", 0, "while: grade A\n"},
		{"requests are lost", "touch " + broken + "; sleep 0.5; rm " + broken, 1, "while: grade C\n"},
		{"the command fails", "exit 3", 1, "grade F\n  command ended with exit status 3\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out, errs := held(t, append(load, test.command)...)
			if code != test.code || !strings.Contains(out, test.want) {
				t.Errorf("exit status %d, want %d and %q:\n%s%s", code, test.code, test.want, out, errs)
			}
		})
	}
}
