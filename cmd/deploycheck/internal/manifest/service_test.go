package manifest_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// A Service belongs to the workloads whose pods it selects, in any input.
func TestServices(t *testing.T) {
	const workload = `apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {}, template: {metadata: {labels: {app: web, tier: front}}, spec: {containers: [{name: app}]}}}
---
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Service, metadata: {name: listed}, spec: {selector: {app: web}}}
`
	service := func(name, namespace, selector string) string {
		return "---\napiVersion: v1\nkind: Service\nmetadata: {name: " + name + ", namespace: " + namespace + "}\nspec: {selector: " + selector + "}\n"
	}
	services := service("both", "shop", "{tier: front, app: web}") + service("everywhere", "null", "{tier: front}") +
		service("elsewhere", "other", "{app: web}") + service("back", "shop", "{app: web, tier: back}") + service("more", "shop", "{app: web, x: y}") +
		service("none", "shop", "null") + service("both", "shop", "{app: web}")
	dir := t.TempDir()
	writeFile(t, dir, "web.yaml", workload)
	for _, in := range [][]string{{dir, "-"}, {"-", dir}} {
		var got []string
		for _, input := range manifest.Read(in, "", strings.NewReader(services)) {
			for _, f := range input.Files {
				for _, w := range f.Workloads {
					got = append(got, w.Services...)
				}
			}
		}
		if diff := cmp.Diff([]string{"both", "everywhere", "listed"}, got); diff != "" {
			t.Errorf("%v: Services (-want +got):\n%s", in, diff)
		}
	}
}
