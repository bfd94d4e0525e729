package bench_test

import (
	"runtime"
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

// BenchmarkRequestInTurns measures what httpdrain adds to a request. Sixteen servers, every second one with
// httpdrain, have a turn of thirty requests each, in a changing order. The fastest twentieth of a server's turns
// counts: other work of the machine took no time there. Servers of one kind differ by their place in memory,
// so the median of each kind counts. ns-spread is the distance between the quartiles of net/http's.
func BenchmarkRequestInTurns(b *testing.B) {
	const each, servers = 30, 16
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // client and server run in turns anyway
	var send [servers]func(n int) error
	var took [servers][]float64
	for i := range send {
		l, requests, hangUp, err := httpcost.OnLoopback()
		if err != nil {
			b.Fatal(err)
		}
		defer hangUp()
		stop := httpcost.Serve(l, i%2 == 0)
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
	var fast [2][]float64 // httpdrain, net/http
	for i, all := range took {
		slices.Sort(all)
		fast[i%2] = append(fast[i%2], all[len(all)/20])
	}
	for _, all := range fast {
		slices.Sort(all)
	}
	drained, plain := fast[0][servers/4], fast[1][servers/4]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(plain, "ns-net-http")
	b.ReportMetric(drained-plain, "ns-more")
	b.ReportMetric(fast[1][servers*3/8]-fast[1][servers/8], "ns-spread")
	b.ReportMetric(drained/plain, "ratio")
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
