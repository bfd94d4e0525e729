// Package helper has the causes that are in another package than the finding.
package helper

import "net/http"

// Serve serves what it is given.
func Serve(addr string, h http.Handler) error { return http.ListenAndServe(addr, h) }
