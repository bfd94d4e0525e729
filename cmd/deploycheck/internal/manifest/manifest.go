// Package manifest reads Kubernetes workloads from files.
//
// It is as strict as the API server with field validation: a field that does not exist, occurs
// twice or has the wrong type is a fault of the workload. A document that cannot be read is an
// error of the file. Objects that are not workloads are listed by kind, so that no object is
// ignored silently.
package manifest

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// An Input is an argument of the command line: a file, a directory or standard input.
type Input struct {
	Name  string
	Files []File
}

// A File is the contents of one file.
type File struct {
	Name      string // the path; - is standard input
	Workloads []Workload
	Skipped   []string // the kinds of the other objects, in order, such as Service or Rollout.argoproj.io
	Errs      []*Error
}

// A Workload is an object that makes pods.
type Workload struct {
	File     string
	Document int // in the file, from 1
	Kind     string
	Name     string
	// Pod is the template of its pods. It is nil if the object could not be decoded; Faults
	// then says why.
	Pod    *corev1.PodTemplateSpec
	Faults []Fault
}

// PodPath is the path of the pod's spec within the object.
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

// A Fault is a part of an object that the API server would reject, or the reason why the object
// was not decoded.
type Fault struct {
	Kind  FaultKind
	Field string // its path, such as spec.template.spec.containers[0].lifecycle; empty if unknown
	Text  string
}

// A FaultKind is the kind of a fault.
type FaultKind int

// The kinds of faults.
const (
	UnknownField FaultKind = iota
	DuplicateField
	WrongType
	UnknownWorkload // an object with a pod's containers, whose kind is unknown
)

// An Error is the reason why a file or document could not be read.
type Error struct {
	File     string
	Document int // from 1; 0 for the whole file
	// API is true for an object whose apiVersion or kind does not exist in Kubernetes.
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
