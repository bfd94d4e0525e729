package caught

import (
	"context"
	"log"
	"os"
	"os/signal"
	"syscall"

	"github.com/oklog/run"
)

func kill() {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, os.Interrupt, os.Kill) // want `signals: os.Kill cannot be caught`
	<-sigs
}

func killAndTerm() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGKILL) // want `signals: syscall.SIGKILL cannot be caught`
	defer stop()
	<-ctx.Done()
}

func sigstop() {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs, syscall.SIGTERM, syscall.SIGSTOP) // want `signals: syscall.SIGSTOP cannot be caught`
	<-sigs
}

func all() {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs) // want `signals: signal.Notify without signals catches all of them`
	<-sigs
}

func allLogged() {
	sigs := make(chan os.Signal, 1)
	signal.Notify(sigs) // want `signals: signal.Notify without signals catches all of them`
	log.Println("stopping:", <-sigs)
}

func allContext() {
	ctx, stop := signal.NotifyContext(context.Background()) // want `signals: signal.NotifyContext without signals catches all of them`
	defer stop()
	<-ctx.Done()
}

func allActor(ctx context.Context) error {
	var g run.Group
	g.Add(run.SignalHandler(ctx)) // want `signals: run.SignalHandler without signals catches all of them`
	return g.Run()
}

func unbuffered() {
	sigs := make(chan os.Signal)
	signal.Notify(sigs, os.Interrupt, syscall.SIGTERM) // want `signals: the channel has no buffer`
	<-sigs
}

type app struct{ sigs chan os.Signal }

func (a *app) unbuffered() {
	a.sigs = make(chan os.Signal)
	sigs := a.sigs
	go func() {
		c := make(chan os.Signal)
		signal.Notify(c, syscall.SIGTERM) // want `signals: the channel has no buffer`
		sigs <- <-c
	}()
}
