package check

import (
	"fmt"
	"strings"

	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// FileError is the result for a file that could not be read completely.
func FileError(err *manifest.Error) Result {
	r := Result{File: err.File, Document: err.Document}
	if err.API {
		r.Add(UnknownAPI, err.Err.Error(), "correct apiVersion and kind: the API server does not know this object")
	} else {
		r.Add(Unreadable, err.Err.Error(), "correct it: neither this document nor the rest of the file was checked")
	}
	return r
}

// faults adds the findings from decoding.
func (r *Result) faults(w *manifest.Workload) {
	for _, f := range w.Faults {
		switch {
		case f.Kind == manifest.UnknownWorkload:
			r.Add(UnknownWorkload, f.Text, "correct apiVersion and kind; if they are right, check a Deployment with the same pod")
		case f.Kind == manifest.WrongType:
			r.Add(WrongType, f.Text, "write a value of the field's type: the API server rejects the object")
		case f.Kind == manifest.DuplicateField:
			r.Add(DuplicateField, f.Text, "remove one of the two: only one has an effect")
		case lastPart(f.Field) == "terminationGracePeriodSeconds":
			r.Add(GraceMisplaced, fmt.Sprintf("%s is not a field: it does not set the pod's grace period", f.Field),
				"move it to "+w.PodPath()+", beside containers")
		default:
			r.Add(UnknownField, f.Text, unknownFix(f.Field))
		}
	}
}

func unknownFix(field string) string {
	switch last := lastPart(field); {
	case last == "preStop", last == "stopSignal":
		return "move it to the container's lifecycle"
	case strings.EqualFold(last, "terminationGracePeriodSeconds"):
		return "write terminationGracePeriodSeconds: names are case-sensitive"
	}
	return "correct its name, or move it to the right place: the API server rejects or drops it"
}

func lastPart(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }
