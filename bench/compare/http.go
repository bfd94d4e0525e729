package main

import (
	"fmt"

	"github.com/lastcall-go/lastcall/bench/internal/httpcost"
)

const (
	drained      = "httpdrain"
	netHTTP      = "net/http"
	requestsEach = 20_000
)

func requestContest(repetitions int) contest {
	return contest{
		title:   "a request",
		names:   []string{drained, netHTTP},
		sizes:   []size{{1, repetitions}},
		measure: measureRequest,
	}
}

func measureRequest(name string, _ int) (cost, error) {
	l, requests := httpcost.InMemory()
	stop := httpcost.Serve(l, name == drained)
	m := startMeter()
	err := requests(requestsEach)
	c := cost{}
	c[requestTime], c[requestAllocs] = m.stop(requestsEach)
	if stopped := stop(); err == nil {
		err = stopped
	}
	return c, err
}

// lagContest has a size for each protocol, which is its index.
func lagContest(repetitions int) contest {
	c := contest{title: "lag, protocol", names: []string{drained, netHTTP}, measure: measureLag}
	for n := range httpcost.Protocols {
		c.sizes = append(c.sizes, size{n, repetitions})
	}
	return c
}

func measureLag(name string, protocol int) (cost, error) {
	lag, err := httpcost.Lag(httpcost.Protocols[protocol], name == drained)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", name, httpcost.Protocols[protocol], err)
	}
	return cost{lagTime: float64(lag)}, nil
}
