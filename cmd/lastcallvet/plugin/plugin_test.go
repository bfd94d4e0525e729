package plugin_test

import (
	"strings"
	"testing"

	"github.com/golangci/plugin-module-register/register"
	"go.uber.org/goleak"

	_ "github.com/lastcall-go/lastcall/cmd/lastcallvet/plugin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// names opens the plugin as golangci-lint does and lists its analyzers.
func names(t *testing.T, settings any) ([]string, error) {
	t.Helper()
	open, err := register.GetPlugin("lastcallvet")
	if err != nil {
		t.Fatal(err)
	}
	p, err := open(settings)
	if err != nil {
		return nil, err
	}
	if got, want := p.GetLoadMode(), register.LoadModeTypesInfo; got != want {
		t.Errorf("GetLoadMode() = %q, want %q", got, want)
	}
	analyzers, err := p.BuildAnalyzers()
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, a := range analyzers {
		list = append(list, a.Name)
	}
	return list, nil
}

func TestPlugin(t *testing.T) {
	const all = "deadctx unbounded serveends exit signals packageserve outerctx norun ignore"
	got, err := names(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != all {
		t.Errorf("analyzers = %v, want %s", got, all)
	}
	got, err = names(t, map[string]any{"disable": []string{"packageserve", "ignore"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := "deadctx unbounded serveends exit signals outerctx norun"; strings.Join(got, " ") != want {
		t.Errorf("analyzers = %v, want %s", got, want)
	}
}

func TestSettings(t *testing.T) {
	for _, settings := range []any{
		map[string]any{"disable": []string{"serve"}},
		map[string]any{"disabled": []string{"exit"}},
		map[string]any{"disable": 1},
	} {
		if got, err := names(t, settings); err == nil {
			t.Errorf("settings %v: analyzers = %v, want an error", settings, got)
		}
	}
}
