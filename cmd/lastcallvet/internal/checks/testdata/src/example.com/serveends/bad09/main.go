package main

import (
	"example.com/serveends/web"
)

// Methods of another package serve and stop.
func main() {
	s := new(web.Server)
	go func() {
		<-web.Context().Done()
		s.Stop()
	}()
	_ = s.Start() // want `serveends: web.Server.Start returns when Shutdown is called`
}
