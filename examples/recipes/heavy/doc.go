// Package heavy has the recipes whose libraries have many dependencies. These take minutes to
// compile, so it is a module of its own that is not in go.work. Run its tests in this folder, with
// GOWORK=off go test.
//
//	gin_test.go    a server of gin
//	http3_test.go  HTTP/3 beside HTTP/1 and HTTP/2, with quic-go
//	lease_test.go  a lease that is released after the work, with client-go
package heavy
