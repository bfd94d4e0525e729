package check

import (
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/finding"
	"github.com/lastcall-go/lastcall/cmd/deploycheck/internal/manifest"
)

// FileError is the result for a file that could not be read completely.
func FileError(err *manifest.Error) Result {
	r := Result{File: err.File, Document: err.Document}
	if err.API {
		r.Add(finding.UnknownAPI, err.Err.Error(), "correct apiVersion and kind: the API server does not know this object")
	} else {
		r.Add(finding.Unreadable, err.Err.Error(), "correct the file: this document and the rest of the file were not checked")
	}
	r.Findings[0].Place = err.Place
	return r
}
