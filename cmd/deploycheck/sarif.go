package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/check"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

const homepage = "https://github.com/lastcall-go/lastcall/tree/main/cmd/deploycheck"

// The part of SARIF 2.1.0 that is written, with the names of the standard
// (docs.oasis-open.org/sarif/sarif/v2.1.0).
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name           string      `json:"name"`
		InformationURI string      `json:"informationUri"`
		Rules          []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string      `json:"id"`
		HelpURI       string      `json:"helpUri"`
		Configuration sarifConfig `json:"defaultConfiguration"`
	}
	sarifConfig struct {
		Level string `json:"level"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical  `json:"physicalLocation"`
		Logical  []sarifLogical `json:"logicalLocations,omitempty"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn,omitempty"`
	}
	sarifLogical struct {
		Name string `json:"fullyQualifiedName"`
	}
)

func writeSARIF(w io.Writer, r *report) error {
	codes := finding.Codes()
	names := slices.Sorted(maps.Keys(codes))
	rules := make([]sarifRule, 0, len(names))
	for _, code := range names {
		rules = append(rules, sarifRule{ID: string(code), HelpURI: homepage + "#findings", Configuration: sarifConfig{Level: codes[code].String()}})
	}
	results := []sarifResult{}
	for i := range r.results {
		if passedOver(&r.results[i]) {
			continue
		}
		for _, f := range r.results[i].Findings {
			index, _ := slices.BinarySearch(names, f.Code)
			results = append(results, sarifResult{
				RuleID: string(f.Code), RuleIndex: index, Level: f.Severity.String(),
				Message:   sarifMessage{f.Message + "\nFix: " + f.Fix},
				Locations: []sarifLocation{location(&r.results[i], f)},
			})
		}
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(sarifLog{
		Schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json", Version: "2.1.0",
		Runs: []sarifRun{{Tool: sarifTool{sarifDriver{"deploycheck", homepage, rules}}, ColumnKind: "unicodeCodePoints", Results: results}},
	})
}

// location is the place of a finding. Where the line is not known, it is the first one, since
// services that show results want one.
func location(r *check.Result, f finding.Finding) sarifLocation {
	l := sarifLocation{Physical: sarifPhysical{
		Artifact: sarifArtifact{(&url.URL{Path: filepath.ToSlash(r.File)}).String()},
		Region:   sarifRegion{Line: max(1, f.Place.Line), Column: f.Place.Column},
	}}
	if name := strings.Trim(workload(r)+"/"+r.Container, "/"); name != "" {
		l.Logical = []sarifLogical{{name}}
	}
	return l
}
