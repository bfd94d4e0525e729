// Package finding has the findings about all kinds of files: their codes, each with its severity, and
// the place in the file. Readers and rules use the same codes.
package finding

// A Finding is one problem, or a fact worth knowing.
type Finding struct {
	Code     Code
	Severity Severity
	Message  string // what is wrong, and what follows from it
	Fix      string // what to do about it
	// Field is the path of the field in the document, as its format writes it, such as
	// spec.containers[0].lifecycle. It is empty for a finding about the whole document.
	Field string
	Place Place // of the field, if the file has it
	// Edit corrects the file. It is nil if that takes more than one value.
	Edit *Edit
}

// New returns a finding. Its severity is that of the code.
func New(code Code, field, message, fix string) Finding {
	return Finding{Code: code, Severity: severities[code], Field: field, Message: message, Fix: fix}
}

// A Place is the place of a value in a file.
type Place struct {
	Line   int // from 1; 0 if it is not known
	Column int // in characters, from 1; 0 if it is not known
	// Text is the value as it is written. It is empty if the value is not on one line.
	Text string
}

// An Edit changes one value of a file.
type Edit struct {
	Place Place  // the value to replace; for a new field, the field before which it comes
	Field string // the name of a new field; empty to replace the value
	Value string
}
