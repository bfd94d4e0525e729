package bad

import (
	"log"
	"net"
	"net/http"

	"example.com/packageserve/helper"
	"github.com/gin-gonic/gin"
	"github.com/oklog/run"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

func plain() error {
	return http.ListenAndServe(":80", nil) // want `packageserve: http.ListenAndServe makes a server that nobody can stop`
}

func tls(mux *http.ServeMux) error {
	return http.ListenAndServeTLS(":443", "c", "k", mux) // want `packageserve: http.ListenAndServeTLS`
}

func fatal(h http.Handler) {
	log.Fatal(http.ListenAndServe(":80", h)) // want `packageserve: http.ListenAndServe`
}

func goroutine(h http.Handler) {
	go http.ListenAndServe(":80", h) // want `packageserve: http.ListenAndServe`
	select {}
}

func literal(h http.Handler, errs chan error) {
	go func() {
		errs <- http.ListenAndServe(":80", h) // want `packageserve: http.ListenAndServe`
	}()
}

func listener(h http.Handler) error {
	l, err := net.Listen("tcp", ":80")
	if err != nil {
		return err
	}
	return http.Serve(l, h) // want `packageserve: http.Serve `
}

func group(h http.Handler) error {
	var g errgroup.Group
	g.Go(func() error { return http.ListenAndServe(":80", h) }) // want `packageserve: http.ListenAndServe`
	return g.Wait()
}

func actor(h http.Handler) error {
	var g run.Group
	g.Add(func() error {
		return http.ListenAndServe(":80", h) // want `packageserve: http.ListenAndServe`
	}, func(error) {})
	return g.Run()
}

var command = &cobra.Command{RunE: func(cmd *cobra.Command, args []string) error {
	return http.ListenAndServe(args[0], nil) // want `packageserve: http.ListenAndServe`
}}

func engine() error {
	r := gin.Default()
	return r.Run(":80") // want `packageserve: gin.Engine.Run`
}

func value(h http.Handler) error {
	serve := http.ListenAndServe
	return serve(":80", h) // want `packageserve: http.ListenAndServe`
}

func throughHelper(h http.Handler) error {
	return helper.Serve(":80", h) // want `packageserve: helper.Serve \(http.ListenAndServe\) makes a server that nobody can stop`
}

type app struct{ h http.Handler }

func (a *app) Run() error {
	return http.ListenAndServe(":80", a.h) // want `packageserve: http.ListenAndServe`
}
