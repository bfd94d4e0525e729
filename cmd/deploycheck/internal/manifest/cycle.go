package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// withoutCycles returns an error if an alias in YAML refers to a value around it. Such a value has no
// end, and compose-go does not end for it either.
func withoutCycles(data []byte) error {
	for d := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		switch err := d.Decode(&n); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := cycle(&n, nil, map[*yaml.Node]bool{}); err != nil {
			return err
		}
	}
}

// cycle visits a node below the nodes around it. The values of aliases are visited once.
func cycle(n *yaml.Node, around []*yaml.Node, done map[*yaml.Node]bool) error {
	for _, outer := range around {
		if outer == n {
			return fmt.Errorf("line %d: an alias refers to the value around it", n.Line)
		}
	}
	if done[n] {
		return nil
	}
	around = append(around, n)
	if n.Kind == yaml.AliasNode {
		if err := cycle(n.Alias, around, done); err != nil {
			return err
		}
	}
	for _, child := range n.Content {
		if err := cycle(child, around, done); err != nil {
			return err
		}
	}
	done[n] = true
	return nil
}
