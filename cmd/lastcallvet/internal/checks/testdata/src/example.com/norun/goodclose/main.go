package main

import (
	"context"

	"github.com/lastcall-go/lastcall/shutdown"
)

func main() {
	r := shutdown.Register(func(context.Context) error { return nil })
	defer r.Close(context.Background())
}
