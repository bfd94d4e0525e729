// Package plugin makes the checks of lastcallvet a module plugin of golangci-lint,
// with the name lastcallvet. The command does not import it, and so does not need
// golangci-lint's package.
//
// In .custom-gcl.yml:
//
//	version: v2.15.0
//	plugins:
//	  - module: github.com/lastcall-go/lastcall/cmd/lastcallvet
//	    import: github.com/lastcall-go/lastcall/cmd/lastcallvet/plugin
//	    version: latest
//
// and in .golangci.yml:
//
//	version: "2"
//	linters:
//	  enable: [lastcallvet]
//	  settings:
//	    custom:
//	      lastcallvet:
//	        type: module
//	        settings:
//	          disable: [packageserve]
package plugin

import (
	"fmt"
	"slices"

	"github.com/golangci/plugin-module-register/register"
	"golang.org/x/tools/go/analysis"

	"github.com/lastcall-go/lastcall/cmd/lastcallvet/internal/checks"
)

func init() { register.Plugin("lastcallvet", open) }

type settings struct {
	Disable []string `json:"disable"` // codes of checks that are left out
}

type plugin struct{ settings settings }

func open(conf any) (register.LinterPlugin, error) {
	s, err := register.DecodeSettings[settings](conf)
	if err != nil {
		return nil, fmt.Errorf("lastcallvet: settings: %w", err)
	}
	for _, code := range s.Disable {
		if !slices.ContainsFunc(checks.All, func(a *analysis.Analyzer) bool { return a.Name == code }) {
			return nil, fmt.Errorf("lastcallvet: settings: disable: there is no check %q", code)
		}
	}
	return &plugin{s}, nil
}

// BuildAnalyzers returns the checks that are not disabled.
func (p *plugin) BuildAnalyzers() ([]*analysis.Analyzer, error) {
	return slices.DeleteFunc(slices.Clone(checks.All), func(a *analysis.Analyzer) bool {
		return slices.Contains(p.settings.Disable, a.Name)
	}), nil
}

// GetLoadMode returns the mode with types, which the checks need.
func (p *plugin) GetLoadMode() string { return register.LoadModeTypesInfo }
