package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// A strictJSON compares JSON with the type that a platform has for it. It finds members that the
// type does not have, members that occur twice, and values of another type.
type strictJSON struct {
	workload *Workload
	name     func(reflect.StructField) string // of a field in JSON; empty if it is none
	foldCase bool                             // names match in any case
	fix      string                           // for a name that does not exist
	only     []string                         // if not empty, report only names that are near to these
}

func (s *strictJSON) check(n *jsonNode, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.kind() == "null" || t.Kind() == reflect.Interface || t == reflect.TypeFor[time.Time]() {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		s.object(n, t, path)
	case reflect.Map:
		if s.is(n, n.object, "an object", path) {
			for _, m := range n.members {
				s.check(m.value, t.Elem(), join(path, m.key))
			}
		}
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			s.is(n, n.kind() == "a string", "a string", path)
		} else if s.is(n, n.array, "an array", path) {
			for i, item := range n.items {
				s.check(item, t.Elem(), fmt.Sprintf("%s[%d]", path, i))
			}
		}
	case reflect.String:
		s.is(n, n.kind() == "a string", "a string", path)
	case reflect.Bool:
		s.is(n, n.kind() == "true or false", "true or false", path)
	case reflect.Float32, reflect.Float64:
		s.is(n, n.kind() == "a number", "a number", path)
	default:
		number, isNumber := n.scalar.(json.Number)
		err := json.Unmarshal([]byte(number), reflect.New(t).Interface())
		s.is(n, isNumber && err == nil, "a whole number", path)
	}
}

func (s *strictJSON) is(n *jsonNode, ok bool, want, path string) bool {
	if !ok {
		s.workload.fault(finding.WrongType, path, fmt.Sprintf("line %d: %s: got %s, want %s", n.line, path, strings.TrimSpace(n.kind()+" "+n.text()), want),
			"write a value of the field's type")
	}
	return ok
}

func (s *strictJSON) object(n *jsonNode, t reflect.Type, path string) {
	if !s.is(n, n.object, "an object", path) {
		return
	}
	seen := map[string]bool{}
	for _, m := range n.members {
		name, field, ok := s.find(t, m.key)
		switch {
		case !ok && !s.reports(m.key):
			continue
		case !ok:
			s.workload.fault(finding.UnknownField, join(path, m.key), fmt.Sprintf("line %d: there is no field %s", m.line, join(path, m.key)), s.fix)
			continue
		case seen[name]:
			s.workload.fault(finding.DuplicateField, join(path, m.key), fmt.Sprintf("line %d: %s occurs twice", m.line, join(path, m.key)), "remove one of the two: only one has an effect")
		}
		seen[name] = true
		s.check(m.value, field, join(path, m.key))
	}
}

// reports reports whether a name that does not exist is a fault.
func (s *strictJSON) reports(key string) bool {
	return len(s.only) == 0 || slices.ContainsFunc(s.only, func(name string) bool { return near(key, name) })
}

// find returns the field of a struct, or of a struct embedded in it, with that name in JSON.
func (s *strictJSON) find(t reflect.Type, key string) (name string, field reflect.Type, ok bool) {
	for f := range t.Fields() {
		if f.Anonymous && f.IsExported() && f.Type.Kind() == reflect.Struct {
			if name, field, ok = s.find(f.Type, key); ok {
				return name, field, true
			}
		}
		if name = s.name(f); name != "" && (name == key || s.foldCase && strings.EqualFold(name, key)) {
			return name, f.Type, true
		}
	}
	return "", nil, false
}

// tagName is the name of a field as encoding/json has it.
func tagName(f reflect.StructField) string {
	tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	switch {
	case !f.IsExported() || tag == "-":
		return ""
	case tag != "":
		return tag
	}
	return f.Name
}
