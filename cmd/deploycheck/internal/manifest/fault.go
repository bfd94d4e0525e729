package manifest

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	kjson "sigs.k8s.io/json"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
)

// strictFault turns an error of strict decoding into a finding about w.
func (w *Workload) strictFault(err error) finding.Finding {
	field, text := fieldOf(err), err.Error()
	last := lastPart(field)
	switch {
	case isDuplicate(err):
		return duplicate(field, text)
	case last == "terminationGracePeriodSeconds":
		return finding.New(finding.GraceMisplaced, field, field+" is not a field: it does not set the pod's grace period",
			"move it to "+w.PodPath()+", beside containers")
	case last == "preStop", last == "stopSignal":
		return finding.New(finding.UnknownField, field, text, "move it to the container's lifecycle")
	case strings.EqualFold(last, "terminationGracePeriodSeconds"):
		return finding.New(finding.UnknownField, field, text, "write terminationGracePeriodSeconds: names are case-sensitive")
	}
	return finding.New(finding.UnknownField, field, text, "correct its name, or move it to the right place: the API server rejects or drops it")
}

func duplicate(field, text string) finding.Finding {
	return finding.New(finding.DuplicateField, field, text, "remove one of the two: only one has an effect")
}

func isDuplicate(err error) bool { return strings.HasPrefix(err.Error(), "duplicate") }

func fieldOf(err error) string {
	if field, ok := errors.AsType[kjson.FieldError](err); ok {
		return field.FieldPath()
	}
	return ""
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// wrongType matches the error for a value of the wrong type. The type of that error is internal to
// sigs.k8s.io/json.
var wrongType = regexp.MustCompile(`^json: cannot unmarshal (.+) into Go struct field [^.\s]+\.(\S+) of type (\S+)$`)

// typeFault turns the error for a value of the wrong type into a finding.
func typeFault(err error) finding.Finding {
	field := ""
	if m := wrongType.FindStringSubmatch(err.Error()); m != nil {
		field = jsonPath(m[2])
	}
	return finding.New(finding.WrongType, field, plain(err), "write a value of the field's type: the API server rejects the object")
}

func texts(errs []error) []string {
	var all []string
	for _, err := range errs {
		if err != nil {
			all = append(all, plain(err))
		}
	}
	return all
}

// plain is the text of an error in terms of the manifest, not of Go.
func plain(err error) string {
	if m := wrongType.FindStringSubmatch(err.Error()); m != nil {
		return jsonPath(m[2]) + ": got " + article(m[1]) + ", want " + typeName(m[3])
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

// jsonPath returns the path without the names of embedded types, which are not part of the JSON:
// spec.volumes.VolumeSource.fc becomes spec.volumes.fc.
func jsonPath(path string) string {
	parts := slices.DeleteFunc(strings.Split(path, "."), func(part string) bool { return part != "" && part[0] >= 'A' && part[0] <= 'Z' })
	return strings.Join(parts, ".")
}

func article(value string) string {
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}

func typeName(goType string) string {
	switch {
	case strings.HasPrefix(goType, "int"), strings.HasPrefix(goType, "uint"):
		return "a whole number"
	case strings.HasPrefix(goType, "float"):
		return "a number"
	case goType == "bool":
		return "true or false"
	case strings.HasPrefix(goType, "[]"):
		return "an array"
	case goType == "string", goType == "v1.Signal":
		return "a string"
	}
	return "an object"
}
