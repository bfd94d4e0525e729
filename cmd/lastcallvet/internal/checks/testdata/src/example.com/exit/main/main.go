package main

import (
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	defer os.Remove("pid")
	defer shutdown.Exit(0)
	srv := &http.Server{}
	go func() {
		log.Fatal(srv.ListenAndServe()) // want `exit: log.Fatal ends the process without the call deferred at line \d+ \(os.Remove\)`
	}()
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM)
	<-sigs
	stop() // want `exit: main.stop \(os.Exit\) ends the process without the call deferred`
}

func stop() {
	println("bye")
	os.Exit(0)
}
