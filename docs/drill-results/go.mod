module github.com/lastcall-go/lastcall/docs/drill-results

go 1.26.0

require (
	github.com/google/go-cmp v0.7.0
	go.uber.org/goleak v1.3.0
)
