// Lastcallvet finds faults in how Go programs stop.
//
//	go run github.com/lastcall-go/lastcall/cmd/lastcallvet@latest ./...
//	go vet -vettool=$(which lastcallvet) ./...
//
// It works for any Go program, with or without this library, and knows what happens
// to requests, buffers and traces at the end of the process. The checks and their
// codes are described in
// https://github.com/lastcall-go/lastcall/tree/main/docs/lastcallvet.
package main

import (
	"encoding/json"
	"os"
	"strings"

	"golang.org/x/tools/go/analysis/multichecker"
	"golang.org/x/tools/go/analysis/unitchecker"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/checks"
)

func main() {
	args := os.Args[1:]
	if unit, ok := unitOf(args); ok && dependency(unit) {
		unitchecker.Run(unit, nil)
	}
	if ofTools(args) {
		multichecker.Main(checks.All...)
	}
	os.Exit(run(args, os.Stdout, os.Stderr))
}

// ofTools reports whether the arguments are for the drivers of package
// analysis: the protocol of go vet, or the help.
func ofTools(args []string) bool {
	if _, ok := unitOf(args); ok || len(args) == 0 {
		return true
	}
	return args[0] == "help" || args[0] == "-flags" || strings.HasPrefix(args[0], "-V")
}

// unitOf returns the file in which go vet describes a package.
func unitOf(args []string) (string, bool) {
	if len(args) == 0 || !strings.HasSuffix(args[len(args)-1], ".cfg") {
		return "", false
	}
	return args[len(args)-1], true
}

// dependency reports whether go vet asks only for the facts of a package of the
// standard library or of a dependency. Such a package has no facts (see package
// flow), so it is not analyzed.
func dependency(file string) bool {
	data, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var unit struct {
		VetxOnly                  bool
		ModulePath, ModuleVersion string
		Module                    *struct{ Path, Version string } // since Go 1.27
	}
	if json.Unmarshal(data, &unit) != nil || !unit.VetxOnly {
		return false
	}
	if m := unit.Module; m != nil {
		unit.ModulePath, unit.ModuleVersion = m.Path, m.Version
	}
	return unit.ModulePath == "" || unit.ModuleVersion != ""
}
