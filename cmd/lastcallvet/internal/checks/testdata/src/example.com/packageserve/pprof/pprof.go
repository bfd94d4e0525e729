// Package pprof has listeners beside the server.
package pprof

import (
	"net/http"
	_ "net/http/pprof"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

func debug() { go http.ListenAndServe(":6060", nil) }

func inLiteral() {
	go func() {
		if err := http.ListenAndServe(":6060", nil); err != nil {
			println(err.Error())
		}
	}()
}

func metrics() { go http.ListenAndServe(":9090", promhttp.Handler()) }

func mux() {
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.Handler())
	go http.ListenAndServe(":9090", mux)
}

func named() { go serveDebug() }

func serveDebug() { _ = http.ListenAndServe(":6060", nil) }
