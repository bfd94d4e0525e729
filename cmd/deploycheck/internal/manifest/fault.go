package manifest

import (
	"errors"
	"regexp"
	"strings"

	kjson "sigs.k8s.io/json"
)

// strictFault turns an error of strict decoding into a fault.
func strictFault(err error) Fault {
	f := Fault{Kind: UnknownField, Text: err.Error()}
	if strings.HasPrefix(f.Text, "duplicate") {
		f.Kind = DuplicateField
	}
	if field, ok := errors.AsType[kjson.FieldError](err); ok {
		f.Field = field.FieldPath()
	}
	return f
}

// wrongType matches the error for a value of the wrong type. The type of that error is internal to
// sigs.k8s.io/json.
var wrongType = regexp.MustCompile(`^json: cannot unmarshal (.+) into Go struct field [^.\s]+\.(\S+) of type (\S+)$`)

// typeFault turns the error for a value of the wrong type into a fault.
func typeFault(err error) Fault {
	f := Fault{Kind: WrongType, Text: plain(err)}
	if m := wrongType.FindStringSubmatch(err.Error()); m != nil {
		f.Field = m[2]
	}
	return f
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
		return m[2] + ": got " + article(m[1]) + ", want " + typeName(m[3])
	}
	return strings.TrimPrefix(err.Error(), "json: ")
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
