package main

import (
	"context"
	"fmt"
	"time"

	"github.com/lastcall-go/lastcall/bench/internal/httpcost"
)

const (
	drained = "httpdrain"
	netHTTP = "net/http"
	again   = "net/http, again" // a second server of the same kind, whose difference is chance

	requestsEachTurn = 50
	requestsForAlloc = 10_000
)

func requestContest(turns int) contest {
	return contest{title: "a request", names: []string{drained, netHTTP, again}, sizes: []size{{1, turns}}}
}

// holdRequests runs the servers side by side and sends some requests to each in turn, on a
// connection that stays open. A turn takes about a millisecond. Other work of the machine lasts
// longer and affects all, so that even their small difference can be measured.
func holdRequests(ctx context.Context, turns int, progress func(string)) (r *results, err error) {
	r = &results{requestContest(turns), make(map[key][]cost)}
	send := make(map[string]func(n int) error)
	for _, name := range r.names {
		l, requests, hangUp, failed := httpcost.OnLoopback()
		if failed != nil {
			return nil, failed
		}
		defer hangUp()
		stop := httpcost.Serve(l, name == drained)
		defer func() {
			if stopped := stop(); err == nil {
				err = stopped
			}
		}()
		progress(r.title + ", " + name)
		if err := requests(requestsForAlloc / 10); err != nil { // to warm up
			return nil, err
		}
		m := startMeter()
		if err := requests(requestsForAlloc); err != nil {
			return nil, err
		}
		_, allocs := m.stop(requestsForAlloc)
		r.costs[key{name, 1}] = []cost{{requestAllocs: allocs}}
		send[name] = requests
	}
	progress(r.title + ", in turns")
	for turn := range turns {
		for n := range r.names {
			name := r.names[(turn+n)%len(r.names)]
			start := time.Now()
			if err := send[name](requestsEachTurn); err != nil {
				return nil, err
			}
			took := float64(time.Since(start)) / requestsEachTurn
			r.costs[key{name, 1}] = append(r.costs[key{name, 1}], cost{requestTime: took})
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
	}
	return r, nil
}

// lagContest has a size for each protocol: the index of the protocol.
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
