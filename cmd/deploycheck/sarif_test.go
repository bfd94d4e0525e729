package main

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// The output has what the schema of SARIF 2.1.0 requires, and what code scanning needs besides: an
// index that belongs to the rule, a known level, a relative URI, a line and a column from 1. Output of
// the same kind was also checked with the schema itself.
func TestSARIF(t *testing.T) {
	files := map[string]string{"dir/a ä.yaml": fits + "---\n" + tooShort, "dir/bad.yaml": "{", "dir/rollout.yaml": rollout, "service.yaml": service}
	status, stdout, _ := command(t, files, "", "-o", "sarif", "dir", "service.yaml")
	if status != exitBadInput {
		t.Errorf("status %d, want %d", status, exitBadInput)
	}
	var log struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                   string
						DefaultConfiguration struct{ Level string }
					}
				}
			}
			Results *[]struct {
				RuleID    string
				RuleIndex *int
				Level     string
				Message   struct{ Text string }
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn int }
					}
					LogicalLocations []struct{ FullyQualifiedName string }
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(stdout), &log); err != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}
	if log.Version != "2.1.0" || !strings.HasSuffix(log.Schema, "/sarif-schema-2.1.0.json") || len(log.Runs) != 1 || log.Runs[0].Results == nil || log.Runs[0].Tool.Driver.Name == "" {
		t.Fatalf("%+v, want version 2.1.0, its schema, and one run of a tool, with results", log)
	}
	rules := log.Runs[0].Tool.Driver.Rules
	for _, rule := range rules {
		if want := finding.Codes()[finding.Code(rule.ID)]; rule.DefaultConfiguration.Level != want.String() {
			t.Errorf("rule %s: level %q, want %s", rule.ID, rule.DefaultConfiguration.Level, want)
		}
	}
	if len(rules) != len(finding.Codes()) {
		t.Errorf("%d rules, want %d", len(rules), len(finding.Codes()))
	}
	found := map[string]string{}
	for _, r := range *log.Runs[0].Results {
		if r.RuleIndex == nil || *r.RuleIndex >= len(rules) || rules[*r.RuleIndex].ID != r.RuleID || r.Level != rules[*r.RuleIndex].DefaultConfiguration.Level || r.Message.Text == "" || len(r.Locations) != 1 {
			t.Fatalf("%+v, want the index and the level of the rule, a message and a location", r)
		}
		l := r.Locations[0].PhysicalLocation
		u, err := url.Parse(l.ArtifactLocation.URI)
		if err != nil || u.IsAbs() || u.Path == "" || l.Region.StartLine < 1 || l.Region.StartColumn < 0 {
			t.Errorf("%+v, error %v; want a relative URI, and a line from 1", l, err)
			continue
		}
		name := ""
		for _, logical := range r.Locations[0].LogicalLocations {
			name = logical.FullyQualifiedName
		}
		found[r.RuleID] = strings.TrimSpace(u.Path + " " + name)
		if r.RuleID == "grace-too-short" && (l.Region.StartLine != 9 || !strings.Contains(l.ArtifactLocation.URI, "a%20%C3%A4.yaml")) {
			t.Errorf("%+v, want line 9 and an escaped URI", l)
		}
	}
	want := map[string]string{"grace-too-short": "dir/a ä.yaml Pod/short/app", "unreadable": "dir/bad.yaml", "unknown-workload": "dir/rollout.yaml Rollout/web", "no-workload": "service.yaml"}
	for id, at := range want {
		if found[id] != at {
			t.Errorf("%s at %q, want %q", id, found[id], at)
		}
	}
}

// A run without findings has an empty list of results, which says that the tool has run.
func TestSARIFWithoutFindings(t *testing.T) {
	if _, stdout, _ := command(t, map[string]string{"a.yaml": fits}, "", "-o", "sarif", "a.yaml"); !strings.Contains(stdout, `"results": []`) {
		t.Errorf("no empty list of results in:\n%s", stdout)
	}
}

// The characters that end a field of a workflow command are escaped.
func TestGitHub(t *testing.T) {
	files := map[string]string{"a,b 100%.yaml": tooShort, "c.yaml": strings.Replace(fits, "terminationGracePeriodSeconds: 30, ", "", 1)}
	_, stdout, _ := command(t, files, "", "-o", "github", ".")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want two findings and a summary:\n%s", len(lines), stdout)
	}
	if want := "::error file=a%2Cb 100%25.yaml,line=4,title=deploycheck%3A grace-too-short::Pod/short, app: preStop 0s"; !strings.HasPrefix(lines[0], want) || !strings.Contains(lines[0], "%0Afix: ") {
		t.Errorf("%s\nwant %s", lines[0], want)
	}
	if want := "::notice file=c.yaml,line=4,title=deploycheck%3A grace-default::Pod/fits, app: "; !strings.HasPrefix(lines[1], want) {
		t.Errorf("%s\nwant %s", lines[1], want)
	}
	if want := "2 files, 2 workloads: 1 ok, 0 warn, 1 error"; lines[2] != want {
		t.Errorf("%s, want %s", lines[2], want)
	}
}
