package main

// #include <unistd.h>
import "C"

func init() {
	ways["cgo"], inRequests["http cgo"] = sleepInC, sleepInC
}

func sleepInC() {
	C.sleep(1000) // stuck: cgo
}
