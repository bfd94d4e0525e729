package manifest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// from returns the file that sets the field, if that is not the file that is being read. Compose merges
// the files in order, and the last one that has the field decides.
func (c *composeFile) from(field string) string {
	if d := c.decides(field); !d.own {
		return filepath.Join(filepath.Dir(c.name), filepath.Base(d.file)) // they lie beside each other
	}
	return ""
}

// place returns the place of a field. It has none if another file, or a later document of this one, sets
// the field.
func (c *composeFile) place(field string) finding.Place {
	d := c.decides(field)
	if !d.own || d.document > 1 {
		return finding.Place{}
	}
	p := places(c.files[c.own].Content)(1, field)
	if strings.Contains(p.Text, "$") {
		p.Text = "" // a variable is not replaced by a value
	}
	return p
}

// A composeSource is the place that decides the value of a field.
type composeSource struct {
	file     string
	own      bool // it is the file that is being read
	document int
}

// decides returns the last document that has the field. If none has it, it is the first one of the file
// that is being read.
func (c *composeFile) decides(field string) composeSource {
	for i := len(c.files) - 1; i >= 0; i-- {
		data := c.files[i].Content
		if data == nil {
			data, _ = os.ReadFile(c.files[i].Filename) // compose-go has read it already
		}
		all := yamlNodes(data)
		for j := len(all) - 1; j >= 0; j-- {
			if sets(all[j], field) {
				return composeSource{c.files[i].Filename, i == c.own, j + 1}
			}
		}
	}
	return composeSource{own: true, document: 1}
}

func yamlNodes(data []byte) (all []*yaml.Node) {
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if err := d.Decode(&n); err != nil { // the end, or what compose-go reports
			return all
		}
		if len(n.Content) > 0 {
			all = append(all, n.Content[0])
		}
	}
}

// sets reports whether the value has the field, or takes it from another value: by an alias, a merge key or
// extends.
func sets(n *yaml.Node, field string) bool {
	for part := range strings.SplitSeq(field, ".") {
		for n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		next := child(n, part)
		if next == nil {
			return child(n, "<<") != nil || child(n, "extends") != nil
		}
		n = next
	}
	return true
}
