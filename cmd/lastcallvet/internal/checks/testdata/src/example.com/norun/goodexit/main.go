package main

import (
	"context"

	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	defer shutdown.Exit(0)
	shutdown.Register(func(context.Context) error { return nil })
}
