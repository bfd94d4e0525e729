package main

import "example.com/norun/helper"

func main() { // want `norun: a package of this program registers handlers \(shutdown.Register\) that nothing runs`
	helper.Register()
}
