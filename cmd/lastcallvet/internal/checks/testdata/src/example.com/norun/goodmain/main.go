package main

import (
	"context"
	"os"

	"example.com/norun/helper"
	"github.com/lastcall-go/lastcall/shutdown"
)

func main() { os.Exit(shutdown.Main(run)) }

func run(context.Context) error {
	helper.Register()
	return nil
}
