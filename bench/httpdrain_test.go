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

// BenchmarkRequestInTurns measures what httpdrain adds to a request. Two servers with net/http alone
// and one with httpdrain have a turn of ten requests each, in a changing order. The fastest twentieth
// of a server's turns counts: other work of the machine took no time there. The difference between
// the two servers of net/http is chance.
func BenchmarkRequestInTurns(b *testing.B) {
	const each = 10
	var send [3]func(n int) error
	var took [3][]float64
	for i := range send {
		l, requests, hangUp, err := httpcost.OnLoopback()
		if err != nil {
			b.Fatal(err)
		}
		defer hangUp()
		stop := httpcost.Serve(l, i == 0)
		b.Cleanup(func() {
			if err := stop(); err != nil {
				b.Error(err)
			}
		})
		if err := requests(1000); err != nil { // to warm up
			b.Fatal(err)
		}
		send[i] = requests
	}
	turn := 0
	for b.Loop() {
		for n := range send {
			i := (turn + n) % len(send)
			start := time.Now()
			if err := send[i](each); err != nil {
				b.Fatal(err)
			}
			took[i] = append(took[i], float64(time.Since(start))/each)
		}
		turn++
	}
	var fast [3]float64
	for i, all := range took {
		slices.Sort(all)
		fast[i] = all[len(all)/20]
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(fast[1], "ns-net-http")
	b.ReportMetric(fast[0]-fast[1], "ns-more")
	b.ReportMetric(fast[2]-fast[1], "ns-chance")
	b.ReportMetric(fast[0]/fast[1], "ratio")
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
