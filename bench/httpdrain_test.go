package bench_test

import (
	"slices"
	"testing"
	"time"

	"github.com/lastcall-go/lastcall/bench/internal/httpcost"
)

// BenchmarkRequest measures a request of a kept-alive client on the loopback interface, with
// net/http alone and with httpdrain.
func BenchmarkRequest(b *testing.B) {
	for _, drained := range []bool{false, true} {
		b.Run(server(drained), func(b *testing.B) {
			l, requests, hangUp, err := httpcost.OnLoopback()
			if err != nil {
				b.Fatal(err)
			}
			defer hangUp()
			stop := httpcost.Serve(l, drained)
			b.Cleanup(func() {
				if err := stop(); err != nil {
					b.Error(err)
				}
			})
			b.ReportAllocs()
			b.ResetTimer()
			if err := requests(b.N); err != nil {
				b.Error(err)
			}
		})
	}
}

func server(drained bool) string {
	if drained {
		return "httpdrain"
	}
	return "net-http"
}

// BenchmarkLag measures the time from the last response that a client has read to the return of
// httpdrain's task, and the same time for http.Server.Shutdown.
func BenchmarkLag(b *testing.B) {
	for _, protocol := range httpcost.Protocols {
		for _, drained := range []bool{false, true} {
			b.Run(protocol+"/"+server(drained), func(b *testing.B) {
				var lags []time.Duration
				for b.Loop() {
					lag, err := httpcost.Lag(protocol, drained)
					if err != nil {
						b.Fatal(err)
					}
					lags = append(lags, lag)
				}
				slices.Sort(lags)
				b.ReportMetric(float64(lags[len(lags)/2].Microseconds()), "p50-µs")
				b.ReportMetric(float64(lags[len(lags)-1].Microseconds()), "max-µs")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}
