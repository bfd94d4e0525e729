package main

import (
	"example.com/serveends/web"
	"net/http"
)

// The cause is in another package.
func main() {
	_ = web.Run(&http.Server{}) // want `serveends: web.Run returns when its server's Serve does, while the Shutdown that it started still runs`
}
