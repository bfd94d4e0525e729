package checks_test

import (
	"reflect"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/tools/go/analysis"
	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/checks"
	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// suite is one analyzer with all checks, so that each check sees the cases of the
// others, and the packages are loaded only once.
func suite() *analysis.Analyzer {
	return &analysis.Analyzer{
		Name:       "suite",
		Doc:        "all checks",
		Requires:   []*analysis.Analyzer{flow.Analyzer},
		ResultType: reflect.TypeFor[[]string](),
		Run: func(pass *analysis.Pass) (any, error) {
			var found []string
			one := *pass
			one.Report = func(d analysis.Diagnostic) {
				found = append(found, d.Category)
				pass.Report(d)
			}
			for _, a := range checks.All {
				if _, err := a.Run(&one); err != nil {
					return nil, err
				}
			}
			return found, nil
		},
	}
}

func TestChecks(t *testing.T) {
	found := map[string]int{}
	results := analysistest.RunWithSuggestedFixes(t, analysistest.TestData(), suite(), "example.com/...")
	for _, r := range results {
		for _, code := range r.Result.([]string) {
			found[code]++
		}
	}
	for _, a := range checks.All {
		if a.Name != "ignore" && found[a.Name] < 10 {
			t.Errorf("%d cases have %s, want at least 10", found[a.Name], a.Name)
		}
	}
}
