//go:build unix

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// TestGoRunLatest publishes this module to a module proxy made of files, and runs it from an empty
// folder as a user would. What it needs is taken from the module cache of this machine.
func TestGoRunLatest(t *testing.T) {
	const path = "github.com/lastcall-go/lastcall/cmd/drill"
	proxy := publish(t, module.Version{Path: path, Version: "v0.1.0"})
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(testServer, "polite")
	cmd := exec.Command("go", "run", path+"@latest", "-o", "json", "-runs", "1", "-clients", "4", "-new", "0", "-h2", "0",
		"-idle", "0", "-silent", "0", "-load", "50ms", "-start", "2m", "-limit", "2m", "--", os.Args[0])
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-modcacherw", "GOSUMDB=off", "GOMODCACHE="+t.TempDir(),
		"GOPROXY=file://"+proxy+",file://"+filepath.Join(strings.TrimSpace(string(cache)), "cache", "download"))
	var progress strings.Builder
	cmd.Stderr = &progress
	out, err := cmd.Output()
	var doc Document
	if err != nil || json.Unmarshal(out, &doc) != nil || len(doc.Reports) != 1 || doc.Reports[0].Lost[0] != 0 {
		t.Fatalf("%v, want a report and nothing lost:\n%s%s", err, out, &progress)
	}
	if want := "downloading " + path + " v0.1.0"; !strings.Contains(progress.String(), want) {
		t.Errorf("no %q in:\n%s", want, &progress)
	}
}

// publish returns the folder of a module proxy that has one version of this module.
func publish(t *testing.T, m module.Version) string {
	t.Helper()
	proxy := t.TempDir()
	dir := filepath.Join(proxy, filepath.FromSlash(m.Path), "@v")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(gomod), "replace") {
		t.Fatal("go.mod has a replace, with which go run path@version does not work")
	}
	for name, content := range map[string]string{
		"list": m.Version + "\n", m.Version + ".info": `{"Version":"` + m.Version + `"}`, m.Version + ".mod": string(gomod),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := os.Create(filepath.Join(dir, m.Version+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := zip.CreateFromDir(f, m, "."); err != nil {
		t.Fatal(err)
	}
	return proxy
}
