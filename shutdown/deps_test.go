package shutdown_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/internal/emulated"
)

const module = "github.com/lastcall-go/lastcall/"

// Dependencies go downward only. The packages outside of the standard library that a package
// imports are a part of its contract.
func TestDependencies(t *testing.T) {
	emulated.SkipUnder(t, "wine", "it has no go command")
	notify := module + "internal/notify"
	known := module + "internal/known"
	tree := []string{module + "internal/tree", module + "internal/site", module + "internal/stacks", known}
	zerolog := []string{"github.com/rs/zerolog", "github.com/mattn/go-colorable", "github.com/mattn/go-isatty", "golang.org/x/sys"}
	core := slices.Clip(slices.Concat(zerolog, tree, []string{notify, module + "signals", module + "group", "github.com/oklog/run"}))
	for _, tt := range []struct {
		pkg     string
		allowed []string
	}{
		{"internal/site", nil},
		{"internal/stacks", nil},
		{"internal/tree", tree},
		{"internal/known", nil},
		{"internal/unsent", []string{"golang.org/x/sys"}},
		{"internal/notify", []string{known}},
		{"signals", []string{notify, known}},
		{"group", append(slices.Clip(tree), "github.com/oklog/run")},
		{"shutdown", core},
		{"shutdown/httpdrain", append(core, module+"shutdown", module+"internal/unsent")},
		{"shutdown/kube", append(core, module+"shutdown")},
		{"shutdown/shutdowntest", append(core, module+"shutdown", "go.uber.org/goleak")},
		{"internal/campaign", []string{}},
		{"shutdown/sdnotify", append(core, module+"shutdown", "github.com/coreos/go-systemd/v22")},
	} {
		t.Run(tt.pkg, func(t *testing.T) {
			for _, dep := range dependencies(t, module+tt.pkg) {
				if dep != module+tt.pkg && !isOneOf(dep, tt.allowed) {
					t.Errorf("%s depends on %s", tt.pkg, dep)
				}
			}
		})
	}
}

// dependencies returns the imports outside of the standard library.
func dependencies(t *testing.T, pkg string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", cmd, err)
	}
	deps := strings.Fields(string(out))
	if len(deps) == 0 {
		t.Fatalf("%v: no output", cmd)
	}
	return deps
}

func isOneOf(pkg string, allowed []string) bool {
	for _, a := range allowed {
		if pkg == a || strings.HasPrefix(pkg, a+"/") {
			return true
		}
	}
	return false
}
