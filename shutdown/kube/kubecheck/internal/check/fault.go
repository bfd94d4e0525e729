package check

import (
	"fmt"
	"strings"

	"github.com/lastcall-go/lastcall/shutdown/kube/kubecheck/internal/manifest"
)

// FileError is the result for a file that could not be read, or not wholly.
func FileError(err *manifest.Error) Result {
	r := Result{File: err.File, Document: err.Document}
	if err.API {
		r.Add(UnknownAPI, err.Err.Error(), "correct apiVersion and kind: the API server does not know this object")
	} else {
		r.Add(Unreadable, err.Err.Error(), "correct it: nothing is known of it, nor of what follows it in the file")
	}
	return r
}

// faults are what decoding has found.
func (r *Result) faults(w *manifest.Workload) {
	for _, f := range w.Faults {
		switch {
		case f.Kind == manifest.UnknownWorkload:
			r.Add(UnknownWorkload, f.Text, "correct apiVersion and kind; or, if that is what it is, check a Deployment with the same pod")
		case f.Kind == manifest.WrongType:
			r.Add(WrongType, f.Text, "write the value that the field takes: the API server rejects the object")
		case f.Kind == manifest.DuplicateField:
			r.Add(DuplicateField, f.Text, "remove one of the two: only one of them counts")
		case lastPart(f.Field) == "terminationGracePeriodSeconds":
			r.Add(GraceMisplaced, fmt.Sprintf("%s is not a field: the pod's grace period is not what is written there", f.Field),
				"move it to "+w.PodPath()+", beside containers")
		default:
			r.Add(UnknownField, f.Text, unknownFix(f.Field))
		}
	}
}

func unknownFix(field string) string {
	switch last := lastPart(field); {
	case last == "preStop", last == "stopSignal":
		return last + " belongs into the container's lifecycle"
	case strings.EqualFold(last, "terminationGracePeriodSeconds"):
		return "write terminationGracePeriodSeconds: upper and lower case matter"
	}
	return "correct its name or move it to where it belongs: the API server rejects or drops it"
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
