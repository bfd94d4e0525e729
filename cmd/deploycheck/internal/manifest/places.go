package manifest

import (
	"bytes"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// A tree returns a document of a YAML or JSON file, or an empty node.
type tree func(document int) *yaml.Node

// treeOf parses the file again when the tree is first used, since most files have no findings, and the parser
// that Kubernetes uses has no places.
func treeOf(data []byte) tree {
	documents := sync.OnceValue(func() []*yaml.Node { return yamlNodes(data) })
	return func(document int) *yaml.Node {
		if all := documents(); document >= 1 && document <= len(all) {
			return all[document-1]
		}
		return &yaml.Node{}
	}
}

// yamlNodes returns the content of each document, up to the first error. That of an empty document is empty.
func yamlNodes(data []byte) (all []*yaml.Node) {
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if err := d.Decode(&n); err != nil { // the end, or what the other parser reports
			return all
		}
		all = append(all, append(n.Content, &yaml.Node{})[0])
	}
}

// keyOf returns the place of the key that the path ends with. It has none if an alias or a merge key is on
// the way: the value belongs to another place, too.
func keyOf(n *yaml.Node, path string) (p finding.Place) {
	for part := range parts(path) {
		if strings.HasPrefix(part, "[") {
			if n = child(n, part); n == nil {
				return finding.Place{}
			}
			continue
		}
		i := 0
		for n.Kind == yaml.MappingNode && i < len(n.Content) && n.Content[i].Value != part {
			i += 2
		}
		if n.Kind != yaml.MappingNode || i >= len(n.Content) {
			return finding.Place{}
		}
		p = finding.Place{Line: n.Content[i].Line, Column: n.Content[i].Column, Text: part}
		n = n.Content[i+1]
	}
	return p
}

func placeOf(n *yaml.Node) finding.Place {
	p := finding.Place{Line: n.Line, Column: n.Column}
	if n.Kind == yaml.ScalarNode && n.Style&^yaml.TaggedStyle == 0 && !strings.Contains(n.Value, "\n") {
		p.Text = n.Value
	}
	return p
}

// placeIn is the place of a value after the first = of a line. A value that is not there, such as one
// on several lines, has no column.
func placeIn(number int, line, value string) finding.Place {
	after := strings.IndexByte(line, '=') + 1
	i := after + strings.Index(line[after:], value)
	if value == "" || i < after {
		return finding.Place{Line: number}
	}
	return finding.Place{Line: number, Column: utf8.RuneCountInString(line[:i]) + 1, Text: value}
}

// find follows a path such as spec.containers[0].lifecycle as far as the nodes go. Without an index it
// takes the first element of a list, since some errors do not have the index.
func find(n *yaml.Node, path string) *yaml.Node {
	for part := range parts(path) {
		for n.Kind == yaml.AliasNode {
			n = n.Alias
		}
		if n.Kind == yaml.SequenceNode && !strings.HasPrefix(part, "[") && len(n.Content) > 0 {
			if n = n.Content[0]; n.Kind == yaml.AliasNode {
				n = n.Alias
			}
		}
		next := child(n, part)
		if next == nil {
			return n
		}
		n = next
	}
	return n
}

func child(n *yaml.Node, part string) *yaml.Node {
	if index, ok := strings.CutPrefix(part, "["); ok {
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || n.Kind != yaml.SequenceNode || i < 0 || i >= len(n.Content) {
			return nil
		}
		return n.Content[i]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := len(n.Content) - 2; i >= 0; i -= 2 { // the last one counts
		if n.Content[i].Value == part {
			if value := n.Content[i+1]; value.Kind != yaml.MappingNode && value.Kind != yaml.SequenceNode {
				return value
			}
			return at(n.Content[i], n.Content[i+1])
		}
	}
	return nil
}

// at returns the node with the place of its key, which is where a person looks for it.
func at(key, value *yaml.Node) *yaml.Node {
	moved := *value
	moved.Line, moved.Column = key.Line, key.Column
	return &moved
}
