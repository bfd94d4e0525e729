// Package manifest reads the workloads of Kubernetes out of files.
//
// It is as strict as the API server with field validation: a field that does not exist, is
// there twice or has another type is a fault of the workload, since what it says is not
// what Kubernetes would do. What cannot be read at all is an error of the file. Nothing is
// passed over in silence: kinds that are not workloads are listed.
package manifest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// An Input is what one argument of the command line brought: a file, a directory or
// standard input.
type Input struct {
	Name  string
	Files []File
}

// A File is what was found in one file.
type File struct {
	Name      string // as given, or below the directory that was given; - is standard input
	Workloads []Workload
	Passed    []string // the kinds of the other objects, in order, such as Service or Rollout.argoproj.io
	Errs      []*Error
}

// A Workload is an object that makes pods.
type Workload struct {
	File     string
	Document int // in the file, from 1
	Kind     string
	Name     string
	// Pod is the template of its pods. It is nil where the object could not be decoded,
	// and Faults say why.
	Pod    *corev1.PodTemplateSpec
	Faults []Fault
}

// PodPath is where the pod's spec is within the object, for messages.
func (w *Workload) PodPath() string {
	switch w.Kind {
	case "Pod":
		return "spec"
	case "CronJob":
		return "spec.jobTemplate.spec.template.spec"
	}
	return "spec.template.spec"
}

// IsJob reports whether its pods run to completion.
func (w *Workload) IsJob() bool { return w.Kind == "Job" || w.Kind == "CronJob" }

// A Fault is something in an object that the API server would reject, or why it was not
// decoded.
type Fault struct {
	Kind  FaultKind
	Field string // its path, such as spec.template.spec.containers[0].lifecycle; "" if not known
	Text  string // one sentence
}

// A FaultKind says what is wrong with a field.
type FaultKind int

// The kinds of faults.
const (
	UnknownField FaultKind = iota
	DuplicateField
	WrongType
	UnknownWorkload // it has a pod's containers, but its kind is not known here
)

// An Error says why something could not be read.
type Error struct {
	File     string
	Document int // from 1; 0 for the file as a whole
	// API is true where it is an object whose apiVersion or kind Kubernetes does not have.
	API bool
	Err error
}

func (e *Error) Error() string {
	if e.Document == 0 {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s: document %d: %v", e.File, e.Document, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
