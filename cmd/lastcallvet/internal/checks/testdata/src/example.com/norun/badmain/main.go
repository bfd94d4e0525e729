package main

import (
	"context"

	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	shutdown.Register(func(context.Context) error { return nil }) // want `norun: nothing runs this handler: main calls no shutdown.Main, Run or Exit`
}
