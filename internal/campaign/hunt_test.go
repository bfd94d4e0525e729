//go:build mutants

package campaign

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each mutant is compiled into the campaign in place of the file that it changes. The files of the
// module stay as they are.
//
//	go test -tags mutants -run Mutants -v -timeout 1h ./internal/campaign
func TestMutants(t *testing.T) {
	root := moduleRoot(t)
	for _, m := range allMutants() {
		t.Run(m.name, func(t *testing.T) { m.hunt(t, root) })
	}
}

// seedOf finds the seed of a program in what the campaign says of it, and in the traceback of a crash.
var seedOf = regexp.MustCompile(`seed (\d+):|"seed": ?"(\d+)"`)

// hunt plays programs against the mutant until one finds it.
func (m mutant) hunt(t *testing.T, root string) {
	file, source, err := m.apply(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed, overlay := filepath.Join(dir, filepath.Base(file)), filepath.Join(dir, "overlay.json")
	write(t, changed, source)
	plan, err := json.Marshal(map[string]any{"Replace": map[string]string{file: changed}})
	if err != nil {
		t.Fatal(err)
	}
	write(t, overlay, plan)
	cmd := exec.Command("go", "test", "-overlay", overlay, "-count=1", "-run", "^TestCampaign$", ".",
		"-campaign.seed", "1", "-campaign.n", fmt.Sprint(maxSeeds))
	out, err := cmd.CombinedOutput()
	at := seedOf.FindStringSubmatch(string(out))
	switch {
	case err == nil:
		t.Errorf("not found in %d programs: %s", maxSeeds, m.breaks)
	case at == nil && strings.Contains(string(out), "campaign.shrink("):
		t.Log("found; a smaller program crashes")
	case at == nil:
		t.Errorf("%v\n%s", err, out)
	default:
		lines := strings.SplitN(string(out), "\n", 4)
		t.Logf("found after %s programs: %s", at[1]+at[2], strings.TrimSpace(lines[min(2, len(lines)-1)]))
	}
}

func write(t *testing.T, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
