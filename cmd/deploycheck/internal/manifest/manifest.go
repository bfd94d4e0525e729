// Package manifest reads the files that say how programs run.
//
// Each kind of file has a reader, which is an entry of the table readers. It recognises a file by its
// name and its content, and fills one Program for each program that the file describes: the grace
// period, the signal, the first process, the environment and the ports. The rules of package check
// see only that, except for Kubernetes, whose hooks and probes they read from the pod itself. A
// reader reports what is wrong with the format itself as Faults, with codes of package finding.
//
// It is as strict as the platform: a field that does not exist, occurs twice or has the wrong type
// is a fault of the workload. A document that cannot be read is an error of the file. Objects that
// are not workloads are listed by kind, so that no object is ignored silently.
package manifest

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
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
	Services  []Service
	Skipped   []string // the kinds of the other objects, in order, such as Service or Rollout.argoproj.io
	Errs      []*Error
	parts     []string // the Compose files that this one uses
}

// A Workload is an object that starts programs together: a Kubernetes object that makes pods, or
// what comes nearest to it in another format. One of its programs is the one that is checked.
type Workload struct {
	File     string
	Document int // in the file, from 1
	Kind     string
	Name     string
	// Programs are the programs that a stop reaches. It is nil if the object could not be
	// decoded; Faults then says why.
	Programs []Program
	// Default is the name of the program that the file itself calls the main one, or empty.
	Default string
	// Batch is true for a job that runs to completion.
	Batch bool
	// The following fields are for Kubernetes only. Pod is the template of the pods. MinReady is
	// minReadySeconds; it is nil if the kind does not have it. Services are the names of the
	// Services in the inputs that select the pods.
	Pod       *corev1.PodTemplateSpec
	Namespace string
	MinReady  *int32
	Services  []string
	patchedBy string // the folder of the kustomization that uses the object as a patch
	// Faults are the findings of the reader: about fields that do not exist, for example.
	Faults []finding.Finding
	// Lookup finds a field in the file. It is nil if the reader knows no places.
	Lookup func(field string) finding.Place
	// Key finds the key of a field that the file has, so that another field can be written before it.
	// It is nil if the reader knows no keys.
	Key func(field string) finding.Place
}

// KeyPlace returns the place of the key of a field, if the file has the field at this place. Its text is the
// key. It has no column if nothing can be written before it.
func (w *Workload) KeyPlace(field string) finding.Place {
	if field == "" || w.Key == nil {
		return finding.Place{}
	}
	return w.Key(field)
}

// Place returns the place of a field, or of the nearest field around it that the file has.
func (w *Workload) Place(field string) finding.Place {
	if w.Lookup == nil {
		return finding.Place{}
	}
	return w.Lookup(field)
}

// Has reports whether a fault has the code.
func (w *Workload) Has(code finding.Code) bool {
	return slices.ContainsFunc(w.Faults, func(f finding.Finding) bool { return f.Code == code })
}

// A Service is a Service of Kubernetes that selects pods.
type Service struct {
	Namespace, Name string
	Selector        map[string]string
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
func (w *Workload) IsJob() bool { return w.Batch || w.Kind == "Job" || w.Kind == "CronJob" }

// An Error is the reason why a file or document could not be read.
type Error struct {
	File     string
	Document int // from 1; 0 for the whole file
	Place    finding.Place
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
