package main

import (
	"flag"
	"os"
)

func main() {
	// It is called before anything is deferred.
	flag.Usage = func() { usage() }
	flag.Parse()
	defer os.Remove("pid")
	println("work")
}

func usage() {
	flag.PrintDefaults()
	os.Exit(2)
}
