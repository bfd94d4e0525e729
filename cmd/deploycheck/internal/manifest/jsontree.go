package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// maxDepth bounds the nesting of JSON.
const maxDepth = 100

// A jsonNode is a value in JSON with its line.
type jsonNode struct {
	line    int
	column  int // of a number; 0 otherwise
	scalar  any // nil, bool, string or json.Number, if the value is neither an object nor an array
	object  bool
	array   bool
	members []jsonMember // of an object
	items   []*jsonNode  // of an array
}

// A jsonMember is a member of an object.
type jsonMember struct {
	key  string
	line int // of the key
	// column is that of the key. It is 0 if the key has escapes.
	column int
	value  *jsonNode
}

// jsonTree parses data, which has to be one JSON value.
func jsonTree(data []byte) (*jsonNode, error) {
	p := jsonParser{data: data, decoder: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.decoder.UseNumber()
	n, err := p.value(0)
	if err != nil {
		return nil, p.located(err)
	}
	if _, err := p.decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, p.located(errors.New("text after the end of the value"))
	}
	return n, nil
}

type jsonParser struct {
	data    []byte
	decoder *json.Decoder
	offset  int // up to which lines were counted
	line    int
}

func (p *jsonParser) located(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: %w", 1+bytes.Count(p.data[:min(int(syntax.Offset), len(p.data))], []byte("\n")), err)
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("line %d: %w", p.here(), err)
}

// here returns the line on which the last token ends. A token is on one line.
func (p *jsonParser) here() int {
	end := int(p.decoder.InputOffset())
	p.line += bytes.Count(p.data[p.offset:end], []byte("\n"))
	p.offset = end
	return p.line
}

func (p *jsonParser) column(offset int) int {
	return utf8.RuneCount(p.data[bytes.LastIndexByte(p.data[:offset], '\n')+1:offset]) + 1
}

func (p *jsonParser) value(depth int) (*jsonNode, error) {
	token, err := p.decoder.Token()
	if err != nil {
		return nil, err
	}
	n := &jsonNode{line: p.here()}
	if depth == maxDepth {
		return nil, fmt.Errorf("values are nested more than %d deep", maxDepth)
	}
	switch token {
	case json.Delim('{'):
		n.object = true
		for p.decoder.More() {
			if token, err = p.decoder.Token(); err != nil {
				return nil, err
			}
			m := jsonMember{key: token.(string), line: p.here()} // the decoder checks that keys are strings
			if quoted := `"` + m.key + `"`; bytes.HasSuffix(p.data[:p.offset], []byte(quoted)) {
				m.column = p.column(p.offset - len(quoted))
			}
			if m.value, err = p.value(depth + 1); err != nil {
				return nil, err
			}
			n.members = append(n.members, m)
		}
	case json.Delim('['):
		n.array = true
		for p.decoder.More() {
			item, err := p.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, item)
		}
	default:
		n.scalar = token
		if number, ok := token.(json.Number); ok {
			n.column = p.column(p.offset - len(number))
		}
		return n, nil
	}
	_, err = p.decoder.Token() // the end of the object or array
	return n, err
}

// member returns the value of a key, or nil. The last one of a key counts.
func (n *jsonNode) member(key string) *jsonNode {
	if n == nil {
		return nil
	}
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].key == key {
			return n.members[i].value
		}
	}
	return nil
}

// child returns the value that a part of a path names, with its key and line. A key in the same case wins over
// the others, and of equal ones the last.
func (n *jsonNode) child(part string) (m jsonMember, ok bool) {
	if index, isIndex := strings.CutPrefix(part, "["); isIndex {
		i, err := strconv.Atoi(strings.TrimSuffix(index, "]"))
		if err != nil || i < 0 || i >= len(n.items) {
			return m, false
		}
		return jsonMember{line: n.items[i].line, value: n.items[i]}, true
	}
	for _, other := range n.members {
		if strings.EqualFold(other.key, part) && (m.key != part || other.key == part) {
			m = other
		}
	}
	return m, m.value != nil
}

// parts splits a path such as TaskGroups[0].Tasks[1].KillTimeout.
func parts(path string) iter.Seq[string] {
	return strings.SplitSeq(strings.ReplaceAll(path, "[", ".["), ".")
}

// place follows a path as far as the values go.
func (n *jsonNode) place(path string) finding.Place {
	line := n.line
	for part := range parts(path) {
		m, ok := n.child(part)
		if !ok {
			break
		}
		n, line = m.value, m.line
	}
	if n.column > 0 {
		return finding.Place{Line: n.line, Column: n.column, Text: n.text()}
	}
	return finding.Place{Line: line}
}

// key returns the place of the key that the path ends with, if there is one.
func (n *jsonNode) key(path string) (p finding.Place) {
	for part := range parts(path) {
		m, ok := n.child(part)
		if !ok {
			return finding.Place{}
		}
		n, p = m.value, finding.Place{Line: m.line, Column: m.column, Text: m.key}
	}
	return p
}

func (n *jsonNode) text() string {
	switch value := n.scalar.(type) {
	case json.Number:
		return value.String()
	case string:
		if !strings.ContainsAny(value, "\n\"\\") {
			return strconv.Quote(value)
		}
	}
	return ""
}

// kind is what the value is, for messages.
func (n *jsonNode) kind() string {
	switch n.scalar.(type) {
	case bool:
		return "true or false"
	case string:
		return "a string"
	case json.Number:
		return "a number"
	}
	switch {
	case n.object:
		return "an object"
	case n.array:
		return "an array"
	}
	return "null"
}

// encode returns the value as JSON without duplicate keys: the last one counts.
func (n *jsonNode) encode() []byte {
	data, err := json.Marshal(n.plain())
	if err != nil { // only values that came from JSON are in the tree
		panic(err)
	}
	return data
}

func (n *jsonNode) plain() any {
	switch {
	case n.object:
		all := make(map[string]any, len(n.members))
		for _, m := range n.members {
			all[m.key] = m.value.plain()
		}
		return all
	case n.array:
		all := make([]any, 0, len(n.items))
		for _, item := range n.items {
			all = append(all, item.plain())
		}
		return all
	}
	return n.scalar
}
